// Bounded waits for tests: none of them can hang, and each says what did not come.

/** How often a predicate is asked when there is no event to wait for, in milliseconds. */
const POLL_MS = 5;

/**
 * Waits for a promise, or until a predicate holds, at most `timeoutMs` milliseconds.
 *
 * Prefer the promise: a predicate is asked every few milliseconds.
 *
 * @throws {Error} "Timed out after ...: what" when it did not happen in time.
 */
export async function waitFor<T>(
  awaited: Promise<T> | (() => T | Promise<T>),
  what: string,
  timeoutMs = 10_000,
): Promise<T> {
  const timeout = Promise.withResolvers<never>();
  let expired = false;
  const timer = setTimeout(() => {
    expired = true;
    timeout.reject(new Error(`Timed out after ${timeoutMs} ms waiting for ${what}`));
  }, timeoutMs);
  const poll = async (predicate: () => T | Promise<T>): Promise<T> => {
    while (true) {
      const value = await predicate();
      if (value || expired) return value;
      await delay(POLL_MS);
    }
  };
  try {
    return await Promise.race([
      typeof awaited === "function" ? poll(awaited) : awaited,
      timeout.promise,
    ]);
  } finally {
    clearTimeout(timer);
    expired = true;
  }
}

/** Lets `ms` milliseconds pass; only where nothing happening is what is tested. */
export function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** What arrives one by one, for a test that takes it in order. */
export class Inbox<T> {
  readonly #items: T[] = [];
  readonly #takers: ((item: T) => void)[] = [];

  /** Puts one in, or hands it to whoever waits. */
  push(item: T): void {
    const taker = this.#takers.shift();
    if (taker) taker(item);
    else this.#items.push(item);
  }

  /** How many wait to be taken. */
  get size(): number {
    return this.#items.length;
  }

  /** Takes the next, waiting at most `timeoutMs` milliseconds. */
  next(what: string, timeoutMs = 10_000): Promise<T> {
    if (this.#items.length > 0) return Promise.resolve(this.#items.shift() as T);
    const taken = Promise.withResolvers<T>();
    this.#takers.push(taken.resolve);
    return waitFor(taken.promise, what, timeoutMs).finally(() => {
      const index = this.#takers.indexOf(taken.resolve);
      if (index >= 0) this.#takers.splice(index, 1);
    });
  }
}
