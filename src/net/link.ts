// A byte connection over TCP or TLS, as close to the runtime as possible.
import { ReadShare } from "../time/mod.ts";

/** What a {@linkcode Link} tells its owner. */
export interface LinkListener {
  /** Bytes arrived; they are overwritten after the call. What it throws ends the link. */
  onData(bytes: Uint8Array): void;
  /** The runtime has accepted everything written. */
  onDrained?(): void;
  /** It was closed by either side; the last call. Without an error when the other end closed it. */
  onClosed(error: Error | undefined): void;
}

/** An open byte connection. */
export interface Link {
  /** Starts reading; called once. */
  start(listener: LinkListener): void;
  /** Sends in order; `bytes` must not be changed afterwards. */
  write(bytes: Uint8Array): void;
  /** Bytes given to `write` that the runtime has not accepted yet. */
  readonly unsentBytes: number;
  /** Stops reading. */
  pause(): void;
  /** Reads again. */
  resume(): void;
  /** Half-closes once everything is sent; the other end then closes. */
  end(): void;
  /** Closes at once. Idempotent. */
  destroy(error?: Error): void;
}

/** Initial size of the read buffer, in bytes: enough for a few dozen statuses. */
const FIRST_READ_BYTES = 4_096;
/** Maximum size of the read buffer, in bytes: one read delays everything else. */
const LARGEST_READ_BYTES = 32_768;

/** A {@linkcode Link} over the runtime's own TCP or TLS connection. */
export class ConnLink implements Link {
  readonly #conn: Deno.Conn;
  #listener: LinkListener | undefined;
  #queue: Uint8Array[] = [];
  #unsentBytes = 0;
  #writing = false;
  #ending = false;
  #closed = false;
  #paused = false;
  #wake: (() => void) | undefined;

  /** @param conn open, and past the TLS handshake if there is one */
  constructor(conn: Deno.Conn) {
    this.#conn = conn;
  }

  get unsentBytes(): number {
    return this.#unsentBytes;
  }

  start(listener: LinkListener): void {
    this.#listener = listener;
    void this.#read();
  }

  write(bytes: Uint8Array): void {
    if (this.#closed) return;
    this.#queue.push(bytes);
    this.#unsentBytes += bytes.length;
    if (!this.#writing) void this.#send();
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#wake?.();
    this.#wake = undefined;
  }

  end(): void {
    if (this.#ending) return;
    this.#ending = true;
    if (!this.#writing) void this.#send();
  }

  destroy(error?: Error): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#queue = [];
    this.#unsentBytes = 0;
    this.#conn.close();
    this.resume();
    this.#listener?.onClosed(error);
  }

  async #read(): Promise<void> {
    let buffer = new Uint8Array(FIRST_READ_BYTES);
    const share = new ReadShare();
    try {
      while (!this.#closed) {
        if (this.#paused) await new Promise<void>((resolve) => this.#wake = resolve);
        const count = await this.#conn.read(buffer);
        if (this.#closed) return;
        if (count === null) return this.destroy();
        this.#listener?.onData(buffer.subarray(0, count));
        if (count === buffer.length && count < LARGEST_READ_BYTES) {
          buffer = new Uint8Array(Math.min(4 * count, LARGEST_READ_BYTES));
        }
        const turn = share.spend(count);
        if (turn) await turn;
      }
    } catch (error) {
      this.destroy(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** Sends everything queued; then half-closes when ending. */
  async #send(): Promise<void> {
    this.#writing = true;
    try {
      while (this.#queue.length > 0) {
        const queue = this.#queue;
        this.#queue = [];
        const bytes = queue.length === 1 ? queue[0] as Uint8Array : concatenate(queue);
        for (let sent = 0; sent < bytes.length && !this.#closed;) {
          sent += await this.#conn.write(sent === 0 ? bytes : bytes.subarray(sent));
        }
        this.#unsentBytes = Math.max(0, this.#unsentBytes - bytes.length);
        if (this.#queue.length === 0 && !this.#closed) this.#listener?.onDrained?.();
      }
      if (this.#ending && !this.#closed) await this.#conn.closeWrite();
    } catch (error) {
      this.destroy(error instanceof Error ? error : new Error(String(error)));
    } finally {
      this.#writing = false;
    }
  }
}

/** Concatenates byte arrays. */
export function concatenate(pieces: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const piece of pieces) length += piece.length;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
