// How fast something was delivered lately.
import type { LogCount } from "../record/mod.ts";
import type { Clock } from "../time/mod.ts";

/** The rate is the mean of so many seconds. */
const SECONDS = 10;

interface Second extends LogCount {
  /** Seconds of the clock. */
  readonly at: number;
}

/** Counts by the second. */
export class DeliveryRate {
  readonly #clock: Clock;
  readonly #since: number;
  /** Oldest first; not more than {@linkcode SECONDS} and one. */
  #seconds: Second[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#since = clock.now();
  }

  add({ records, bytes }: LogCount): void {
    const at = Math.floor(this.#clock.now() / 1000);
    const last = this.#seconds.at(-1);
    if (last?.at === at) {
      this.#seconds.pop();
      this.#seconds.push({ at, records: last.records + records, bytes: last.bytes + bytes });
      return;
    }
    this.#seconds = [...this.#recent(), { at, records, bytes }];
  }

  /** A second, in the last ten. */
  get perSecond(): LogCount {
    const recent = this.#recent();
    const span = Math.min(SECONDS, Math.max(1, (this.#clock.now() - this.#since) / 1000));
    const sum = (of: (second: Second) => number) =>
      Math.round(recent.reduce((total, second) => total + of(second), 0) / span);
    return { records: sum(({ records }) => records), bytes: sum(({ bytes }) => bytes) };
  }

  #recent(): Second[] {
    const from = this.#clock.now() / 1000 - SECONDS;
    return this.#seconds.filter(({ at }) => at > from);
  }
}
