// What every request passes before its route, and every answer after it.
import { Hono, type MiddlewareHandler } from "hono";
import { secureHeaders } from "hono/secure-headers";
import type { Log } from "../log/mod.ts";
import { type Clock, deadline } from "../time/mod.ts";
import type { Found } from "./access/authorization.ts";
import type { Caller } from "./access/caller.ts";
import { quote } from "../text/mod.ts";
import { errorResponse, RequestError } from "./errors.ts";
import { hasMuchUnread } from "./request_body.ts";

/** Maximum number of concurrent requests, without event streams. */
export const MAX_OPEN = 256;
/** Deadline for an answer, in milliseconds: a reload takes longest. */
export const ANSWER_MS = 60_000;

/** The connection that a request came on. */
export interface ClientConnection {
  /** The other end's address. */
  readonly client: string;
  /** Closes the connection once the answer is sent, and reads no more of it. */
  readonly dismiss: () => void;
}

/** Hono's type for handlers that get it, what lets in, and behind a key whoever asks. */
export type Bindings = {
  readonly Bindings: ClientConnection;
  readonly Variables: { readonly found: Found | undefined; readonly caller: Caller };
};

/**
 * Only content of this server and images of the tile server, no script or style in the markup, and
 * not inside another page.
 *
 * @param tiles the address of map tiles now; empty: none
 */
export function headersFor(tiles: () => string): Parameters<typeof secureHeaders>[0] {
  return {
    contentSecurityPolicy: {
      defaultSrc: ["'none'"],
      scriptSrc: ["'self'"],
      styleSrc: ["'self'"],
      connectSrc: ["'self'"],
      imgSrc: [() => ["'self'", ...tileSource(tiles())].join(" ")],
      baseUri: ["'none'"],
      formAction: ["'none'"],
      frameAncestors: ["'none'"],
    },
    permissionsPolicy: { camera: false, geolocation: false, microphone: false },
    xFrameOptions: "DENY",
    // Other ports of this machine may serve plain HTTP.
    strictTransportSecurity: false,
  };
}

/** The scheme, the host and the folder of map tiles, as a source of images. */
function tileSource(tiles: string): string[] {
  const [, source] = /^(https?:\/\/[^/]+\/(?:[^?{]*\/)?)/.exec(tiles) ?? [];
  return source === undefined ? [] : [source];
}

/** Makes an application without routes: limits, common headers, errors as JSON. */
export function createHono(
  clock: Clock,
  log: Log,
  tiles: () => string = () => "",
): Hono<Bindings> {
  const app = new Hono<Bindings>();
  let open = 0;
  app.use(secureHeaders(headersFor(tiles)), async (ask, next) => {
    const { env: { dismiss }, req: { raw } } = ask;
    await next();
    const { res } = ask;
    res.headers.set("cache-control", "no-store");
    if (res.status !== 429 && !hasMuchUnread(raw)) return;
    res.headers.set("connection", "close");
    dismiss();
  }, async (_, next) => {
    if (open >= MAX_OPEN) throw new RequestError(503, "busy", "Expected fewer requests at once");
    open++;
    try {
      await deadline(next(), ANSWER_MS, clock, () => {
        const message = `Expected an answer within ${ANSWER_MS} ms: there is none yet`;
        return new RequestError(503, "timeout", message);
      });
    } finally {
      open--;
    }
  });
  app.onError((error, { req }) => {
    if (error instanceof RequestError) return errorResponse(error);
    log.critical(() => `Defect in ${req.path}: ${error.stack}`);
    return errorResponse(new RequestError(500, "internal", "The request failed: see the log"));
  });
  return app;
}

/** @throws {RequestError} when there are any in the query. */
export const noParameters: MiddlewareHandler<Bindings> = async ({ req }, next) => {
  const [name] = Object.keys(req.query());
  if (name !== undefined) {
    throw new RequestError(400, "bad_request", `Expected no parameters: found ${quote(name)}`);
  }
  await next();
};
