// What sinks with a connection have in common: one that stays, and messages that are acknowledged one by one.
import { type Clock, systemClock } from "../time/mod.ts";
import type { Sink, SinkBatch, SinkMessage } from "./sink.ts";

/** A connection to a receiver. */
export interface Outlet extends AsyncDisposable {
  /** Whether it can carry something still. */
  readonly isOpen: boolean;
  /** Messages that may wait for an acknowledgement. */
  readonly maxInFlight: number;
  /** Publishes one; resolves when the receiver has it for good. Must settle within seconds. */
  publish(message: SinkMessage): Promise<void>;
  /** Tries whether it may publish; see {@linkcode Sink.probe}. */
  probe(): Promise<string>;
}

/** How a receiver is reached. */
export interface ConnectedSinkOptions {
  /** For people, without secrets. */
  readonly target: string;
  /**
   * What was acknowledged so long before a connection is lost is sent again over the next one, in
   * milliseconds. @default {0}
   */
  readonly resendMs?: number;
  /** @default {systemClock} */
  readonly clock?: Clock;
  /** Connects; settles within seconds, sooner with the signal. */
  readonly open: (signal: AbortSignal) => Promise<Outlet>;
}

/** What is kept to be sent again has at most so many characters. */
const MAX_KEPT = 16 * 1024 * 1024;

/** Publishes each message in the order of the batch; connects when there is something to deliver. */
export class ConnectedSink implements Sink {
  readonly #options: ConnectedSinkOptions;
  #outlet: Outlet | null = null;
  /** What was acknowledged lately, in order. */
  readonly #recent: { readonly message: SinkMessage; at: number }[] = [];
  #recentSize = 0;
  /** Whether what is recent was acknowledged over a connection that was lost. */
  #mustResend = false;
  /** Settles when nothing is opened or closed. */
  #work: Promise<unknown> = Promise.resolve();

  constructor(options: ConnectedSinkOptions) {
    this.#options = options;
  }

  get target(): string {
    return this.#options.target;
  }

  async deliver({ messages }: SinkBatch, signal: AbortSignal): Promise<void> {
    const outlet = await this.#connect(signal);
    try {
      if (this.#mustResend) await this.#resend(outlet, signal);
      await publishAll(messages, outlet, signal);
      this.#remember(messages);
    } catch (error) {
      // What is still on its way must not come after what is sent next; and files may have changed.
      await this.close();
      throw error;
    }
  }

  async probe(signal: AbortSignal): Promise<string> {
    await using outlet = await this.#options.open(signal);
    return await outlet.probe();
  }

  async close(): Promise<void> {
    await this.#work.catch(() => {});
    const outlet = this.#outlet;
    this.#outlet = null;
    await outlet?.[Symbol.asyncDispose]();
  }

  /** Sends again what a receiver that was lost may not have: some of it, and all that followed. */
  async #resend(outlet: Outlet, signal: AbortSignal): Promise<void> {
    await publishAll(this.#recent.map(({ message }) => message), outlet, signal);
    this.#mustResend = false;
    const { clock = systemClock } = this.#options;
    const at = clock.now();
    for (const recent of this.#recent) recent.at = at;
  }

  #remember(messages: readonly SinkMessage[]): void {
    const { resendMs = 0, clock = systemClock } = this.#options;
    if (resendMs === 0) return;
    const at = clock.now();
    for (const message of messages) {
      this.#recent.push({ message, at });
      this.#recentSize += message.body.length;
    }
    let old = 0;
    for (const { message, at: then } of this.#recent) {
      if (at - then <= resendMs && this.#recentSize <= MAX_KEPT) break;
      this.#recentSize -= message.body.length;
      old++;
    }
    this.#recent.splice(0, old);
  }

  async #connect(signal: AbortSignal): Promise<Outlet> {
    if (this.#outlet?.isOpen) return this.#outlet;
    await this.close();
    signal.throwIfAborted();
    const opening = this.#options.open(signal).then((outlet) => this.#outlet = outlet);
    this.#work = opening;
    const outlet = await opening;
    this.#mustResend = this.#recent.length > 0;
    signal.throwIfAborted();
    return outlet;
  }
}

/** Publishes in order, so many at a time; after a failure nothing more, and it is thrown when all is settled. */
async function publishAll(
  messages: readonly SinkMessage[],
  outlet: Outlet,
  signal: AbortSignal,
): Promise<void> {
  let next = 0;
  let failure: { readonly error: unknown } | undefined;
  const work = async () => {
    while (next < messages.length && failure === undefined && !signal.aborted) {
      const message = messages[next++] as SinkMessage;
      try {
        await outlet.publish(message);
      } catch (error) {
        failure ??= { error };
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(outlet.maxInFlight, messages.length) }, work));
  if (failure !== undefined) throw failure.error;
  signal.throwIfAborted();
}
