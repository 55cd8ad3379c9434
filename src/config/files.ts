// The file system as a configuration sees it. Reading a configuration is pure: it looks files up in
// a table; missing entries are filled in, and it is read again.
import { isAbsolute, resolve } from "node:path";
import { readScript, type Script } from "../script/mod.ts";
import type { Faults } from "./errors.ts";
import {
  describeFileError,
  type FileKind,
  fileKind,
  MAX_PEM_BYTES,
  MAX_SECRET_BYTES,
  quote,
  readText,
  secretOf,
} from "../text/mod.ts";

/** No path is longer on Linux, so paths are shown whole. */
const MAX_PATH = 4096;

/** The file system as the configuration sees it. */
export interface ConfigFiles {
  /** What is at an absolute path; links are followed. Does not throw. */
  kind(path: string): FileKind;
  /** @throws when the file cannot be read, is larger than `maxBytes`, or is not UTF-8. */
  readText(path: string, maxBytes: number): string;
  /**
   * The module in TypeScript or JavaScript at an absolute path; undefined: its content plays no part.
   *
   * @throws {ScriptError} when it cannot be used.
   */
  script(path: string): Script | undefined;
  /** A variable of the environment. @default {none is set} */
  variable?(name: string): string | undefined;
}

/** Where names are looked up. Both are absolute. */
export interface ConfigPlace {
  readonly workingDirectory: string;
  /** The folder of the configuration file. */
  readonly folder: string;
  readonly files: ConfigFiles;
  /** Whether the document was pulled: secrets must not stand in it. @default {false} */
  readonly isPulled?: boolean;
}

/** The real file system, or what stands for it in a test. */
export interface FileSource {
  kind(path: string): Promise<FileKind>;
  readText(path: string, options: { readonly maxBytes?: number }): Promise<string>;
  variable?(name: string): string | undefined;
}

/** The real file system; each access has a deadline. */
export const systemFiles: FileSource = {
  kind: fileKind,
  readText,
  variable: (name) => Deno.env.get(name),
};

/**
 * Calls `parse` again until all files that it asks for are known, then returns what it returns, or
 * throws what it throws.
 */
export async function withFiles<T>(
  source: FileSource,
  parse: (files: ConfigFiles) => T,
): Promise<T> {
  const files = new SeenFiles(source);
  for (;;) {
    let outcome: () => T;
    try {
      const result = parse(files);
      outcome = () => result;
    } catch (error) {
      outcome = () => {
        throw error;
      };
    }
    if (!await files.look()) return outcome();
  }
}

/** Answers with what is known, and remembers what was asked for and is not. */
class SeenFiles implements ConfigFiles {
  readonly #source: FileSource;
  readonly #kinds = new Map<string, FileKind>();
  readonly #texts = new Map<string, { text: string } | { error: unknown }>();
  readonly #scripts = new Map<string, { script: Script } | { error: unknown }>();
  readonly #wanted = new Map<string, () => Promise<void>>();

  constructor(source: FileSource) {
    this.#source = source;
  }

  /** Looks up what was asked for and is not known; resolves with whether there was anything. */
  async look(): Promise<boolean> {
    const wanted = [...this.#wanted.values()];
    this.#wanted.clear();
    await Promise.all(wanted.map((look) => look()));
    return wanted.length > 0;
  }

  kind(path: string): FileKind {
    const kind = this.#kinds.get(path);
    if (kind !== undefined) return kind;
    this.#wanted.set(`kind ${path}`, async () => {
      this.#kinds.set(path, await this.#source.kind(path));
    });
    return "missing";
  }

  readText(path: string, maxBytes: number): string {
    const seen = this.#texts.get(path);
    if (seen === undefined) {
      this.#wanted.set(`text ${path}`, async () => {
        try {
          this.#texts.set(path, { text: await this.#source.readText(path, { maxBytes }) });
        } catch (error) {
          this.#texts.set(path, { error });
        }
      });
      return "";
    }
    if ("error" in seen) throw seen.error;
    return seen.text;
  }

  variable(name: string): string | undefined {
    return this.#source.variable?.(name);
  }

  script(path: string): Script | undefined {
    const seen = this.#scripts.get(path);
    if (seen === undefined) {
      this.#wanted.set(`script ${path}`, async () => {
        try {
          const read = this.#source.readText.bind(this.#source);
          this.#scripts.set(path, { script: await readScript(path, read) });
        } catch (error) {
          this.#scripts.set(path, { error });
        }
      });
      return undefined;
    }
    if ("error" in seen) throw seen.error;
    return seen.script;
  }
}

