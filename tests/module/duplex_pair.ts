// A connection in memory, for tests of what runs over one.
import type { Duplex } from "../../src/module/wire/frame_channel.ts";

/** How bytes travel. */
export interface PairOptions {
  /** How many bytes the next read or write may take at most. @default {as many as fit} */
  readonly chunk?: () => number;
}

/** Bytes one way. */
class Pipe {
  #bytes = new Uint8Array(0);
  #closed = false;
  #wake: (() => void) | null = null;
  writes = 0;

  async read(p: Uint8Array, limit: number): Promise<number | null> {
    while (this.#bytes.length === 0) {
      if (this.#closed) return null;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    const count = Math.min(limit, p.length, this.#bytes.length);
    p.set(this.#bytes.subarray(0, count));
    this.#bytes = this.#bytes.slice(count);
    return count;
  }

  write(p: Uint8Array, limit: number): number {
    if (this.#closed) throw new Deno.errors.BrokenPipe("closed");
    this.writes++;
    const count = Math.min(limit, p.length);
    const joined = new Uint8Array(this.#bytes.length + count);
    joined.set(this.#bytes);
    joined.set(p.subarray(0, count), this.#bytes.length);
    this.#bytes = joined;
    this.#wake?.();
    return count;
  }

  close(): void {
    this.#closed = true;
    this.#wake?.();
  }
}

/** One end of a connection in memory. */
export interface MemoryDuplex extends Duplex {
  /** How many writes this end has made. */
  readonly writes: number;
}

/** Two ends of a connection. */
export function duplexPair(options: PairOptions = {}): [MemoryDuplex, MemoryDuplex] {
  const chunk = options.chunk ?? (() => Infinity);
  const there = new Pipe();
  const back = new Pipe();
  const end = (incoming: Pipe, outgoing: Pipe): MemoryDuplex => ({
    read: (p) => incoming.read(p, chunk()),
    write: (p) => Promise.resolve().then(() => outgoing.write(p, chunk())),
    close: () => {
      incoming.close();
      outgoing.close();
    },
    get writes() {
      return outgoing.writes;
    },
  });
  return [end(back, there), end(there, back)];
}
