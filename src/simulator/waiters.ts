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

/** Values for one reader: those nobody waits for are kept, up to a limit. */
export class Inbox<T> {
  readonly #limit: number;
  readonly #waiters = new Waiters<T>();
  readonly #unread: T[] = [];

  /** @param limit with more, the oldest are forgotten */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Oldest first. */
  get unread(): readonly T[] {
    return this.#unread;
  }

  put(value: T): void {
    if (this.#waiters.offer(value, "first") || this.#limit === 0) return;
    this.#unread.push(value);
    if (this.#unread.length > this.#limit) this.#unread.shift();
  }

  /** Takes the oldest one that matches, or the next to come; as {@linkcode Waiters.next}. */
  take(what: string, timeoutMs: number, match?: (value: T) => boolean): Promise<T> {
    const at = this.#unread.findIndex(match ?? (() => true));
    if (at < 0) return this.#waiters.next(what, timeoutMs, match);
    return Promise.resolve(this.#unread.splice(at, 1)[0] as T);
  }

  /** Ends every wait with this error. */
  fail(error: Error): void {
    this.#waiters.fail(error);
  }
}
