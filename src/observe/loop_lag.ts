// How late the event loop is: a timer that should come at its time, and when it does come.
import { type Clock, every, systemClock } from "../time/mod.ts";
import { Ring } from "./ring.ts";

/** How often it is looked, in milliseconds. */
const INTERVAL_MS = 500;
/** Looks of one minute. */
const LOOKS = 60_000 / INTERVAL_MS;

/** Measures the event loop's lag from `start()` to `stop()`. */
export class LoopLag {
  readonly #clock: Clock;
  readonly #looks = new Ring<number>(LOOKS);
  #end: () => void = () => {};

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  /** Starts to look. */
  start(): void {
    let before = this.#clock.now();
    this.#end = every(INTERVAL_MS, () => {
      const now = this.#clock.now();
      this.#looks.push(Math.max(0, now - before - INTERVAL_MS));
      before = now;
    }, this.#clock);
  }

  /** Looks no more. */
  stop(): void {
    this.#end();
  }

  /** How late the last look was, and the latest of the last minute; milliseconds. */
  get lagMs(): { readonly last: number; readonly max: number } {
    const looks = this.#looks.oldestFirst();
    return { last: looks.at(-1) ?? 0, max: Math.max(0, ...looks) };
  }
}
