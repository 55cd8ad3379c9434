// Waiting for events, with timeouts.
import { deadline, systemClock } from "../time/mod.ts";
import { GatewayTimeoutError } from "./errors.ts";

interface Waiter<T> {
  readonly match: (value: T) => boolean;
  readonly resolve: (value: T) => void;
  readonly reject: (error: Error) => void;
}

/** Waiters for values of one kind. */
export class Waiters<T> {
  readonly #waiters = new Set<Waiter<T>>();

  /** Whether nobody waits. */
  get empty(): boolean {
    return this.#waiters.size === 0;
  }

  /**
   * Resolves with the next value offered that matches. A rejection nobody looks at is no error.
   *
   * @param what What is awaited, for the error: "Cannot wait any longer for <what>".
   * @throws {GatewayTimeoutError} when none comes within `timeoutMs`.
   */
  next(what: string, timeoutMs: number, match: (value: T) => boolean = () => true): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const waiter: Waiter<T> = { match, resolve, reject };
    this.#waiters.add(waiter);
    const awaited = deadline(promise, timeoutMs, systemClock, () => {
      this.#waiters.delete(waiter);
      return new GatewayTimeoutError(
        `Cannot wait any longer for ${what}: ${timeoutMs} ms have passed`,
      );
    });
    awaited.catch(() => {});
    return awaited;
  }

  /** Gives a value to everyone it suits, or to the first of them only. */
  offer(value: T, to: "all" | "first" = "all"): boolean {
    let taken = false;
    for (const waiter of this.#waiters) {
      if (!waiter.match(value)) continue;
      this.#waiters.delete(waiter);
      waiter.resolve(value);
      taken = true;
      if (to === "first") break;
    }
    return taken;
  }

  /** Ends every wait with this error. */
  fail(error: Error): void {
    for (const waiter of this.#waiters) waiter.reject(error);
    this.#waiters.clear();
  }
}
