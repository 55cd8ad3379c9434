// A sink that appends to files, NDJSON, and begins a new one when one is full.
import { join } from "node:path";
import { deleteOldFiles, fileName, fileNumbers } from "./event_files.ts";
import type { Sink, SinkBatch } from "./sink.ts";

export interface FileSinkOptions {
  /** Made when it is not there. */
  readonly directory: string;
  /** With more, a new file is begun, in bytes. */
  readonly maxBytes: number;
  /** Files that are kept, besides the one that is written; 0: all. */
  readonly keep: number;
}

const EXTENSION = "ndjson";
const NEWLINE = 10;

interface OpenFile {
  readonly number: number;
  readonly file: Deno.FsFile;
  /** Up to the last batch that was written whole. */
  size: number;
}

/** A batch is taken when it is synced. Its lines are in one file. */
export class FileSink implements Sink {
  readonly #options: FileSinkOptions;
  #open: OpenFile | null = null;

  constructor(options: FileSinkOptions) {
    this.#options = options;
  }

  get target(): string {
    return this.#options.directory;
  }

  async deliver({ messages }: SinkBatch): Promise<void> {
    const lines = new TextEncoder().encode(messages.map(({ body }) => `${body}\n`).join(""));
    const open = await this.#fileFor(lines.length);
    try {
      for (let written = 0; written < lines.length;) {
        written += await open.file.write(lines.subarray(written));
      }
      await open.file.syncData();
      open.size += lines.length;
    } catch (error) {
      // The batch comes again: no line of it may stay, nor half a line.
      await open.file.truncate(open.size).catch(() => {});
      await this.close();
      throw error;
    }
  }

  close(): Promise<void> {
    this.#open?.file.close();
    this.#open = null;
    return Promise.resolve();
  }

  async #fileFor(bytes: number): Promise<OpenFile> {
    const { directory, maxBytes, keep } = this.#options;
    if (this.#open === null) {
      await Deno.mkdir(directory, { recursive: true });
      const last = (await fileNumbers(directory, EXTENSION)).at(-1) ?? 1;
      this.#open = await openFile(directory, last);
    }
    if (this.#open.size === 0 || this.#open.size + bytes <= maxBytes) return this.#open;
    const { number } = this.#open;
    await this.close();
    if (keep > 0) await deleteOldFiles(directory, EXTENSION, number - keep);
    return this.#open = await openFile(directory, number + 1);
  }
}

/** Opens a file to append to it; half a line that a crash has left is cut off. */
async function openFile(directory: string, number: number): Promise<OpenFile> {
  const path = join(directory, fileName(number, EXTENSION));
  const file = await Deno.open(path, { read: true, append: true, create: true, mode: 0o600 });
  try {
    const { size } = await file.stat();
    const end = await endOfLines(file, size);
    if (end < size) await file.truncate(end);
    return { number, file, size: end };
  } catch (error) {
    file.close();
    throw error;
  }
}

/** The offset behind the last newline. */
async function endOfLines(file: Deno.FsFile, size: number): Promise<number> {
  const chunk = new Uint8Array(64 * 1024);
  for (let end = size; end > 0;) {
    const from = Math.max(0, end - chunk.length);
    await file.seek(from, Deno.SeekMode.Start);
    const part = chunk.subarray(0, end - from);
    for (let read = 0; read < part.length;) {
      const more = await file.read(part.subarray(read));
      if (more === null) return 0;
      read += more;
    }
    const newline = part.lastIndexOf(NEWLINE);
    if (newline >= 0) return from + newline + 1;
    end = from;
  }
  return 0;
}
