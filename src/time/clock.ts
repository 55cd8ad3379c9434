// Where time comes from: everything that waits takes a Clock, so that tests can replace it.

/** A timer that has been set; only {@linkcode Clock.clear} looks inside. */
export type TimerHandle = ReturnType<typeof setTimeout>;

/** Time as the server sees it: monotonic, in milliseconds. */
export interface Clock {
  /** Milliseconds since an arbitrary start; never goes back, so not a date. */
  now(): number;
  /** Calls `callback` once after `delayMs` milliseconds. */
  set(callback: () => void, delayMs: number): TimerHandle;
  /** Takes a timer back; does nothing when it has fired already. */
  clear(handle: TimerHandle): void;
}

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => performance.now(),
  set: (callback, delayMs) => setTimeout(callback, delayMs),
  clear: (handle) => clearTimeout(handle),
};
