// What sinks with a connection have in common: one that stays, and messages that are acknowledged one by one.
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
  /** Connects; settles within seconds, sooner with the signal. */
  readonly open: (signal: AbortSignal) => Promise<Outlet>;
}

/** Publishes each message in the order of the batch; connects when there is something to deliver. */
export class ConnectedSink implements Sink {
  readonly #options: ConnectedSinkOptions;
  #outlet: Outlet | null = null;
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
      await publishAll(messages, outlet, signal);
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

  async #connect(signal: AbortSignal): Promise<Outlet> {
    if (this.#outlet?.isOpen) return this.#outlet;
    await this.close();
    signal.throwIfAborted();
    const opening = this.#options.open(signal).then((outlet) => this.#outlet = outlet);
    this.#work = opening;
    const outlet = await opening;
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
