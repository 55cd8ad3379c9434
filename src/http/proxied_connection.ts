// A client's connection and the one behind it to the HTTP server; passes bytes in both directions.
import { type Clock, firstOf, ReadShare, type TimerHandle } from "../time/mod.ts";

/** Size of reads, in bytes. */
const CHUNK = 16 * 1024;
/**
 * A dismissed client that is still sending gets so much time to receive its answer, in
 * milliseconds, and may send so many bytes until then: if closed at once, it would lose the answer.
 */
export const LINGER_MS = 2000;
const LINGER_BYTES = 256 * 1024;

export class ProxiedConnection {
  /** The other end's address. */
  readonly client: string;
  /** Whether a complete request has come. */
  hasAsked = false;
  readonly #clock: Clock;
  readonly #outer: Deno.TcpConn;
  readonly #closed = Promise.withResolvers<void>();
  #inner: Deno.TcpConn | undefined;
  #heardAt: number;
  /** Closes it after dismissal. */
  #dismissed: TimerHandle | null = null;
  #lingeringBytes = 0;

  constructor(outer: Deno.TcpConn, clock: Clock) {
    this.client = outer.remoteAddr.hostname;
    this.#clock = clock;
    this.#outer = outer;
    this.#heardAt = clock.now();
  }

  /** When the client last accepted bytes of the server. */
  get heardAt(): number {
    return this.#heardAt;
  }

  /** Whether the client was dismissed: its bytes are no longer passed on. */
  get isDismissed(): boolean {
    return this.#dismissed !== null;
  }

  /** Passes bytes on until both sides have ended; rejects when one was closed. */
  async run(inner: Deno.TcpConn): Promise<void> {
    const outer = this.#outer;
    this.#inner = inner;
    inner.setNoDelay(true);
    outer.setNoDelay(true);
    const down = copy(inner, outer, () => {
      this.#heardAt = this.#clock.now();
    });
    const up = copy(outer, inner, () => {}, (size) => this.#passesUp(size));
    try {
      // A client that has ended its side may still read.
      await firstOf(up.then(() => inner.closeWrite()).then(() => down), down);
    } catch (error) {
      if (this.#dismissed === null) throw error;
    }
    if (this.#dismissed === null) return;
    await outer.closeWrite();
    await up;
  }

  /**
   * Dismisses the client: passes on none of its bytes, and closes as soon as `answered` has settled
   * and the client has the answer. The server does not do it: some supported runtimes read the rest
   * of a body for as long as it comes.
   */
  dismiss(answered: Promise<unknown>): void {
    if (this.#dismissed !== null) return;
    this.#dismissed = this.#clock.set(() => this.close(), LINGER_MS);
    const end = () => this.#inner?.closeWrite();
    answered.then(end, end).catch(() => {
      // It is gone.
    });
  }

  /** Closes both connections. Idempotent. */
  close(): void {
    closeQuietly(this.#outer);
    if (this.#inner !== undefined) closeQuietly(this.#inner);
    if (this.#dismissed !== null) this.#clock.clear(this.#dismissed);
    this.#closed.resolve();
  }

  #passesUp(size: number): boolean | Promise<void> {
    if (this.#dismissed === null) return true;
    this.#lingeringBytes += size;
    // After a while, even what it still sends is not read.
    return this.#lingeringBytes > LINGER_BYTES ? this.#closed.promise : false;
  }
}

/** Passes on the bytes that `passes` allows, until there are no more, or one end was closed. */
async function copy(
  from: Deno.TcpConn,
  to: Deno.TcpConn,
  onPassed: () => void,
  passes: (size: number) => boolean | Promise<void> = () => true,
): Promise<void> {
  const chunk = new Uint8Array(CHUNK);
  const share = new ReadShare();
  while (true) {
    const size = await from.read(chunk);
    if (size === null) return;
    const passed = passes(size);
    if (passed === true) {
      for (let sent = 0; sent < size;) sent += await to.write(chunk.subarray(sent, size));
      onPassed();
    } else if (passed !== false) await passed;
    const turn = share.spend(size);
    if (turn !== undefined) await turn;
  }
}

/** Closes a connection that may be closed already. */
export function closeQuietly(end: { close(): void }): void {
  try {
    end.close();
  } catch {
    // It is closed already.
  }
}
