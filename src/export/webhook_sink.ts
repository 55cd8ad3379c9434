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
/** What to do about an answer; 0: none has come. */
const ADVICE: Readonly<Record<number, string>> = {
  0: "Check the URL, the receiver, and the way to it",
  401: "Give the receiver the secret that is in secret_file",
  403: "Give the receiver the secret that is in secret_file",
  404: "Check the path of the URL",
};

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
    await this.#post(id, messages.map(({ body }) => body), signal);
  }

  /** Posts a batch without events. */
  async probe(signal: AbortSignal): Promise<string> {
    await this.#post("doctor", [], signal);
    return "It takes batches: one without events was posted";
  }

  async #post(id: string, lines: readonly string[], signal: AbortSignal): Promise<void> {
    const { url, secret, format, clock = systemClock } = this.#options;
    const isJson = format === "json";
    const body = isJson ? `[${lines.join(",")}]` : lines.map((line) => `${line}\n`).join("");
    const contentType = isJson ? "application/json" : "application/x-ndjson";
    const outcome = await postSigned({ url, id, body, contentType, secret, clock, signal });
    if (outcome.kind === "taken") return;
    const { reason, status, retryAfterMs } = outcome;
    const advice = ADVICE[status ?? 0] ?? null;
    throw new SinkError(reason, { retryAfterMs, isTooLarge: status === TOO_LARGE, advice });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
