// One timer for an object with many deadlines that computes the next one after each step.
import type { Clock, TimerHandle } from "./clock.ts";

/** Calls back at a moment that can be moved often, at almost no cost. */
export class Alarm {
  readonly #clock: Clock;
  readonly #onDue: () => void;
  #timer: TimerHandle | undefined;
  #setFor = Infinity;

  /** @param onDue called no later than the moment last set, perhaps earlier; it sets the alarm again */
  constructor(clock: Clock, onDue: () => void) {
    this.#clock = clock;
    this.#onDue = onDue;
  }

  /**
   * Sets the moment on the clock; Infinity: never, and no timer is left. A timer that fires earlier
   * is kept: moving it for every message would cost more than a superfluous call.
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