/** What {@linkcode findFile} found. */
export type FoundFile =
  | { readonly ok: true; readonly path: string }
  | { readonly ok: false; readonly message: string };

const FOUND: Readonly<Record<Exclude<FileKind, "file" | "missing">, string>> = {
  directory: "a directory",
  other: "a pipe or a device",
  unresponsive: "a file system that does not answer",
};

/** Begins the name of a credential that systemd hands over (`LoadCredential=`). */
const CREDENTIAL = "credential:";
/** Where systemd says that they are. */
const CREDENTIALS = "CREDENTIALS_DIRECTORY";
/** Begins the name of a variable of the environment that has a secret. */
const VARIABLE = "env:";

/**
 * Looks a file up from the working directory, then from the configuration's folder [CONFIG-FILES];
 * `credential:NAME` is one that systemd hands over.
 */
export function findFile(name: string, place: ConfigPlace): FoundFile {
  if (name.startsWith(CREDENTIAL)) return findCredential(name, place);
  const candidates = isAbsolute(name)
    ? [resolve(name)]
    : [...new Set([resolve(place.workingDirectory, name), resolve(place.folder, name)])];
  let other: string | undefined;
  for (const path of candidates) {
    const kind = place.files.kind(path);
    if (kind === "file") return { ok: true, path };
    if (kind !== "missing") other ??= `${FOUND[kind]} at ${quote(path, MAX_PATH)}`;
  }
  if (other !== undefined) return { ok: false, message: `Expected a file: found ${other}` };
  const looked = candidates.map((path) => quote(path, MAX_PATH)).join(" and ");
  return { ok: false, message: `Expected an existing file: found none at ${looked}` };
}

function findCredential(name: string, place: ConfigPlace): FoundFile {
  const own = name.slice(CREDENTIAL.length);
  const directory = place.files.variable?.(CREDENTIALS);
  if (own === "" || own.includes("/")) {
    const expected = `the name of a credential after "${CREDENTIAL}"`;
    return { ok: false, message: `Expected ${expected}: found ${quote(name)}` };
  }
  if (directory !== undefined) return findFile(resolve(directory, own), place);
  const expected = `a credential of systemd: ${CREDENTIALS} is not set for`;
  return { ok: false, message: `Expected ${expected} ${quote(name)}` };
}

/** Reads a file {@linkcode findFile} finds; what goes wrong becomes a message. */
function readFound(
  name: string,
  place: ConfigPlace,
  maxBytes: number,
): FoundFile & { readonly text?: string } {
  const found = findFile(name, place);
  if (!found.ok) return found;
  try {
    return { ...found, text: place.files.readText(found.path, maxBytes) };
  } catch (error) {
    const reason = describeFileError(error);
    const path = quote(found.path, MAX_PATH);
    return { ok: false, message: `Expected a readable file: found ${path}: ${reason}` };
  }
}

/** Finds a file of certificates or a key that can be read. */
export function findPem(name: string, place: ConfigPlace): FoundFile {
  return readFound(name, place, MAX_PEM_BYTES);
}

/** Reads a file that has nothing in it but a secret; `env:NAME` is a variable in place of it. */
export function readSecret(
  name: string,
  place: ConfigPlace,
): FoundFile & { readonly text?: string } {
  if (name.startsWith(VARIABLE)) {
    const text = place.files.variable?.(name.slice(VARIABLE.length));
    if (text !== undefined) return { ok: true, path: name, text };
    const expected = "a variable of the environment that is set";
    return { ok: false, message: `Expected ${expected}: found ${quote(name)}` };
  }
  const read = readFound(name, place, MAX_SECRET_BYTES);
  return !read.ok || read.text === undefined ? read : { ...read, text: secretOf(read.text) };
}

/** A secret, and the key that it stands under: its own, or that of its file. */
export interface GivenSecret {
  readonly text: string | undefined;
  readonly path: string;
}

/**
 * The secret that a key gives, or that is in the file that `<key>_file` names.
 *
 * @param path of the key
 * @returns undefined when both are given or the file cannot be read, which is reported
 */
export function givenSecret(
  path: string,
  given: string | undefined,
  file: string | undefined,
  place: ConfigPlace,
  faults: Faults,
): GivenSecret | undefined {
  if (file === undefined) return { text: given, path };
  const filePath = `${path}_file`;
  const name = path.slice(path.indexOf(".") + 1);
  if (given !== undefined) {
    faults.problem(filePath, `Expected either "${name}" or "${name}_file": found both`);
    return undefined;
  }
  const read = readSecret(file, place);
  if (read.ok) return { text: read.text, path: filePath };
  faults.problem(filePath, read.message);
  return undefined;
}
