// Virtual time for a whole world: everything due happens in order, and nothing waits.
import type { Clock } from "../../src/time/clock.ts";

interface Due {
  readonly at: number;
  act: (() => void) | null;
}

/** Time that passes when {@linkcode Timeline.run} says so. */
export class Timeline implements Clock {
  #now = 0;
  /** Soonest last. */
  readonly #dues: Due[] = [];

  now(): number {
    return this.#now;
  }

  set(act: () => void, delayMs: number): Due {
    const due = { at: this.#now + delayMs, act };
    let low = 0;
    let high = this.#dues.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = this.#dues[middle];
      // Those of the same moment happen in the order in which they were set.
      if (other !== undefined && other.at > due.at) low = middle + 1;
      else high = middle;
    }
    this.#dues.splice(low, 0, due);
    return due;
  }

  clear(due: object): void {
    (due as Due).act = null;
  }

  /** Lets time pass. */
  run(ms: number): void {
    const until = this.#now + ms;
    for (let due = this.#dues.at(-1); due && due.at <= until; due = this.#dues.at(-1)) {
      this.#dues.pop();
      this.#now = Math.max(this.#now, due.at);
      due.act?.();
    }
    this.#now = until;
  }
}
