// The directory of what survives a restart of the server.
import { join } from "node:path";
import * as z from "zod";
import type { Log } from "../log/mod.ts";
import { describeFileError, readText } from "../text/mod.ts";
import { type Clock, systemClock, within } from "../time/mod.ts";
import { StateError } from "./errors.ts";
import { MAX_BYTES, type ReplaceFile, type StateContent, StateFile } from "./state_file.ts";

export interface StateDirectoryOptions {
  /** An absolute path; made when it is not there. */
  readonly path: string;
  readonly log: Log;
  /** @default {systemClock} */
  readonly clock?: Clock;
  /** @default {the disk's} */
  readonly replace?: ReplaceFile;
}

/** What is kept under a name. */
export interface StateDocument<S extends z.ZodType = z.ZodType> {
  /** Such as `pauses.json`. */
  readonly name: string;
  /** Has the number of the document's `format`, which changes when older servers cannot read it. */
  readonly schema: S;
}

/** How long the start waits for the disk, in milliseconds. */
const OPEN_MS = 10_000;
/** How long it waits for a server that ends, in milliseconds. */
const LOCK_MS = 2000;
/** Is locked while a server uses the directory. */
export const LOCK = "lock";
/** Is written and removed at the start, to see whether that works. */
const PROBE = "probe";
/** Ends the name of a document that could not be used; there is one at most of each. */
const SET_ASIDE = ".set-aside";
const Formatted = z.looseObject({ format: z.int() });

/** Only the user who runs the server may read what is in it. */
export class StateDirectory {
  readonly path: string;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #replace: ReplaceFile;
  readonly #files: StateFile[] = [];
  #lock: Deno.FsFile | undefined;

  constructor({ path, log, clock = systemClock, replace = replaceFile }: StateDirectoryOptions) {
    this.path = path;
    this.#log = log;
    this.#clock = clock;
    this.#replace = replace;
  }

  /**
   * Makes the directory, locks it, and writes to it once.
   *
   * @throws {StateError} when that cannot be done, or another server uses the directory.
   */
  async open(): Promise<void> {
    const probe = join(this.path, PROBE);
    const work = async () => {
      await Deno.mkdir(this.path, { recursive: true, mode: 0o700 });
      const lock = await Deno.open(join(this.path, LOCK), { write: true, create: true });
      // A wait for the lock of another server ends with this process.
      if (!await within(lock.lock(true), LOCK_MS, this.#clock)) {
        throw new Error("another server uses it");
      }
      this.#lock = lock;
      await this.#replace(probe, []);
      await Deno.remove(probe);
    };
    const fail = (reason: string, cause?: unknown) => {
      const expected = `Cannot keep state in ${JSON.stringify(this.path)}: ${reason}; make it a ` +
        "directory that this user may write, or give state_dir another";
      return new StateError(this.path, expected, { cause });
    };
    let inTime: boolean;
    try {
      inTime = await within(work(), OPEN_MS, this.#clock);
    } catch (cause) {
      throw fail(cause instanceof Error ? cause.message : String(cause), cause);
    }
    if (!inTime) throw fail(`the disk did not answer within ${OPEN_MS} ms`);
  }

  /**
   * What was kept under a name.
   *
   * @returns undefined when nothing was.
   * @throws {StateError} when it cannot be read, or is something else.
   */
  async read<S extends z.ZodType>(
    { name, schema }: StateDocument<S>,
  ): Promise<z.output<S> | undefined> {
    const path = join(this.path, name);
    const fail = (reason: string, cause?: unknown) => {
      const message =
        `Cannot read ${JSON.stringify(path)}: ${reason}; repair it, or remove it and ` +
        "what it keeps is forgotten";
      return new StateError(path, message, { cause });
    };
    let text: string;
    try {
      text = await readText(path, { maxBytes: MAX_BYTES, clock: this.#clock });
    } catch (cause) {
      if (cause instanceof Deno.errors.NotFound) return undefined;
      throw fail(describeFileError(cause), cause);
    }
    let document: unknown;
    try {
      document = JSON.parse(text);
    } catch (cause) {
      throw fail("not JSON", cause);
    }
    const parsed = schema.safeParse(document);
    if (parsed.success) return parsed.data;
    const [issue] = parsed.error.issues;
    const formatted = Formatted.safeParse(document);
    if (issue?.path[0] === "format" && formatted.success) {
      throw fail(`another version of the server wrote it, in format ${formatted.data.format}`);
    }
    throw fail(`${issue?.path.join(".") || "(document)"}: ${issue?.message}`, parsed.error);
  }

  /**
   * As {@linkcode StateDirectory.read}, for what a server can do without: a document that cannot be
   * used gets another name, which the log tells with the reason.
   *
   * @throws {StateError} when it cannot be renamed: it would be overwritten.
   */
  async readOrSetAside<S extends z.ZodType>(
    document: StateDocument<S>,
  ): Promise<z.output<S> | undefined> {
    try {
      return await this.read(document);
    } catch (error) {
      if (!(error instanceof StateError)) throw error;
      await this.#setAside(error);
      return undefined;
    }
  }

  async #setAside({ path, message }: StateError): Promise<void> {
    const aside = setAsideName(path);
    const [reason = ""] = message.split("; ");
    const fail = (why: string, cause?: unknown) =>
      new StateError(path, `${reason}; nor can it be renamed to ${JSON.stringify(aside)}: ${why}`, {
        cause,
      });
    let inTime: boolean;
    try {
      inTime = await within(Deno.rename(path, aside), OPEN_MS, this.#clock);
    } catch (cause) {
      throw fail(describeFileError(cause), cause);
    }
    if (!inTime) throw fail(`the disk did not answer within ${OPEN_MS} ms`);
    this.#log.error(() =>
      `${reason}. Renamed it to ${JSON.stringify(aside)}, and goes on without it`
    );
  }

  /** A document that is written whenever it is saved. */
  file(name: string, document: () => unknown): StateFile {
    return this.#file(name, { document });
  }

  /** One that is too large to be made at once: JSON in parts. */
  largeFile(name: string, parts: () => Iterable<string>): StateFile {
    return this.#file(name, { parts });
  }

  #file(name: string, content: StateContent): StateFile {
    const path = join(this.path, name);
    const options = { path, content, log: this.#log, clock: this.#clock, replace: this.#replace };
    const file = new StateFile(options);
    this.#files.push(file);
    return file;
  }

  /** Writes what has not been written, and leaves the directory to others. Never rejects. */
  async stop(): Promise<void> {
    await Promise.all(this.#files.map((file) => file.stop()));
    this.#lock?.close();
    this.#lock = undefined;
  }
}

/** The name of a document that could not be used. */
export function setAsideName(name: string): string {
  return name + SET_ASIDE;
}

/** Where a document is written before it takes the place of the old one. */
export function freshName(name: string): string {
  return `${name}.new`;
}

/** A crash at any moment leaves the old file or the new one. */
export async function replaceFile(path: string, slices: readonly Uint8Array[]): Promise<void> {
  const fresh = freshName(path);
  {
    using file = await Deno.open(fresh, {
      write: true,
      create: true,
      truncate: true,
      mode: 0o600,
    });
    for (const slice of slices) {
      for (let written = 0; written < slice.length;) {
        written += await file.write(slice.subarray(written));
      }
    }
    await file.sync();
  }
  await Deno.rename(fresh, path);
  // The name is on the disk only when the directory is.
  using directory = await Deno.open(join(path, ".."));
  await directory.sync();
}
