// The few looks at the file system a configuration needs, so that tests and live reload bring theirs.
import { isAbsolute, resolve } from "node:path";
import { quote } from "./describe.ts";

/** No path is longer on Linux, so paths are shown whole. */
const MAX_PATH = 4096;

const MIB = 1024 * 1024;
/** Ten thousand cars with ten modules each stay below. */
const MAX_FILE_BYTES = 64 * MIB;

/** What is at a path; `other` is a pipe or a device. */
export type FileKind = "file" | "directory" | "other" | "missing";

/** The file system as the configuration sees it. */
export interface ConfigFiles {
  /** What is at an absolute path; links are followed. Does not throw. */
  kind(path: string): FileKind;
  /** @throws when the file cannot be read, is larger than 64 MiB, or is not UTF-8. */
  readText(path: string): string;
}

/** Where names are looked up. Both are absolute. */
export interface ConfigPlace {
  readonly workingDirectory: string;
  /** The folder of the configuration file. */
  readonly folder: string;
  readonly files: ConfigFiles;
}

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The real file system. */
export const systemFiles: ConfigFiles = {
  kind(path) {
    try {
      const info = Deno.statSync(path);
      if (info.isFile) return "file";
      return info.isDirectory ? "directory" : "other";
    } catch {
      return "missing";
    }
  },
  readText(path) {
    // The runtime's own function puts another character where the text is not UTF-8.
    return UTF8.decode(readBytes(path));
  },
};

/** Reads a file whose size nobody knows before its end: a device may have none. */
function readBytes(path: string): Uint8Array {
  using file = Deno.openSync(path);
  let bytes = new Uint8Array(64 * 1024);
  let length = 0;
  while (true) {
    if (length === bytes.length) {
      if (length >= MAX_FILE_BYTES) {
        throw new RangeError(
          `has more than ${MAX_FILE_BYTES / MIB} MiB, which no configuration has`,
        );
      }
      const larger = new Uint8Array(2 * length);
      larger.set(bytes);
      bytes = larger;
    }
    const read = file.readSync(bytes.subarray(length));
    if (read === null) return bytes.subarray(0, length);
    length += read;
  }
}

/** What {@linkcode findFile} found. */
export type FoundFile =
  | { readonly ok: true; readonly path: string }
  | { readonly ok: false; readonly message: string };

/**
 * Looks a file up from the working directory, then from the configuration's folder (section 5).
 * Pipes and devices count only when `kinds` says so.
 */
export function findFile(
  name: string,
  place: ConfigPlace,
  kinds: readonly FileKind[] = ["file"],
): FoundFile {
  const candidates = isAbsolute(name)
    ? [resolve(name)]
    : [...new Set([resolve(place.workingDirectory, name), resolve(place.folder, name)])];
  for (const path of candidates) {
    if (kinds.includes(place.files.kind(path))) return { ok: true, path };
  }
  const other = candidates.find((path) => place.files.kind(path) !== "missing");
  if (other !== undefined) {
    const kind = place.files.kind(other) === "directory" ? "a directory" : "none";
    return { ok: false, message: `Expected a file: found ${kind} at ${quote(other, MAX_PATH)}` };
  }
  const looked = candidates.map((path) => quote(path, MAX_PATH)).join(" and ");
  return { ok: false, message: `Expected an existing file: found none at ${looked}` };
}

/** Reads a file {@linkcode findFile} finds, a pipe as well; what goes wrong becomes a message. */
export function readFound(
  name: string,
  place: ConfigPlace,
): FoundFile & { readonly text?: string } {
  const found = findFile(name, place, ["file", "other"]);
  if (!found.ok) return found;
  try {
    return { ...found, text: place.files.readText(found.path) };
  } catch (error) {
    const reason = describeFileError(error);
    const path = quote(found.path, MAX_PATH);
    return { ok: false, message: `Expected a readable file: found ${path}: ${reason}` };
  }
}

/** Reads a file like {@linkcode readFound} that has nothing in it but a secret. */
export function readSecret(
  name: string,
  place: ConfigPlace,
): FoundFile & { readonly text?: string } {
  const read = readFound(name, place);
  return !read.ok || read.text === undefined ? read : { ...read, text: secretOf(read.text) };
}

/** The secret in a file's text: editors end it with a newline. Spaces and further lines are part of it. */
export function secretOf(text: string): string {
  return text.replace(/\r?\n$/, "");
}

/** Why a file could not be read, in words. */
export function describeFileError(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "no such file";
  if (error instanceof Deno.errors.PermissionDenied) return "permission denied";
  if (error instanceof Deno.errors.NotCapable) return "the program lacks the permission to read it";
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (error instanceof Deno.errors.IsADirectory || code === "EISDIR") return "is a directory";
  if (error instanceof TypeError) return "is no text in UTF-8";
  if (error instanceof RangeError) return error.message;
  return error instanceof Error ? quote(error.message) : "unknown reason";
}
