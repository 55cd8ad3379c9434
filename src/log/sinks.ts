// Sinks for chunks of lines, and the one for the console.

/** A sink for chunks of lines. */
export interface LineSink {
  /** Starts writing a chunk; the constructor's `onTaken` always follows. */
  write(chunk: string): void;
  /** Writes the rest and closes. Never rejects; the caller sets a deadline. */
  close(): Promise<void>;
}

/** Writes bytes and returns how many, like `Deno.stderr.write`. */
export type WriteBytes = (bytes: Uint8Array) => Promise<number>;

const utf8 = new TextEncoder();

/** Writes chunks to the console, without blocking on a reader that has stopped. */
export class ConsoleSink implements LineSink {
  readonly #write: WriteBytes;
  readonly #onTaken: () => void;
  #writing: Promise<void> = Promise.resolve();

  constructor(write: WriteBytes, onTaken: () => void) {
    this.#write = write;
    this.#onTaken = onTaken;
  }

  write(chunk: string): void {
    this.#writing = this.#writeAll(utf8.encode(chunk));
  }

  close(): Promise<void> {
    return this.#writing;
  }

  async #writeAll(bytes: Uint8Array): Promise<void> {
    try {
      for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await this.#write(rest));
    } catch {
      // The reader of the console is gone: there is nowhere to report it.
    }
    this.#onTaken();
  }
}
