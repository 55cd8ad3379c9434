// Where time comes from: everything that waits takes a Clock, so that tests can replace it.

/** A timer that has been set; only {@linkcode Clock.clear} looks inside. */
export type TimerHandle = object;

/** Time as the server sees it: monotonic, in milliseconds. */
export interface Clock {
  /** Milliseconds since an arbitrary start; never goes back, so not a date. */
  now(): number;
  /** Calls `callback` once after `delayMs` milliseconds. */
  set(callback: () => void, delayMs: number): TimerHandle;
  /** Takes a timer back: it does not fire any more. Does nothing when it has fired already. */
  clear(handle: TimerHandle): void;
}

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => performance.now(),
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
