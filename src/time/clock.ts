// The source of time: everything that waits takes a Clock, so that tests can replace it.

/** A timer, to be passed to {@linkcode Clock.clear}. */
export type TimerHandle = object;

/** The server's time: dates that never go back, in milliseconds. */
export interface Clock {
  /**
   * Milliseconds since 1970, with fractions. Monotonic from the start of the process: later
   * corrections of the machine's clock have no effect.
   */
  now(): number;
  /** Calls `callback` once after `delayMs` milliseconds. */
  set(callback: () => void, delayMs: number): TimerHandle;
  /** Cancels a timer. Does nothing when it has fired. */
  clear(handle: TimerHandle): void;
}

const { timeOrigin } = performance;

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => timeOrigin + performance.now(),
  set: (callback, delayMs) => new SystemTimer(callback, delayMs),
  clear: (handle) => (handle as SystemTimer).clear(),
};

/**
 * A timer that never fires once cancelled. In Deno 2.4, the runtime's timers may: when a read and a
 * timer are due in the same turn, clearing the timer upon the read is too late.
 */
class SystemTimer {
  #callback: (() => void) | null;
  readonly #id: ReturnType<typeof setTimeout>;

  constructor(callback: () => void, delayMs: number) {
    this.#callback = callback;
    this.#id = setTimeout(() => this.#callback?.(), delayMs);
  }

  clear(): void {
    this.#callback = null;
    clearTimeout(this.#id);
  }
}

/**
 * Milliseconds since 1970 by the machine's clock. For comparison with others' dates, such as in log
 * lines: it may jump, so nothing is timed with it.
 */
export function wallTime(): number {
  return Date.now();
}

/** Waits, in milliseconds. */
export function sleep(ms: number, clock: Clock = systemClock): Promise<void> {
  return new Promise((resolve) => void clock.set(resolve, ms));
}

/** Calls back every `intervalMs` milliseconds, until the returned function is called. */
export function every(
  intervalMs: number,
  callback: () => void,
  clock: Clock = systemClock,
): () => void {
  let timer = clock.set(function onDue() {
    timer = clock.set(onDue, intervalMs);
    callback();
  }, intervalMs);
  return () => clock.clear(timer);
}
