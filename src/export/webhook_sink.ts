// A sink that posts batches to a URL, signed, as NDJSON or as a JSON array.
import { postSigned } from "../net/mod.ts";
import { type Clock, systemClock } from "../time/mod.ts";
import { type Sink, type SinkBatch, SinkError } from "./sink.ts";

export interface WebhookSinkOptions {
  readonly url: string;
  /** What requests are signed with. */
  readonly secret: string;
  readonly format: "ndjson" | "json";
  /** @default {systemClock} */
  readonly clock?: Clock;
}

/** The status of a request that is too large. */
const TOO_LARGE = 413;

/** A batch is taken when it is answered with a status from 200 to 299. */
export class WebhookSink implements Sink {
  readonly #options: WebhookSinkOptions;

  constructor(options: WebhookSinkOptions) {
    this.#options = options;
  }

  /** Without its path, which may hold a token. */
  get target(): string {
    return new URL(this.#options.url).origin;
  }

  async deliver({ id, messages }: SinkBatch, signal: AbortSignal): Promise<void> {
    const { url, secret, format, clock = systemClock } = this.#options;
    const lines = messages.map(({ body }) => body);
    const isJson = format === "json";
    const body = isJson ? `[${lines.join(",")}]` : `${lines.join("\n")}\n`;
    const contentType = isJson ? "application/json" : "application/x-ndjson";
    const outcome = await postSigned({ url, id, body, contentType, secret, clock, signal });
    if (outcome.kind === "taken") return;
    const { reason, status, retryAfterMs } = outcome;
    throw new SinkError(reason, { retryAfterMs, isTooLarge: status === TOO_LARGE });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
