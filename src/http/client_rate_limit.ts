// Rate limits per client.
import type { Context, MiddlewareHandler } from "hono";
import type { Clock } from "../time/mod.ts";
import { tooManyRequests } from "./errors.ts";
import type { Bindings } from "./middleware.ts";

/** Of requests per client: requests per second, and the size of bursts. */
const REQUESTS = { perSecond: 50, burst: 200 } as const;
/** Number of clients that are tracked; the least recently active one is dropped first. */
const MAX_CLIENTS = 1000;

interface Bucket {
  tokens: number;
  at: number;
}

/** A token bucket per client. */
export class ClientRateLimit {
  readonly #clock: Clock;
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #buckets = new Map<string, Bucket>();

  constructor(clock: Clock, limit: { readonly perSecond: number; readonly burst: number }) {
    this.#clock = clock;
    this.#perSecond = limit.perSecond;
    this.#burst = limit.burst;
  }

  /** Whether the client has a token left; takes one if `take`. */
  allows(client: string, take = true): boolean {
    const now = this.#clock.now();
    const known = this.#buckets.get(client);
    const tokens = known === undefined
      ? this.#burst
      : Math.min(this.#burst, known.tokens + (now - known.at) / 1000 * this.#perSecond);
    const allowed = tokens >= 1;
    this.#buckets.delete(client);
    this.#buckets.set(client, { tokens: allowed && take ? tokens - 1 : tokens, at: now });
    if (this.#buckets.size > MAX_CLIENTS) {
      for (const oldest of this.#buckets.keys()) {
        this.#buckets.delete(oldest);
        break;
      }
    }
    return allowed;
  }
}

/**
 * Limits requests per address. Who has a key is counted for itself: others behind the same address
 * must not keep it out.
 *
 * @param nameOf the name of a request's key; undefined without one that lets in
 */
export function limitRate(
  clock: Clock,
  nameOf: (ask: Context<Bindings>) => string | undefined,
): MiddlewareHandler<Bindings> {
  const requests = new ClientRateLimit(clock, REQUESTS);
  return async (ask, next) => {
    const { client } = ask.env;
    const name = nameOf(ask);
    if (!requests.allows(name === undefined ? client : `${client} ${name}`)) {
      throw tooManyRequests();
    }
    await next();
  };
}
