// The routes of the HTTP server.
import { type Context, Hono } from "hono";
import { quote } from "../text/mod.ts";
import { errorResponse } from "./answers.ts";
import type { Health, Readiness } from "./api/schemas.ts";
import { readBody } from "./body.ts";
import { openApiDocument } from "./api/describe.ts";
import { RequestError, RpcError } from "./errors.ts";
import type { EventStream } from "./event_stream.ts";
import type { Guard } from "./guard.ts";
import { answerRpc, RPC_ERRORS, RpcCode } from "./api/json_rpc.ts";
import { callMethod, type Method, METHODS, type MethodSource } from "./api/methods.ts";
import type { Asset } from "./page/assets.ts";

/** Files of the page by path. */
export type Assets = ReadonlyMap<string, Asset>;

export interface AppOptions {
  readonly source: MethodSource;
  readonly guard: Guard;
  readonly events: EventStream;
  readonly health: () => Health;
  readonly readiness: () => Readiness;
  readonly metrics: { readonly contentType: string; text(): Promise<string> };
  readonly assets: Assets;
}

export interface RequestInfo {
  /** The other end's address. */
  readonly client: string;
}

type Bindings = { readonly Bindings: RequestInfo };
type Ask = Context<Bindings>;

/** Maximum size of a JSON-RPC request, in bytes. */
const MAX_BODY_BYTES = 256 * 1024;
/** Deadline for its body, in milliseconds. */
const BODY_MS = 5000;

/** Makes the routes. */
export function createApp(options: AppOptions): Hono<Bindings> {
  const { source, guard, assets } = options;
  const app = new Hono<Bindings>();
  app.use(async (ask, next) => {
    guard.admit(ask.env.client);
    await next();
  });
  addOpen(app, options);
  addLocked(app, options);
  app.all("*", (ask) => {
    throw notThere(ask, assets);
  });
  app.onError((error, ask) => errorAnswer(error, ask, source));
  return app;
}

/** Routes without a key. */
function addOpen(app: Hono<Bindings>, { health, readiness, assets }: AppOptions): void {
  app.get("/healthz", (ask) => ask.json(health()));
  app.get("/readyz", (ask) => {
    const found = readiness();
    return ask.json(found, found.ready ? 200 : 503);
  });
  for (const [path, asset] of assets) {
    app.get(path, (ask) => ask.body(asset.body, 200, { "content-type": asset.type }));
  }
}

/** Routes with a key, if there is one. */
function addLocked(
  app: Hono<Bindings>,
  { source, guard, events, metrics }: AppOptions,
): void {
  const locked = (answer: (ask: Ask) => Response | Promise<Response>) => (ask: Ask) => {
    guard.authorize(ask.req.raw, ask.env.client);
    return answer(ask);
  };
  app.get(
    "/metrics",
    locked(async (ask) =>
      ask.body(await metrics.text(), 200, { "content-type": metrics.contentType })
    ),
  );
  for (const method of METHODS) {
    const { path } = method;
    if (path === undefined) continue;
    app.get(route(path), locked(async (ask) => ask.json(await rest(ask, method, source))));
  }
  app.get(
    "/api/events",
    locked((ask) => {
      // The body of an answer to HEAD is not read.
      const body = ask.req.method === "HEAD" ? null : events.connect();
      return new Response(body, { headers: { "content-type": "text/event-stream" } });
    }),
  );
  app.get("/openapi.json", locked((ask) => ask.json(openApiDocument(METHODS))));
  app.post("/rpc", locked((ask) => rpc(ask, source)));
}

/** A path in the router's syntax: `/api/cars/:car`. */
function route(path: string): string {
  return path.replaceAll(/\{(\w+)\}/g, ":$1");
}

/** @throws {RequestError} when the method refuses. */
async function rest(ask: Ask, { name }: Method, source: MethodSource): Promise<object> {
  try {
    return await callMethod(name, { ...ask.req.query(), ...ask.req.param() }, source) as object;
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    const { message } = error;
    switch (error.code) {
      case RPC_ERRORS.NO_SUCH_CAR:
        throw new RequestError(404, "not_found", message);
      case RpcCode.INVALID_PARAMS:
        throw new RequestError(400, "bad_request", message);
      default:
        throw error;
    }
  }
}

async function rpc(ask: Ask, source: MethodSource): Promise<Response> {
  const type = ask.req.header("content-type") ?? "";
  // Another origin cannot send this type without a CORS preflight, which is refused.
  if (!/^application\/json(?:\s*;|$)/i.test(type)) {
    const message = `Expected the content type application/json: found ${quote(type)}`;
    throw new RequestError(415, "unsupported_media_type", message);
  }
  const text = await readBody(ask.req.raw, MAX_BODY_BYTES, BODY_MS);
  const answer = await answerRpc(text, {
    call: (method, params) => callMethod(method, params, source),
    onDefect: (method, error) => logDefect(source, method, error),
  });
  if (answer === undefined) return ask.body(null, 204);
  return ask.body(answer, 200, { "content-type": "application/json" });
}

const GET_PATHS: readonly RegExp[] = [
  "/healthz",
  "/readyz",
  "/metrics",
  "/api/events",
  "/openapi.json",
  ...METHODS.flatMap(({ path }) => path ?? []),
].map((path) => new RegExp(`^${path.replaceAll(".", "\\.").replaceAll(/\{\w+\}/g, "[^/]+")}$`));

function notThere(ask: Ask, assets: Assets): RequestError {
  const { path, method } = ask.req;
  const allow = path === "/rpc" ? "POST" : isGet(path) || assets.has(path) ? "GET" : null;
  if (allow === null || allow === method) {
    const message = `Expected a path of this server: found ${quote(path)}`;
    return new RequestError(404, "not_found", message);
  }
  const message = `Expected the method ${allow}: found ${quote(method)}`;
  return new RequestError(405, "method_not_allowed", message, { allow });
}

function isGet(path: string): boolean {
  return GET_PATHS.some((pattern) => pattern.test(path));
}

function errorAnswer(error: Error, ask: Ask, source: MethodSource): Response {
  if (error instanceof RequestError) return errorResponse(error);
  logDefect(source, ask.req.path, error);
  return errorResponse(new RequestError(500, "internal", "The request failed: see the log"));
}

function logDefect({ log }: MethodSource, what: string, error: unknown): void {
  log.critical(() => `Defect in ${what}: ${error instanceof Error ? error.stack : error}`);
}
