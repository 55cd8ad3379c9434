// The event loop's lag: how much later than due a timer fires.
import { type Clock, every, systemClock } from "../time/mod.ts";
import { Ring } from "./ring.ts";

/** The interval of samples, in milliseconds. */
const INTERVAL_MS = 500;
/** Samples per minute. */
const LOOKS = 60_000 / INTERVAL_MS;

/** Measures the event loop's lag from `start()` to `stop()`. */
export class LoopLag {
  readonly #clock: Clock;
  readonly #looks = new Ring<number>(LOOKS);
  #end: () => void = () => {};

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  start(): void {
    let before = this.#clock.now();
    this.#end = every(INTERVAL_MS, () => {
      const now = this.#clock.now();
      this.#looks.push(Math.max(0, now - before - INTERVAL_MS));
      before = now;
    }, this.#clock);
  }

  stop(): void {
    this.#end();
  }

  /** The lag of the last sample, and the maximum of the last minute, in milliseconds. */
  get lagMs(): { readonly last: number; readonly max: number } {
    const looks = this.#looks.oldestFirst();
    return { last: looks.at(-1) ?? 0, max: Math.max(0, ...looks) };
  }
}
