// Growing pauses between attempts, as an iterable of intervals that a test can simply list.

/** How pauses grow. */
export interface BackoffOptions {
  /** The first pause, in milliseconds. */
  readonly firstMs: number;
  /** No pause is longer, in milliseconds. */
  readonly maxMs: number;
  /** Each pause is this many times the one before. @default {2} */
  readonly factor?: number;
  /** The share of each pause that is left to chance, 0 to 1. @default {0.5} */
  readonly jitter?: number;
  /** A source of numbers from 0 up to 1. @default {Math.random} */
  readonly random?: () => number;
}

/**
 * Yields the pause before each next attempt, in milliseconds, without end.
 *
 * With jitter `j`, a pause of `d` becomes one between `d * (1 - j)` and `d`, so that many cars
 * which lost their broker in the same moment do not come back in the same moment.
 */
export function* backoff(options: BackoffOptions): Generator<number, never, void> {
  const { firstMs, maxMs, factor = 2, jitter = 0.5, random = Math.random } = options;
  let pauseMs = Math.min(firstMs, maxMs);
  while (true) {
    yield pauseMs * (1 - jitter * random());
    pauseMs = Math.min(pauseMs * factor, maxMs);
  }
}
