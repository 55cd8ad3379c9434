// One timer for whoever has many deadlines and asks for the next one after everything it does.
import type { Clock, TimerHandle } from "./clock.ts";

/** Calls back at a moment that may be moved as often as one likes, at next to no cost. */
export class Alarm {
  readonly #clock: Clock;
  readonly #onDue: () => void;
  #timer: TimerHandle | undefined;
  #setFor = Infinity;

  /** @param onDue called no later than what was last set, perhaps earlier; it sets the alarm anew */
  constructor(clock: Clock, onDue: () => void) {
    this.#clock = clock;
    this.#onDue = onDue;
  }

  /**
   * Is due at `at`, on the clock; Infinity: never, and no timer is left. A timer that would fire
   * earlier is left alone: moving it for every message would cost more than one call too many.
   */
  set(at: number): void {
    if (at === Infinity) return this.#clear();
    if (at >= this.#setFor) return;
    this.#clear();
    this.#setFor = at;
    this.#timer = this.#clock.set(() => {
      this.#timer = undefined;
      this.#setFor = Infinity;
      this.#onDue();
    }, Math.max(0, Math.ceil(at - this.#clock.now())));
  }

  #clear(): void {
    if (this.#timer !== undefined) this.#clock.clear(this.#timer);
    this.#timer = undefined;
    this.#setFor = Infinity;
  }
}
