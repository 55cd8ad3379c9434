// Exponential backoff with jitter, as an iterable of pauses that a test can list.

/** How pauses grow. */
export interface Pauses {
  /** The first pause, in milliseconds. */
  readonly firstMs: number;
  /** The longest pause, in milliseconds. */
  readonly maxMs: number;
  /** Each pause is this many times the one before. @default {2} */
  readonly factor?: number;
  /** The random share of each pause, 0 to 1. @default {0.5} */
  readonly jitter?: number;
}

/** How an iterable of pauses is made. */
export interface BackoffOptions extends Pauses {
  /** A source of numbers from 0 up to 1. @default {Math.random} */
  readonly random?: () => number;
}

/**
 * The pause before one attempt, in milliseconds; `index` 0 is the first.
 *
 * With jitter `j`, a pause of `d` becomes one between `d * (1 - j)` and `d`, so that cars that lost
 * their broker at the same moment do not all come back at the same moment.
 *
 * @param random From 0 up to 1.
 */
export function pauseMs(index: number, pauses: Pauses, random: number): number {
  const { firstMs, maxMs, factor = 2, jitter = 0.5 } = pauses;
  return Math.min(firstMs * factor ** index, maxMs) * (1 - jitter * random);
}

/** Yields the {@linkcode pauseMs pause} before each next attempt, in milliseconds, without end. */
export function* backoff(options: BackoffOptions): Generator<number, never, void> {
  const { random = Math.random } = options;
  for (let index = 0;; index++) yield pauseMs(index, options, random());
}
