// Who may ask: keys, log-ins, and without keys, protection against DNS rebinding.
import type { Context, MiddlewareHandler } from "hono";
import { deleteCookie, getCookie, setCookie } from "hono/cookie";
import { MAX_KEY_LENGTH, type Scope } from "../../config/mod.ts";
import { isLoopback } from "../../net/mod.ts";
import { quote } from "../../text/mod.ts";
import type { Clock } from "../../time/mod.ts";
import { ClientRateLimit } from "../client_rate_limit.ts";
import { RequestError, tooManyRequests } from "../errors.ts";
import type { Bindings } from "../middleware.ts";
import { ANONYMOUS, type Caller, hasScope } from "./caller.ts";
import type { HeldKey, KeyRing } from "./key_ring.ts";
import { isCsrfToken, LOG_IN_MS, type LogIn, type LogIns } from "./log_ins.ts";

/** Rate limit of wrong keys per client: keys per second, and the size of bursts. */
const WRONG_KEYS = { perSecond: 1, burst: 10 } as const;
/** Rate limit of log-ins per client, which are written to the disk. */
const LOG_INS = { perSecond: 1, burst: 20 } as const;
/** The header that actions of a browser bring. */
const CSRF_HEADER = "x-csrf-token";

/** Where authorization gets what it needs. */
export interface AuthorizationOptions {
  readonly ring: KeyRing;
  readonly logIns: LogIns;
  readonly clock: Clock;
  /** Of the log-in's cookie. */
  readonly cookie: string;
  /** Whether the server speaks HTTPS. */
  readonly secure: boolean;
  /** Whether only this machine reaches the server. */
  readonly local: boolean;
}

/** What lets a request in. */
export interface Found {
  readonly key: HeldKey | undefined;
  readonly logIn: LogIn | undefined;
}

/** Lets requests in that have a key, in `Authorization: Bearer` or `X-Api-Key`, or a log-in. */
export class Authorization {
  readonly #options: AuthorizationOptions;
  readonly #wrongKeys: ClientRateLimit;
  readonly #logInRate: ClientRateLimit;

  constructor(options: AuthorizationOptions) {
    this.#options = options;
    this.#wrongKeys = new ClientRateLimit(options.clock, WRONG_KEYS);
    this.#logInRate = new ClientRateLimit(options.clock, LOG_INS);
  }

  /** Lets callers with a scope pass; handlers get them as the variable `caller`. */
  require(scope: Scope): MiddlewareHandler<Bindings> {
    return async (ask, next) => {
      const caller = this.#caller(ask);
      if (!hasScope(caller, scope)) {
        const message = `Expected a key of scope ${scope}: found ${quote(caller.name)} of scope ` +
          caller.scope;
        throw new RequestError(403, "forbidden", message);
      }
      ask.set("caller", caller);
      await next();
    };
  }

  /** The name of the key that a request came with, by itself or in a log-in, if it lets in. */
  nameOf(ask: Context<Bindings>): string | undefined {
    if (this.#options.ring.isEmpty) return undefined;
    const { key, logIn } = this.#found(ask);
    return (key ?? logIn?.key)?.name;
  }

  /** The log-in that a request came with. */
  currentLogIn(ask: Context<Bindings>): LogIn | undefined {
    const token = this.#token(ask);
    return token === undefined ? undefined : this.#options.logIns.find(token);
  }

  /** Logs the caller in, with the key of this request. */
  async logIn(ask: Context<Bindings>): Promise<LogIn> {
    const { logIns } = this.#options;
    if (!this.#logInRate.allows(ask.env.client)) throw tooManyRequests();
    const { key } = this.#found(ask);
    const token = key && await logIns.open(key);
    const logIn = token && logIns.find(token);
    if (!token || !logIn) throw unauthorized("Expected a key to log in with: found none");
    this.#setCookie(ask, token);
    return logIn;
  }

  /** Keeps a log-in that is used from ending, in the browser, too. */
  renew(ask: Context<Bindings>): void {
    const token = this.#token(ask);
    if (token !== undefined && this.#options.logIns.renew(token)) this.#setCookie(ask, token);
  }

  /** Logs out. */
  async logOut(ask: Context<Bindings>): Promise<void> {
    const { logIns, cookie, secure } = this.#options;
    const token = this.#token(ask);
    if (token !== undefined) await logIns.close(token);
    deleteCookie(ask, cookie, { path: "/", secure });
  }

  #caller(ask: Context<Bindings>): Caller {
    if (this.#options.ring.isEmpty) return this.#anonymous(ask);
    const { req: { raw: { headers, method } }, env: { client: from } } = ask;
    const { key, logIn } = this.#found(ask);
    if (key !== undefined) return { ...key, from, ended: key.revoked };
    if (logIn === undefined) throw this.#refusal(ask);
    if (
      method !== "GET" && method !== "HEAD" &&
      !isCsrfToken(headers.get(CSRF_HEADER) ?? undefined, logIn)
    ) {
      const message = `Expected the log-in's token in ${CSRF_HEADER}: found another one or none`;
      throw new RequestError(403, "forbidden", message);
    }
    return { ...logIn.key, from, ended: logIn.ended };
  }

  #anonymous({ req: { raw }, env: { client: from } }: Context<Bindings>): Caller {
    if (!this.#options.local) {
      throw unauthorized("Expected a configured key: none is configured any more");
    }
    checkHost(raw);
    return { name: ANONYMOUS, scope: "admin", from, ended: this.#options.ring.locked };
  }

  #token(ask: Context<Bindings>): string | undefined {
    return getCookie(ask, this.#options.cookie);
  }

  #setCookie(ask: Context<Bindings>, token: string): void {
    setCookie(ask, this.#options.cookie, token, {
      path: "/",
      httpOnly: true,
      sameSite: "Strict",
      secure: this.#options.secure,
      maxAge: LOG_IN_MS / 1000,
    });
  }

  /** What a request came with, if it lets in; looked up once. */
  #found(ask: Context<Bindings>): Found {
    const known = ask.get("found");
    if (known !== undefined) return known;
    const { ring, logIns } = this.#options;
    const text = keyOf(ask.req.raw.headers);
    const token = text === undefined ? this.#token(ask) : undefined;
    const found = {
      key: text === undefined || isTooLong(text) ? undefined : ring.find(text),
      logIn: token === undefined ? undefined : logIns.find(token),
    };
    ask.set("found", found);
    return found;
  }

  /** Why nothing lets the request in. Guessing is slowed down, of whoever guesses alone. */
  #refusal(ask: Context<Bindings>): RequestError {
    const text = keyOf(ask.req.raw.headers);
    if (text === undefined && this.#token(ask) === undefined) {
      return unauthorized("Expected a key: found none");
    }
    if (text !== undefined && isTooLong(text)) {
      return unauthorized(
        `Expected a key of at most ${MAX_KEY_LENGTH} characters: found a longer one`,
      );
    }
    if (!this.#wrongKeys.allows(ask.env.client)) return tooManyRequests();
    return unauthorized(
      text === undefined
        ? "Expected a log-in that lasts: found one that has ended"
        : "Expected a configured key: found another one",
    );
  }
}

/** The key that a request came with. */
function keyOf(headers: Headers): string | undefined {
  const bearer = /^Bearer +(\S+) *$/i.exec(headers.get("authorization") ?? "")?.[1];
  const key = bearer ?? headers.get("x-api-key") ?? undefined;
  return key === "" ? undefined : key;
}

/** Longer than any configured key: it is not compared with them. */
function isTooLong(key: string): boolean {
  return key.length > MAX_KEY_LENGTH;
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
