// Authentication, rate limits, and protection against DNS rebinding.
import { createHash, timingSafeEqual } from "node:crypto";
import { isLoopback } from "../net/mod.ts";
import { quote } from "../text/mod.ts";
import { MAX_KEY_LENGTH } from "../config/mod.ts";
import type { Clock } from "../time/mod.ts";
import { RequestError } from "./errors.ts";

/** Rate limit of requests per client: requests per second, and the size of bursts. */
const REQUESTS = { perSecond: 50, burst: 200 } as const;
/** The same for invalid keys. */
const WRONG_KEYS = { perSecond: 1, burst: 10 } as const;
/** Number of clients that are tracked; the least recently active one is dropped first. */
const MAX_CLIENTS = 1000;

interface Bucket {
  tokens: number;
  at: number;
}

/** A token bucket per client. */
export class RateLimit {
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

/** Checks every request before it is handled. */
export class Guard {
  readonly #digest: Uint8Array | undefined;
  readonly #requests: RateLimit;
  readonly #wrongKeys: RateLimit;

  /** @param apiKey absent: no authentication */
  constructor(apiKey: string | undefined, clock: Clock) {
    this.#digest = apiKey === undefined ? undefined : digest(apiKey);
    this.#requests = new RateLimit(clock, REQUESTS);
    this.#wrongKeys = new RateLimit(clock, WRONG_KEYS);
  }

  /** @throws {RequestError} when the client exceeds its rate limit. */
  admit(client: string): void {
    if (!this.#requests.allows(client)) throw tooMany();
  }

  /**
   * Checks the key in constant time.
   *
   * @throws {RequestError} when it is missing or invalid, or was invalid too often.
   */
  authorize(request: Request, client: string): void {
    if (this.#digest === undefined) return checkHost(request);
    const key = keyOf(request.headers);
    if (key === undefined) throw unauthorized("Expected a key: found none");
    // Guessing is slowed down, with an answer that reveals nothing.
    if (!this.#wrongKeys.allows(client, false)) throw tooMany();
    if (timingSafeEqual(digest(key), this.#digest)) return;
    this.#wrongKeys.allows(client);
    throw unauthorized("Expected the configured key: found another one");
  }
}

/** @throws {RequestError} when it is longer than any configured key. */
function keyOf(headers: Headers): string | undefined {
  const bearer = /^Bearer +(\S+) *$/i.exec(headers.get("authorization") ?? "")?.[1];
  const key = bearer ?? headers.get("x-api-key") ?? undefined;
  if (key !== undefined && key.length > MAX_KEY_LENGTH) {
    throw unauthorized(
      `Expected a key of at most ${MAX_KEY_LENGTH} characters: found a longer one`,
    );
  }
  return key === "" ? undefined : key;
}

/** A digest: its length does not depend on the key's. */
function digest(key: string): Uint8Array {
  return createHash("sha256").update(key).digest();
}

/** Without a key, DNS rebinding must not let a foreign page in: only names of this machine are allowed. */
function checkHost(request: Request): void {
  const hostname = URL.parse(request.url)?.hostname;
  if (hostname === undefined) {
    throw new RequestError(400, "bad_request", "Expected the name of a host: found none");
  }
  if (isLoopback(hostname.replace(/^\[(.*)\]$/, "$1"))) return;
  throw new RequestError(
    403,
    "forbidden",
    "Expected a host of this machine, such as localhost, as no key is configured: " +
      `found ${quote(hostname)}`,
  );
}

function unauthorized(message: string): RequestError {
  return new RequestError(401, "unauthorized", message, { "www-authenticate": "Bearer" });
}

function tooMany(): RequestError {
  const message = "Expected fewer requests: found too many a second";
  return new RequestError(429, "too_many_requests", message, { "retry-after": "1" });
}
