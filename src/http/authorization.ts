// Who may ask: the key, and without one, protection against DNS rebinding.
import type { MiddlewareHandler } from "hono";
import { isLoopback } from "../net/mod.ts";
import { quote, sameSecret } from "../text/mod.ts";
import { MAX_KEY_LENGTH } from "../config/mod.ts";
import type { Clock } from "../time/mod.ts";
import { RequestError, tooManyRequests } from "./errors.ts";
import type { Bindings } from "./middleware.ts";
import { ClientRateLimit } from "./client_rate_limit.ts";

/** Rate limit of wrong keys per client: keys per second, and the size of bursts. */
const WRONG_KEYS = { perSecond: 1, burst: 10 } as const;

/**
 * Lets only requests with the key pass, in `Authorization: Bearer` or `X-Api-Key`, and compares it
 * in constant time. (Hono's own takes one header, and no keys but those of the base64 alphabet.)
 *
 * @param apiKey absent: no authentication
 */
export function authorize(apiKey: string | undefined, clock: Clock): MiddlewareHandler<Bindings> {
  const wrongKeys = new ClientRateLimit(clock, WRONG_KEYS);
  const check = (headers: Headers, client: string, wanted: string) => {
    const key = keyOf(headers);
    if (key === undefined) throw unauthorized("Expected a key: found none");
    // Guessing is slowed down, with an answer that reveals nothing.
    if (!wrongKeys.allows(client, false)) throw tooManyRequests();
    if (sameSecret(key, wanted)) return;
    wrongKeys.allows(client);
    throw unauthorized("Expected the configured key: found another one");
  };
  return async ({ req: { raw }, env: { client } }, next) => {
    if (apiKey === undefined) checkHost(raw);
    else check(raw.headers, client, apiKey);
    await next();
  };
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
