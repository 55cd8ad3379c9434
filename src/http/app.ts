// The routes of the HTTP server.
import type { Context, Hono } from "hono";
import { methodNotAllowed } from "hono/method-not-allowed";
import type { Log } from "../log/mod.ts";
import { quote } from "../text/mod.ts";
import type { Clock } from "../time/mod.ts";
import type { Health, Readiness } from "./api/schemas.ts";
import { EVENTS, OPENAPI, openApiDocument } from "./api/describe.ts";
import type { Authorization } from "./access/authorization.ts";
import { addLogInRoutes } from "./access/log_in_routes.ts";
import { errorResponse, RequestError, RpcError } from "./errors.ts";
import type { EventStream } from "./event_stream.ts";
import { answerRpc, RPC_ERRORS } from "./api/json_rpc.ts";
import {
  type AuditedSource,
  type CallMethod,
  type FileRoute,
  type Method,
  parsedParams,
} from "./api/method.ts";
import { type Bindings, createHono, noParameters } from "./middleware.ts";
import { bodyParameters, problemOf, queryParameters } from "./api/rest.ts";
import type { Asset } from "./page/assets.ts";
import { limitRate } from "./client_rate_limit.ts";
import { readBody } from "./request_body.ts";

/** What the routes of an application read from. */
export interface AppSource extends AuditedSource {
  readonly clock: Clock;
  readonly log: Log;
}

export interface AppOptions<Source extends AppSource> {
  readonly source: Source;
  readonly methods: readonly Method<Source>[];
  readonly call: CallMethod<Source>;
  /** The files of the page, by path. */
  readonly assets: ReadonlyMap<string, Asset>;
  /** Where the page gets pieces of a map from. @default {nowhere} */
  readonly tiles?: () => string;
  readonly authorization: Authorization;
  /** Of the API's description. @default {"External Server"} */
  readonly title?: string;
  /** Absent: there is no stream of events. */
  readonly events?: EventStream;
  readonly health: () => Health;
  readonly readiness: () => Readiness;
  readonly metrics: { readonly contentType: string; text(): Promise<string> };
}

type Ask = Context<Bindings>;

/** Maximum size of a request's body, in bytes. */
const MAX_BODY_BYTES = 256 * 1024;
/** Deadline for it, in milliseconds. */
const BODY_MS = 5000;

