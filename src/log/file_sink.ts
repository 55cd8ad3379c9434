// The sink for log files, loaded only where lines go to a file. Files are written and rotated by LogTape's
// sink, used directly: its loggers and their configuration belong to the process, and two servers in one
// process would disturb each other. A record here is a chunk of finished lines, so that a chunk costs one
// write.
import type { LogRecord, Sink } from "@logtape/logtape";
import { getRotatingFileSink } from "@logtape/file";
import { requireRegularFile } from "../text/mod.ts";
import type { LineSink } from "./sinks.ts";

const utf8 = new TextEncoder();

/** How a log file is written. */
export interface FileSinkOptions {
  readonly path: string;
  /** Rotated before it would grow larger; 0: never. */
  readonly maxBytes: number;
  /** Old files `<path>.1` and up that are kept; 0: none. */
  readonly keep: number;
  readonly onTaken: () => void;
  /** Reports an error; the sink has reopened the file, or will try with the next chunk. */
  readonly onTrouble: (text: string) => void;
}

/**
 * Writes chunks to a file, flushed to disk in the background.
 *
 * LogTape's file sink does not report failed writes, and never writes again after a failed
 * rotation. So before each chunk, the file is checked: one that was moved, truncated, or did not
 * grow (a full disk) is reported and reopened.
 */
export class FileSink implements LineSink {
  readonly #options: FileSinkOptions;
  #sink: (Sink & AsyncDisposable) | undefined;
  /** The sinks that were given up and are flushing to disk what they had. */
  readonly #leaving = new Set<Promise<void>>();
  #before: Deno.FileInfo | undefined;
  #lastBytes = 0;

  /** @throws {Error} (of the system) when the file cannot be opened. */
  constructor(options: FileSinkOptions) {
    this.#options = options;
    this.#sink = this.#open();
  }

  write(chunk: string): void {
    try {
      if (this.#sink === undefined) this.#sink = this.#open();
      else if (!this.#isWell()) this.#reopen(this.#sink);
    } catch (error) {
      this.#sink = undefined;
      this.#options.onTrouble(
        `Cannot open the log file "${this.#options.path}": ${(error as Error).message}`,
      );
      queueMicrotask(this.#options.onTaken);
      return;
    }
    this.#sink(recordOf(chunk));
  }

  async close(): Promise<void> {
    await Promise.all([this.#sink?.[Symbol.asyncDispose](), ...this.#leaving]);
  }

  #open(): Sink & AsyncDisposable {
    const { path, maxBytes, keep, onTaken } = this.#options;
    requireRegularFile(path);
    const sink = getRotatingFileSink(path, {
      maxSize: maxBytes === 0 ? Infinity : maxBytes,
      maxFiles: keep,
      nonBlocking: true,
      // The lines are batched already.
      bufferSize: 0,
      flushInterval: 0,
      formatter: chunkOf,
      encoder: {
        // The sink encodes when it writes: until then the chunk waits for an earlier one's flush.
        encode: (chunk) => {
          const bytes = utf8.encode(chunk);
          this.#lastBytes = bytes.length;
          queueMicrotask(onTaken);
          return bytes;
        },
      },
    });
    this.#before = Deno.statSync(path);
    this.#lastBytes = 0;
    // The type for `nonBlocking` is declared behind one that always matches first.
    return sink as Sink as Sink & AsyncDisposable;
  }

  #isWell(): boolean {
    const before = this.#before;
    let now: Deno.FileInfo;
    try {
      now = Deno.statSync(this.#options.path);
    } catch {
      return false;
    }
    this.#before = now;
    const grown = this.#lastBytes;
    this.#lastBytes = 0;
    // Without old files, the new file after a rotation may get the inode of the deleted one.
    const isSameFile = now.ino === before?.ino && this.#options.keep > 0;
    return now.size >= (isSameFile ? before?.size ?? 0 : 0) + grown;
  }

  #reopen(old: Sink & AsyncDisposable): void {
    this.#options.onTrouble(
      `Lines may be missing in the log file "${this.#options.path}": it was moved or cut, ` +
        "or the disk is full",
    );
    // It may be closed already.
    const leaving = (async () => {
      await old[Symbol.asyncDispose]();
    })().catch(() => {}).finally(() => this.#leaving.delete(leaving));
    this.#leaving.add(leaving);
    this.#sink = this.#open();
  }
}

/** A record that carries a chunk; only its message is ever read. */
function recordOf(chunk: string): LogRecord {
  return {
    category: [],
    level: "info",
    message: [chunk],
    rawMessage: "",
    timestamp: 0,
    properties: {},
  };
}

function chunkOf(record: LogRecord): string {
  return record.message[0] as string;
}
