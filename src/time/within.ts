// Waiting for something, but not forever.
import type { Clock } from "./clock.ts";

/**
 * Waits until `promise` settles, at most `limitMs` milliseconds; leaves no timer behind.
 *
 * @returns Whether it was fulfilled in time. A promise that is rejected in time rejects this one.
 */
export async function within(
  promise: Promise<unknown>,
  limitMs: number,
  clock: Clock,
): Promise<boolean> {
  const { promise: limit, resolve } = Promise.withResolvers<boolean>();
  const timer = clock.set(() => resolve(false), limitMs);
  try {
    return await Promise.race([promise.then(() => true), limit]);
  } finally {
    clock.clear(timer);
  }
}