/** Makes the routes. */
export function createApp<Source extends AppSource>(options: AppOptions<Source>): Hono<Bindings> {
  const { source: { clock, log }, assets, tiles, authorization, health, readiness } = options;
  const app = createHono(clock, log, tiles);
  const limited = limitRate(clock, (ask) => authorization.nameOf(ask));
  app.use(limited, methodNotAllowed({ app, onMethodNotAllowed }));
  app.get("/healthz", noParameters, (ask) => ask.json(health()));
  app.get("/readyz", noParameters, (ask) => {
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
function addLocked<Source extends AppSource>(
  app: Hono<Bindings>,
  options: AppOptions<Source>,
): void {
  const { source, methods, authorization, events, metrics, title } = options;
  const described = { hasEvents: events !== undefined, ...(title === undefined ? {} : { title }) };
  const locked = authorization.require("read");
  app.get("/metrics", locked, noParameters, async (ask) => {
    return ask.body(await metrics.text(), 200, { "content-type": metrics.contentType });
  });
  for (const method of methods) {
    const { verb, path, former, files = [] } = method.rest;
    for (const each of [path, former]) {
      if (each === undefined) continue;
      app.on(verb, route(each), locked, async (ask) => ask.json(await rest(ask, method, options)));
    }
    for (const file of files) {
      app.get(route(file.path), locked, (ask) => fileAnswer(ask, file, source));
    }
  }
  for (const path of events === undefined ? [] : Object.values(EVENTS)) {
    app.get(path, locked, noParameters, ({ req, var: { caller } }) => {
      // The body of an answer to HEAD is not read.
      const body = req.method === "HEAD"
        ? null
        : events?.connect(caller, req.header("last-event-id"));
      return new Response(body ?? null, { headers: { "content-type": "text/event-stream" } });
    });
  }
  for (const path of Object.values(OPENAPI)) {
    app.get(path, locked, noParameters, (ask) => ask.json(openApiDocument(methods, described)));
  }
  app.post("/rpc", locked, noParameters, (ask) => rpc(ask, options));
  addLogInRoutes(app, authorization, source.audit);
}

/** @throws {RequestError} when it cannot be had. */
function fileAnswer<Source>(ask: Ask, file: FileRoute<Source>, source: Source): Response {
  const { req } = ask;
  const name = file.path.split("/").at(-1);
  const headers = {
    "content-type": file.type,
    ...(file.isDownload ? { "content-disposition": `attachment; filename="${name}"` } : {}),
  };
  try {
    const params = parsedParams(queryParameters(file, req.queries()), file) as never;
    // The body of an answer to HEAD is not read.
    if (req.method === "HEAD") return new Response(null, { headers });
    const body = file.body(params, source, ask.var.caller, req.header("last-event-id"));
    return new Response(body, { headers });
  } catch (error) {
    throw problemOf(error) ?? error;
  }
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
async function rest<Source extends AppSource>(
  ask: Ask,
  method: Method<Source>,
  { call, source }: AppOptions<Source>,
): Promise<object> {
  const { req } = ask;
  const others = method.rest.verb === "GET"
    ? queryParameters(method, req.queries())
    : bodyParameters(await bodyAlone(ask));
  const path = Object.entries(req.param() as Readonly<Record<string, string>>);
  const inPath = queryParameters(
    method,
    Object.fromEntries(path.map(([name, value]) => [name, [value]])),
  );
  const twice = Object.keys(others).find((name) => Object.hasOwn(inPath, name));
  if (twice !== undefined) {
    const message = `Expected ${quote(twice)} in the path alone: found it twice`;
    throw new RequestError(400, "bad_request", message);
  }
  try {
    const { caller } = ask.var;
    return await call(method.name, { ...others, ...inPath }, source, caller) as object;
  } catch (error) {
    throw problemOf(error) ?? error;
  }
}

async function rpc<Source extends AppSource>(
  ask: Ask,
  { call, source }: AppOptions<Source>,
): Promise<Response> {
  const text = await jsonBody(ask);
  const { caller } = ask.var;
  const answer = await answerRpc(text, {
    async call(method, params) {
      // Between the requests of a batch, the key may be revoked.
      if (caller.ended.aborted) {
        const message = "Expected a key that is configured: it was revoked";
        throw new RpcError(RPC_ERRORS.FORBIDDEN, message);
      }
      return await call(method, params, source, caller);
    },
    onDefect: (method, error) =>
      source.log.critical(() =>
        `Defect in ${method}: ${error instanceof Error ? error.stack : error}`
      ),
  });
  if (answer === undefined) return ask.body(null, 204);
  return ask.body(answer, 200, { "content-type": "application/json" });
}

/** @throws {RequestError} as {@linkcode jsonBody}, and when there are parameters in the query, too. */
async function bodyAlone(ask: Ask): Promise<string> {
  const [name] = Object.keys(ask.req.query());
  if (name !== undefined) {
    const message = `Expected parameters in the body alone: found ${quote(name)} in the query`;
    throw new RequestError(400, "bad_request", message);
  }
  return await jsonBody(ask);
}

/** @throws {RequestError} when the body is of another type, too large or too slow. */
async function jsonBody({ req }: Ask): Promise<string> {
  const type = req.header("content-type") ?? "";
  // Another origin cannot send this type without a CORS preflight, which is refused.
  if (!/^application\/json(?:\s*;|$)/i.test(type)) {
    const message = `Expected the content type application/json: found ${quote(type)}`;
    throw new RequestError(415, "unsupported_media_type", message);
  }
  return await readBody(req.raw, MAX_BODY_BYTES, BODY_MS);
}
