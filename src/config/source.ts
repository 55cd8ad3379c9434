// Where a configuration comes from: a file, or standard input.
import { dirname, resolve } from "node:path";
import { type FileSource, systemFiles } from "./files.ts";
import { readStandardInput } from "../text/mod.ts";

/** A place that has a configuration, each time it is asked. */
export interface ConfigSource {
  /** For messages: a file's path. */
  readonly name: string;
  /** Files that the configuration names are looked up here after the working directory. */
  readonly folder: string;
  /** The file system, where that of the machine is not meant. */
  readonly files?: FileSource;
  /** Whether its documents are pulled: secrets must not stand in them. @default {false} */
  readonly isPulled?: boolean;
  /**
   * Reads the document's text.
   *
   * @throws when it cannot be had now; the message completes "Expected a readable configuration".
   */
  read(): Promise<string>;
}

/** Stands for standard input in place of a file. */
const STANDARD_INPUT = "-";

/**
 * The source that a command line names.
 *
 * @param path of a file; `-` is standard input, whose text comes only once
 * @param files stands for the file system in tests
 */
export function configSource(path: string, files: FileSource = systemFiles): ConfigSource {
  if (path === STANDARD_INPUT) return standardInput(files);
  const absolute = resolve(Deno.cwd(), path);
  return {
    name: path === "" ? absolute : path,
    folder: dirname(absolute),
    files,
    read: () => files.readText(absolute, {}),
  };
}

function standardInput(files: FileSource): ConfigSource {
  let isRead = false;
  return {
    name: "(standard input)",
    folder: Deno.cwd(),
    files,
    async read() {
      if (isRead) throw new Error("what came from standard input cannot be read again");
      isRead = true;
      return await readStandardInput();
    },
  };
}
