// Frames over a connection: all frames of one turn are one write, and one read may have many.
import { ReadShare } from "../../time/mod.ts";
import { type FrameHandler, FrameReader } from "./frame_reader.ts";
import { FrameWriter } from "./frame_writer.ts";

/** A stream of bytes both ways, as `Deno.Conn` is one. */
export interface Duplex {
  /** Puts bytes into `p`; resolves to how many, or null at the end. */
  read(p: Uint8Array<ArrayBuffer>): Promise<number | null>;
  /** Takes bytes from `p`; resolves to how many. */
  write(p: Uint8Array<ArrayBuffer>): Promise<number>;
  close(): void;
}

/** Who uses a channel. No frame arrives once it is closed. */
export interface FrameChannelHandler extends FrameHandler {
  /** The channel is closed; called once. The error is null when either side closed it normally. */
  onClosed(error: Error | null): void;
}

/**
 * Frames to and from the other side.
 *
 * To send, write frames into {@linkcode out} and call {@linkcode flush}. There are no promises per
 * frame, in either direction.
 */
export class FrameChannel {
  /** Collects what is to be sent. */
  readonly out = new FrameWriter();
  readonly #duplex: Duplex;
  readonly #handler: FrameChannelHandler;
  readonly #reader = new FrameReader();
  #flushing = false;
  #closed = false;
  #inFlight = 0;
  #drained: (() => void)[] = [];

  constructor(duplex: Duplex, handler: FrameChannelHandler) {
    this.#duplex = duplex;
    this.#handler = handler;
  }

  /** Starts to read. Until then nothing arrives. */
  start(): void {
    void this.#readAll();
  }

  /** Bytes that the other side has not received yet. */
  get pendingBytes(): number {
    return this.out.length + this.#inFlight;
  }

  /**
   * Sends the contents of {@linkcode out} after the current turn of the event loop. (A microtask
   * would run before other answers of the same turn, and cost each side a third more.)
   */
  flush(): void {
    if (this.#flushing || this.#closed) return;
    this.#flushing = true;
    setImmediate(this.#writeAll);
  }

  /** Resolves when everything was sent, or the channel is closed. */
  drained(): Promise<void> {
    if (this.#closed || this.pendingBytes === 0) return Promise.resolve();
    this.flush();
    return new Promise((resolve) => this.#drained.push(resolve));
  }

  /** Closes the connection. Idempotent. */
  close(): void {
    this.#end(null);
  }

  readonly #writeAll = async (): Promise<void> => {
    try {
      while (this.out.length > 0 && !this.#closed) {
        const bytes = this.out.take();
        let written = 0;
        while (written < bytes.length) {
          this.#inFlight = bytes.length - written;
          written += await this.#duplex.write(written === 0 ? bytes : bytes.subarray(written));
        }
        this.#inFlight = 0;
        this.out.giveBack(bytes);
      }
      this.#flushing = false;
      if (this.#drained.length > 0) this.#callDrained();
    } catch (error) {
      this.#end(error instanceof Error ? error : new Error(String(error)));
    }
  };

  async #readAll(): Promise<void> {
    const share = new ReadShare();
    try {
      while (!this.#closed) {
        const count = await this.#duplex.read(this.#reader.room);
        if (count === null) break;
        this.#reader.received(count, this.#handler);
        const turn = share.spend(count);
        if (turn) await turn;
      }
      this.#end(null);
    } catch (error) {
      this.#end(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #end(error: Error | null): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#reader.stop();
    try {
      this.#duplex.close();
    } catch {
      // The other side has closed it already.
    }
    this.#callDrained();
    queueMicrotask(() => this.#handler.onClosed(error));
  }

  #callDrained(): void {
    const waiting = this.#drained;
    this.#drained = [];
    for (const resolve of waiting) resolve();
  }
}
