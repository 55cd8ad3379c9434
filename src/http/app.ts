// The routes of the HTTP server.
import type { Context, Hono } from "hono";
import { methodNotAllowed } from "hono/method-not-allowed";
import { quote } from "../text/mod.ts";
import type { Health, Readiness } from "./api/schemas.ts";
import { openApiDocument } from "./api/describe.ts";
import { authorize } from "./authorization.ts";
import { errorResponse, RequestError, RpcError } from "./errors.ts";
import type { EventStream } from "./event_stream.ts";
import { answerRpc, RPC_ERRORS, RpcCode } from "./api/json_rpc.ts";
import { callMethod, type Method, METHODS, type MethodSource } from "./api/methods.ts";
import { type Bindings, createHono } from "./middleware.ts";
import { assets } from "./page/assets.ts";
import { limitRate } from "./client_rate_limit.ts";
import { readBody } from "./request_body.ts";

export interface AppOptions {
  readonly source: MethodSource;
  /** Absent: no authentication. */
  readonly apiKey: string | undefined;
  readonly events: EventStream;
  readonly health: () => Health;
  readonly readiness: () => Readiness;
  readonly metrics: { readonly contentType: string; text(): Promise<string> };
}

type Ask = Context<Bindings>;

/** Maximum size of a JSON-RPC request, in bytes. */
const MAX_BODY_BYTES = 256 * 1024;
/** Deadline for its body, in milliseconds. */
const BODY_MS = 5000;

/** Makes the routes. */
export function createApp(options: AppOptions): Hono<Bindings> {
  const { source: { clock, log }, health, readiness } = options;
  const app = createHono(clock, log);
  app.use(limitRate(clock), methodNotAllowed({ app, onMethodNotAllowed }));
  app.get("/healthz", (ask) => ask.json(health()));
  app.get("/readyz", (ask) => {
    const found = readiness();
    return ask.json(found, found.ready ? 200 : 503);
  });
  for (const [path, asset] of assets) {
    app.get(path, (ask) => ask.body(asset.body, 200, { "content-type": asset.type }));
  }
  addLocked(app, options);
  return app.notFound(({ req: { path } }) =>
    errorResponse(
      new RequestError(404, "not_found", `Expected a path of this server: found ${quote(path)}`),
    )
  );
}

/** Routes with a key, if there is one. */
function addLocked(
  app: Hono<Bindings>,
  { source, apiKey, events, metrics }: AppOptions,
): void {
  const locked = authorize(apiKey, source.clock);
  app.get("/metrics", locked, async (ask) => {
    return ask.body(await metrics.text(), 200, { "content-type": metrics.contentType });
  });
  for (const method of METHODS) {
    const { path } = method;
    if (path === undefined) continue;
    app.get(route(path), locked, async (ask) => ask.json(await rest(ask, method, source)));
  }
  app.get("/api/events", locked, (ask) => {
    // The body of an answer to HEAD is not read.
    const body = ask.req.method === "HEAD" ? null : events.connect();
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  });
  app.get("/openapi.json", locked, (ask) => ask.json(openApiDocument(METHODS)));
  app.post("/rpc", locked, (ask) => rpc(ask, source));
}

function onMethodNotAllowed({ req: { method } }: Context, methods: readonly string[]): Response {
  const allow = methods.join(", ");
  const message = `Expected the method ${allow}: found ${quote(method)}`;
  return errorResponse(new RequestError(405, "method_not_allowed", message, { allow }));
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
    onDefect: (method, error) =>
      source.log.critical(() =>
        `Defect in ${method}: ${error instanceof Error ? error.stack : error}`
      ),
  });
  if (answer === undefined) return ask.body(null, 204);
  return ask.body(answer, 200, { "content-type": "application/json" });
}
