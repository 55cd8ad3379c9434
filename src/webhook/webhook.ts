// Posts incidents to a URL, one after the other, until each is taken or given up.
import type { WebhookConfig } from "../config/mod.ts";
import { andSuppressed, type Log, Once } from "../log/mod.ts";
import { type PostOutcome, postSigned } from "../net/mod.ts";
import type { IncidentChange, IncidentListener, WebhookCounts } from "../observe/mod.ts";
import { type Clock, pauseMs, systemClock, type TimerHandle, within } from "../time/mod.ts";
import { type Delivery, DeliveryQueue } from "./delivery_queue.ts";
import { messageBody, type MessageType } from "./message.ts";

/** What waits at most. */
const LIMITS = { messages: 1000, characters: 1024 * 1024 };
/** Pauses between attempts: 14 of them take 17 to 34 minutes. */
const PAUSES = { firstMs: 1000, maxMs: 300_000 };
const MAX_ATTEMPTS = 15;
/** Deadline for what is left when stopping, in milliseconds. */
const STOP_MS = 1500;

export interface WebhookOptions {
  readonly config: WebhookConfig;
  readonly company: string;
  readonly log: Log;
  /** @default {systemClock} */
  readonly clock?: Clock;
  /** A source of numbers from 0 up to 1. @default {Math.random} */
  readonly random?: () => number;
}

/** A listener that posts the begin and the end of each incident. */
export class Webhook implements IncidentListener {
  readonly #options: WebhookOptions;
  readonly #clock: Clock;
  readonly #once: Once;
  readonly #queue = new DeliveryQueue(LIMITS);
  /** Distinguishes the ids of this run from those of another. */
  readonly #run = crypto.randomUUID();
  #count = 0;
  readonly #counts = { taken: 0, givenUp: 0, dropped: 0, failedAttempts: 0 };
  #isDelivering = false;
  /** Settles when nothing waits, or the last attempt was made. */
  #delivering = Promise.resolve();
  #isStopping = false;
  /** Ends the request that is under way. */
  readonly #request = new AbortController();
  #pause: { readonly timer: TimerHandle; readonly end: () => void } | undefined;

  constructor(options: WebhookOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#once = new Once({ clock: this.#clock });
  }

  /** What came of messages so far. */
  get counts(): WebhookCounts {
    return { ...this.#counts, waiting: this.#queue.size };
  }

  /** See {@linkcode IncidentListener}. */
  onIncident({ kind, incident }: IncidentChange): void {
    if (this.#isStopping || (kind !== "began" && kind !== "ended")) return;
    const type: MessageType = `incident.${kind}`;
    const body = messageBody(type, this.#options.company, incident);
    const dropped = this.#queue.push({ id: `${this.#run}-${++this.#count}`, body });
    this.#counts.dropped += dropped;
    if (dropped > 0) this.#warn("dropped", "Dropped the oldest message: too many wait");
    if (!this.#isDelivering) this.#delivering = this.#deliver();
  }

  /** Tries once more to post what waits, as long as there is time. Never rejects. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#endPause();
    await within(this.#delivering, STOP_MS, this.#clock);
    this.#request.abort();
    const { size } = this.#queue;
    if (size > 0) this.#options.log.warning(`${size} messages were not taken by ${this.#target}`);
  }

  /** Posts what waits, one after the other. Never rejects. */
  async #deliver(): Promise<void> {
    this.#isDelivering = true;
    for (let next = this.#queue.first; next !== undefined; next = this.#queue.first) {
      if (!await this.#post(next)) break;
      this.#queue.remove(next);
    }
    this.#isDelivering = false;
  }

  /** Tries until it is taken or given up. @returns false when there is no time left to try again */
  async #post(delivery: Delivery): Promise<boolean> {
    const { random = Math.random } = this.#options;
    for (let attempt = 1;; attempt++) {
      const outcome = await this.#attempt(delivery);
      if (outcome.kind === "taken") {
        this.#counts.taken++;
        return true;
      }
      this.#counts.failedAttempts++;
      const isLast = outcome.kind === "refused" || attempt === MAX_ATTEMPTS;
      const what = isLast ? "given up" : "trying again";
      this.#warn(what, `Cannot post an incident to ${this.#target}, ${what}: ${outcome.reason}`);
      if (isLast) {
        this.#counts.givenUp++;
        return true;
      }
      if (this.#isStopping) return false;
      await this.#rest(pauseMs(attempt - 1, PAUSES, random()));
    }
  }

  #attempt({ id, body }: Delivery): Promise<PostOutcome> {
    const { url, secret } = this.#options.config;
    const { signal } = this.#request;
    const contentType = "application/json";
    return postSigned({ url, id, body, contentType, secret, clock: this.#clock, signal });
  }

  /** Without its path, which may hold a token. */
  get #target(): string {
    return `"${new URL(this.#options.config.url).origin}"`;
  }

  #rest(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#pause = { timer: this.#clock.set(resolve, ms), end: resolve };
    });
  }

  #endPause(): void {
    if (this.#pause === undefined) return;
    this.#clock.clear(this.#pause.timer);
    this.#pause.end();
    this.#pause = undefined;
  }

  #warn(kind: string, text: string): void {
    const count = this.#once.ask(kind);
    if (count !== undefined) this.#options.log.warning(text + andSuppressed(count));
  }
}
