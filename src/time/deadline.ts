// Waiting with a deadline.
import { type Clock, systemClock } from "./clock.ts";

/** Something did not happen in time; the message says what. */
export class DeadlineError extends Error {
  override readonly name = "DeadlineError";
}

/**
 * Waits for `promise`, at most `limitMs` milliseconds; leaves no timer behind. A later result or
 * rejection of the promise is ignored.
 *
 * @param late makes the error when the deadline has passed @default {a DeadlineError with the
 * limit}
 */
export async function deadline<T>(
  promise: Promise<T>,
  limitMs: number,
  clock: Clock = systemClock,
  late: () => Error = () => new DeadlineError(`Expected it within ${limitMs} ms`),
): Promise<T> {
  const { promise: limit, reject } = Promise.withResolvers<never>();
  const timer = clock.set(() => reject(late()), limitMs);
  try {
    return await Promise.race([promise, limit]);
  } finally {
    clock.clear(timer);
  }
}

/**
 * Waits until `promise` settles, at most `limitMs` milliseconds.
 *
 * @returns Whether it was fulfilled in time. A promise that is rejected in time rejects this one.
 */
export async function within(
  promise: Promise<unknown>,
  limitMs: number,
  clock: Clock = systemClock,
): Promise<boolean> {
  const tooLate = new DeadlineError();
  try {
    await deadline(promise, limitMs, clock, () => tooLate);
    return true;
  } catch (error) {
    if (error === tooLate) return false;
    throw error;
  }
}

/** Waits for the first to settle; later results of the others are ignored. */
export function firstOf<T>(...promises: readonly Promise<T>[]): Promise<T> {
  return Promise.race(promises);
}
