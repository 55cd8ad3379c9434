// Rate limit of messages: with more, reading pauses, so that they wait where they come from. A
// broker drops those at QoS 0 and sends only a few at QoS 1.
import type { Clock, TimerHandle } from "./clock.ts";

/**
 * The size of bursts, as milliseconds at the full rate; the clock is not read more often.
 */
const WINDOW_MS = 100;

/** What a {@linkcode RateLimit} is made from. */
export interface RateLimitOptions {
  readonly clock: Clock;
  /** Stops reading: too many messages have come. */
  pause(): void;
  /** Reads again. */
  resume(): void;
}

/** Of one connection. */
export class RateLimit {
  /** Counts from the next message on. */
  maxPerSecond: number;
  readonly #options: RateLimitOptions;
  #messages = 0;
  /** When they were counted from, and when all before them should have come by the rate. */
  #sinceMs: number;
  #dueMs: number;
  #timer: TimerHandle | undefined;

  constructor(maxPerSecond: number, options: RateLimitOptions) {
    this.maxPerSecond = maxPerSecond;
    this.#options = options;
    this.#sinceMs = options.clock.now();
    this.#dueMs = this.#sinceMs;
  }

  /** Whether reading is paused. */
  get pausing(): boolean {
    return this.#timer !== undefined;
  }

  /** Messages have come. */
  count(messages = 1): void {
    this.#messages += messages;
  }

  /** If too many came, pauses until they are due at the allowed rate. */
  check(): void {
    if (this.#messages * 1_000 <= this.maxPerSecond * WINDOW_MS) return;
    const { clock } = this.#options;
    const now = clock.now();
    this.#dueMs = Math.max(this.#dueMs, this.#sinceMs) + this.#messages * 1_000 / this.maxPerSecond;
    this.#messages = 0;
    this.#sinceMs = now;
    const aheadMs = this.#dueMs - now;
    if (aheadMs <= WINDOW_MS) return;
    this.stop();
    this.#timer = clock.set(() => {
      this.#timer = undefined;
      this.#sinceMs = clock.now();
      this.#options.resume();
    }, aheadMs);
    this.#options.pause();
  }

  /** Cancels the timer. */
  stop(): void {
    if (this.#timer !== undefined) this.#options.clock.clear(this.#timer);
    this.#timer = undefined;
  }
}
