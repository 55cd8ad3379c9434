// Ends a run after a given time.
import { type Clock, systemClock, type TimerHandle } from "../../time/mod.ts";
import type { Part } from "../mod.ts";

/**
 * Ends a run after a given number of seconds, or when the program is asked to stop. It must be the last part
 * to start: the time counts from when all others have started, however long that took.
 */
export class Countdown implements Part {
  readonly name = "the countdown";
  readonly #seconds: number | undefined;
  readonly #clock: Clock;
  readonly #controller = new AbortController();
  #timer: TimerHandle | undefined;

  /** @param seconds Absent: the run ends only when it is `asked` to. */
  constructor(seconds: number | undefined, asked: AbortSignal, clock: Clock = systemClock) {
    this.#seconds = seconds;
    this.#clock = clock;
    const end = () => this.#controller.abort(asked.reason);
    if (asked.aborted) end();
    else asked.addEventListener("abort", end, { once: true });
  }

  /** Aborts when the run has to end. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  start(): Promise<void> {
    const end = () => this.#controller.abort("the end of its time");
    if (this.#seconds !== undefined) this.#timer = this.#clock.set(end, this.#seconds * 1000);
    return Promise.resolve();
  }

  stop(): Promise<void> {
    if (this.#timer !== undefined) this.#clock.clear(this.#timer);
    this.#timer = undefined;
    return Promise.resolve();
  }
}
