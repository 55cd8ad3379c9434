// Reads files, bounded in size and in time: a pipe may have no writer, a device no end, and the
// server of a network file system may be gone.
import { type Clock, systemClock, within } from "../time/mod.ts";

const MIB = 1024 * 1024;
/** A configuration of ten thousand cars with ten modules each is smaller. */
const MAX_BYTES = 64 * MIB;
/** The bundle of all public authorities has a quarter of this size. */
export const MAX_PEM_BYTES = MIB;
/** Passwords and keys. */
export const MAX_SECRET_BYTES = 64 * 1024;
const DEADLINE_MS = 10_000;

/** System calls of {@linkcode readText}; tests have some that never return. */
export type FileSystem = Pick<typeof Deno, "stat" | "open">;

/** Limits of one file. */
export interface ReadOptions {
  /** @default {67108864} */
  readonly maxBytes?: number;
  /** For the whole file, in milliseconds. @default {10000} */
  readonly deadlineMs?: number;
  /** @default {systemClock} */
  readonly clock?: Clock;
  /** @default {Deno} */
  readonly system?: FileSystem;
}

/** A file cannot be read. The message follows the file's name. */
export class FileError extends Error {
  override readonly name = "FileError";
}

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Reads a regular file whole.
 *
 * @throws {FileError} when it is something else, larger than allowed, or not read in time.
 * @throws {TypeError} when it is not UTF-8.
 * @throws what the system throws, such as `Deno.errors.NotFound`.
 */
export async function readText(path: string, options: ReadOptions = {}): Promise<string> {
  // The runtime's own function replaces invalid UTF-8 silently.
  return UTF8.decode(await readBytes(path, options));
}

/** Reads a regular file whole; throws like {@linkcode readText}. */
export async function readBytes(path: string, options: ReadOptions = {}): Promise<Uint8Array> {
  const { maxBytes = MAX_BYTES, system = Deno } = options;
  return await inTime(options, async (signal) => {
    // Before it is opened: opening a pipe without a writer blocks a thread forever.
    const info = await system.stat(path);
    if (!info.isFile) throw new FileError(`is ${kindOf(info)}, not a regular file`);
    signal.throwIfAborted();
    using file = await system.open(path);
    return await readAll(file, maxBytes, signal);
  });
}

/** Reads standard input to its end; throws like {@linkcode readText}. */
export async function readStandardInput(options: ReadOptions = {}): Promise<string> {
  const { maxBytes = MAX_BYTES } = options;
  return UTF8.decode(
    await inTime(options, (signal) => readAll(Deno.stdin, maxBytes, signal)),
  );
}

/** What is at a path, following links; "missing" also without permission to look. */
export type FileKind = "file" | "directory" | "other" | "missing" | "unresponsive";

/** Looks up what is at a path, with a deadline. Does not throw. */
export async function fileKind(path: string, options: ReadOptions = {}): Promise<FileKind> {
  const { system = Deno } = options;
  try {
    const info = await inTime(options, () => system.stat(path));
    return info.isFile ? "file" : info.isDirectory ? "directory" : "other";
  } catch (error) {
    return error instanceof FileError ? "unresponsive" : "missing";
  }
}

async function inTime<T>(
  { deadlineMs = DEADLINE_MS, clock = systemClock }: ReadOptions,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const abort = new AbortController();
  const working = work(abort.signal);
  if (await within(working, deadlineMs, clock)) return await working;
  abort.abort();
  throw new FileError(`was not read within ${deadlineMs} ms`);
}

/** Reads to the end: files may grow, and those of the kernel have no size. */
async function readAll(
  file: { read(into: Uint8Array): Promise<number | null> },
  maxBytes: number,
  signal: AbortSignal,
): Promise<Uint8Array> {
  let bytes = new Uint8Array(Math.min(64 * 1024, maxBytes + 1));
  let length = 0;
  while (true) {
    if (length === bytes.length) {
      const larger = new Uint8Array(Math.min(2 * length, maxBytes + 1));
      larger.set(bytes);
      bytes = larger;
    }
    const read = await file.read(bytes.subarray(length));
    signal.throwIfAborted();
    if (read === null) return bytes.subarray(0, length);
    length += read;
    if (length > maxBytes) throw new FileError(`has more than ${maxBytes} bytes`);
  }
}

/**
 * Refuses what must not be opened synchronously: opening a pipe without a partner would block the
 * process forever. A missing file is accepted.
 *
 * @throws {FileError} when something else than a regular file is at the path.
 */
export function requireRegularFile(path: string): void {
  let info: Deno.FileInfo;
  try {
    info = Deno.statSync(path);
  } catch {
    return;
  }
  if (!info.isFile) throw new FileError(`is ${kindOf(info)}, not a regular file`);
}

function kindOf(info: Deno.FileInfo): string {
  if (info.isDirectory) return "a directory";
  if (info.isFifo) return "a pipe";
  if (info.isSocket) return "a socket";
  return info.isCharDevice || info.isBlockDevice ? "a device" : "something else";
}

/** Why a file could not be read, in words that follow its name. */
export function describeFileError(error: unknown): string {
  if (error instanceof FileError) return error.message;
  if (error instanceof Deno.errors.NotFound) return "no such file";
  if (error instanceof Deno.errors.PermissionDenied) return "permission denied";
  if (error instanceof Deno.errors.NotADirectory) return "part of its path is a file";
  if (error instanceof Deno.errors.NotCapable) return "the program lacks the permission to read it";
  if (error instanceof TypeError) return "is not UTF-8 text";
  return error instanceof Error ? error.message : "unknown reason";
}
