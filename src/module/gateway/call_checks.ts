// When the open calls of a gateway's module are checked, and how long one has been executed.
import type { Clock, TimerHandle } from "../../time/mod.ts";

/** How often to look at hosts and spells while there are no calls, in milliseconds. */
const IDLE_MS = 1000;
/** A check that is later than this means that this process was stopped, not busy; in ms. */
const STOPPED_MS = 3000;

/** What calls for checks. */
export type Need = "calls" | "more" | "nothing";

/** Who is checked. */
export interface CallChecksOptions {
  /** The shortest limit of a call, in milliseconds. */
  readonly limitMs: number;
  readonly clock: Clock;
  /** Whether calls are open, or anything else has to be looked at now and then. */
  readonly need: () => Need;
  readonly onCheck: (now: number) => void;
}

/** Checks while there is something to check; otherwise there is no timer. */
export class CallChecks {
  readonly #options: CallChecksOptions;
  readonly #intervalMs: number;
  #timer: TimerHandle | null = null;
  #dueAt = 0;
  #watchesCalls = false;
  #isSecond = false;
  /** When this process was last resumed; the time before does not count for calls. */
  #resumedAt = -Infinity;
  #stopped = false;

  constructor(options: CallChecksOptions) {
    this.#options = options;
    this.#intervalMs = Math.max(5, options.limitMs / 2);
  }

  /** A call has been added. */
  called(): void {
    if (!this.#watchesCalls) this.#arm();
  }

  /** Something else may need checks from now on. */
  changed(): void {
    if (this.#timer === null) this.#arm();
  }

  /** How long something has lasted, without the time in which this process was stopped; in ms. */
  elapsedMs(since: number, now: number): number {
    return now - Math.max(since, this.#resumedAt);
  }

  /** Checks no more. */
  stop(): void {
    this.#stopped = true;
    if (this.#timer !== null) this.#options.clock.clear(this.#timer);
    this.#timer = null;
  }

  #arm(): void {
    const need = this.#options.need();
    this.#watchesCalls = need === "calls";
    if (need !== "nothing") this.#checkAfter(need === "calls" ? this.#intervalMs : IDLE_MS);
  }

  #checkAfter(delayMs: number): void {
    if (this.#stopped) return;
    const { clock } = this.#options;
    if (this.#timer !== null) clock.clear(this.#timer);
    this.#dueAt = clock.now() + delayMs;
    this.#timer = clock.set(() => this.#onDue(), delayMs);
  }

  #onDue(): void {
    this.#timer = null;
    const now = this.#options.clock.now();
    const lateMs = now - this.#dueAt;
    if (lateMs > STOPPED_MS) this.#resumedAt = now;
    else if (lateMs > this.#intervalMs && !this.#isSecond) {
      // This process was busy: what hosts have answered meanwhile is read first.
      this.#isSecond = true;
      return this.#checkAfter(1);
    }
    this.#isSecond = false;
    this.#options.onCheck(now);
    this.#arm();
  }
}
