// How late the event loop is: a timer that should come at its time, and when it does come.
import { type Clock, systemClock, type TimerHandle } from "../time/mod.ts";
import { Ring } from "./ring.ts";

/** How often it is looked, in milliseconds. */
const INTERVAL_MS = 500;
/** Looks of one minute. */
const LOOKS = 60_000 / INTERVAL_MS;

/** Measures the event loop's lag from `start()` to `stop()`. */
export class LoopLag {
  readonly #clock: Clock;
  readonly #looks = new Ring<number>(LOOKS);
  #timer: TimerHandle | null = null;
  #dueAt = 0;

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  /** Starts to look. */
  start(): void {
    this.#dueAt = this.#clock.now() + INTERVAL_MS;
    this.#timer = this.#clock.set(() => {
      this.#looks.push(Math.max(0, this.#clock.now() - this.#dueAt));
      this.start();
    }, INTERVAL_MS);
  }

  /** Looks no more. */
  stop(): void {
    if (this.#timer !== null) this.#clock.clear(this.#timer);
    this.#timer = null;
  }

  /** How late the last look was, and the latest of the last minute; milliseconds. */
  get lagMs(): { readonly last: number; readonly max: number } {
    const looks = this.#looks.oldestFirst();
    return { last: looks.at(-1) ?? 0, max: Math.max(0, ...looks) };
  }
}
