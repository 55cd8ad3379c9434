// Bounded waits for tests: none of them can hang, and each names what did not come.

/** How often a predicate is asked when there is no event to wait for, in milliseconds. */
const POLL_MS = 5;
/** How long is waited unless told otherwise, in milliseconds: it only bounds what hangs. */
const DEFAULT_TIMEOUT_MS = 60_000;

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
  timeoutMs = DEFAULT_TIMEOUT_MS,
): Promise<T> {
  const timeout = Promise.withResolvers<never>();
  const timers = [setTimeout(
    () => timeout.reject(new Error(`Timed out after ${timeoutMs} ms waiting for ${what}`)),
    timeoutMs,
  )];
  try {
    const wanted = typeof awaited === "function" ? poll(awaited, timers) : awaited;
    return await Promise.race([wanted, timeout.promise]);
  } finally {
    for (const timer of timers) clearTimeout(timer);
  }
}

/** Asks again and again; it is over when its timer, the second of `timers`, is cleared. */
async function poll<T>(
  predicate: () => T | Promise<T>,
  timers: ReturnType<typeof setTimeout>[],
): Promise<T> {
  while (true) {
    const value = await predicate();
    if (value) return value;
    await new Promise<void>((resolve) => timers[1] = setTimeout(resolve, POLL_MS));
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
  next(what: string, timeoutMs = DEFAULT_TIMEOUT_MS): Promise<T> {
    if (this.#items.length > 0) return Promise.resolve(this.#items.shift() as T);
    const taken = Promise.withResolvers<T>();
    this.#takers.push(taken.resolve);
    return waitFor(taken.promise, what, timeoutMs).finally(() => {
      const index = this.#takers.indexOf(taken.resolve);
      if (index >= 0) this.#takers.splice(index, 1);
    });
  }
}
