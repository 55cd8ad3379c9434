// Where time comes from: everything that waits takes a Clock, so that tests can replace it.

/** A timer that has been set; only {@linkcode Clock.clear} looks inside. */
export type TimerHandle = object;

/** Time as the server sees it: dates that never go back, in milliseconds. */
export interface Clock {
  /**
   * Milliseconds since 1970, with fractions. Counts from when the process started, so it never goes
   * back; corrections of the machine's date that come later do not show.
   */
  now(): number;
  /** Calls `callback` once after `delayMs` milliseconds. */
  set(callback: () => void, delayMs: number): TimerHandle;
  /** Takes a timer back: it does not fire any more. Does nothing when it has fired already. */
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
 * A timer that, once taken back, does not fire. In Deno 2.4, those of the runtime do: when a read and
 * a timer are due in the same turn, clearing the timer upon the read is too late.
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
 * Milliseconds since 1970 as the machine's date is now. For what is compared with dates of others,
 * such as log lines: it may jump, so nothing is timed with it.
 */
export function wallTime(): number {
  return Date.now();
}

/** Waits so many milliseconds. */
export function sleep(ms: number, clock: Clock = systemClock): Promise<void> {
  return new Promise((resolve) => void clock.set(resolve, ms));
}

/** Calls back every `intervalMs` milliseconds; the result ends it. */
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
