// One sink for several who deliver to it, one batch at a time.
import { Semaphore } from "../time/mod.ts";
import { type Sink, type SinkBatch, SinkError } from "./sink.ts";

/** Whoever shares it gets a sink whose `close` closes nothing. */
export class SharedSink {
  readonly #sink: Sink;
  readonly #semaphore = new Semaphore(1);

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  share(): Sink {
    const sink = this.#sink;
    return {
      get target() {
        return sink.target;
      },
      deliver: (batch, signal) => this.#deliver(batch, signal),
      close: () => Promise.resolve(),
    };
  }

  /** Ends the connection of the sink. Never rejects. */
  close(): Promise<void> {
    return this.#sink.close();
  }

  async #deliver(batch: SinkBatch, signal: AbortSignal): Promise<void> {
    const release = await this.#semaphore.acquire();
    try {
      if (signal.aborted) throw new SinkError("given up before its turn came");
      await this.#sink.deliver(batch, signal);
    } finally {
      release();
    }
  }
}
