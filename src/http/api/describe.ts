// Describes the API for programs: OpenRPC for JSON-RPC, OpenAPI for the REST routes, and
// docs/api.md for people.
import * as z from "zod";
import { VERSION } from "../../version.ts";
import { ServerEvent } from "./event_schemas.ts";
import { RpcAnswers, RpcBody } from "./rpc_schemas.ts";
import { Health, type OpenRpc, Problem, Readiness } from "./schemas.ts";
import type { Method } from "./method.ts";
import { MAX_EVENT_CLIENTS } from "../event_stream.ts";
import { LOG_IN_PATH, LogInView } from "../access/log_in_routes.ts";
import { MAX_BATCH, MAX_BATCH_BYTES, RPC_ERRORS, RpcCode } from "./json_rpc.ts";

const KEY = "The key goes into `Authorization: Bearer <key>` or `X-Api-Key: <key>`";
const INFO = {
  title: "External Server",
  version: VERSION,
  description: `What operators can ask and do. ${KEY}`,
};

type Schema = Readonly<Record<string, unknown>>;

/** Collects the named schemas that others refer to. */
class Components {
  readonly schemas: Record<string, Record<string, unknown>> = {};
  readonly #prefix = "#/components/schemas/";

  /** A schema without its definitions, which go to the others. */
  add(schema: z.ZodType): Schema {
    const { $schema: _, $defs = {}, ...rest } = z.toJSONSchema(schema, { io: "input" });
    for (const [name, definition] of Object.entries($defs)) {
      this.schemas[name] = this.#relocated(definition);
    }
    const { id } = schema.meta() ?? {};
    if (id === undefined) return this.#relocated(rest);
    this.schemas[id] = this.#relocated(rest);
    return { $ref: this.#prefix + id };
  }

  #relocated(schema: unknown): Record<string, unknown> {
    return JSON.parse(JSON.stringify(schema).replaceAll('"#/$defs/', `"${this.#prefix}`));
  }
}

function parametersOf({ params }: Pick<Method, "params">, components: Components) {
  return Object.entries(params.shape as Readonly<Record<string, z.ZodType>>).map(
    ([name, schema]) => {
      const { description: _, ...rest } = components.add(schema);
      const { description } = schema;
      const required = !(schema instanceof z.ZodOptional);
      return { name, required, ...(description ? { description } : {}), schema: rest };
    },
  );
}

const ERRORS = Object.entries({ ...RpcCode, ...RPC_ERRORS })
  .map(([name, code]) => ({ code, message: name.toLowerCase().replaceAll("_", " ") }));

/** Describes methods as OpenRPC 1.3.2 has it. */
export function openRpcDocument(methods: readonly Method[]): z.infer<typeof OpenRpc> {
  const components = new Components();
  return {
    openrpc: "1.3.2",
    info: INFO,
    methods: methods.map((method) => ({
      name: method.name,
      summary: method.summary,
      "x-scope": method.scope,
      paramStructure: "either",
      params: parametersOf(method, components),
      result: { name: "result", schema: components.add(method.result) },
      errors: ERRORS,
    })),
    components: { schemas: components.schemas },
  };
}

/** Where events are streamed, and where that was before there were versions. */
export const EVENTS = { path: "/api/v1/events", former: "/api/events" } as const;
/** Where the OpenAPI document is, and was before. */
export const OPENAPI = { path: "/api/v1/openapi.json", former: "/openapi.json" } as const;

const LAST_EVENT_ID = {
  name: "Last-Event-ID",
  in: "header",
  required: false,
  description: "The `id` of the last event that was received, to get what came after it",
  schema: { type: "string" },
};

const RPC = "/rpc";

/** Routes that are no methods. */
const OTHER_ROUTES: readonly OtherRoute[] = [
  { verb: "get", path: "/healthz", summary: "The process is alive", result: Health, open: true },
  {
    verb: "get",
    path: "/readyz",
    summary: "Whether cars are served; 503 when not",
    result: Readiness,
    open: true,
    others: { "503": Readiness },
  },
  {
    verb: "get",
    path: "/metrics",
    summary: "Metrics in Prometheus' text format",
    result: z.string(),
    type: "text/plain",
  },
  {
    verb: "get",
    path: EVENTS.path,
    summary: "What happens, as it happens",
    result: ServerEvent,
    type: "text/event-stream",
    parameters: [LAST_EVENT_ID],
  },
  {
    verb: "get",
    path: OPENAPI.path,
    summary: "These routes for programs, as OpenAPI 3.1",
    result: z.record(z.string(), z.unknown()),
  },
  { verb: "get", path: LOG_IN_PATH, summary: "Who asks, and what it may do", result: LogInView },
  {
    verb: "post",
    path: LOG_IN_PATH,
    summary: "Log a browser in: the answer sets a cookie that takes the place of the key",
    result: LogInView,
  },
  { verb: "delete", path: LOG_IN_PATH, summary: "Log a browser out", result: null },
  {
    verb: "post",
    path: RPC,
    summary: "JSON-RPC 2.0: every method, also in batches",
    body: RpcBody,
    result: RpcAnswers,
    others: { "204": null },
  },
];

interface OtherRoute {
  readonly verb: "get" | "post" | "delete";
  readonly path: string;
  readonly summary: string;
  /** `null`: it answers with 204. */
  readonly result: z.ZodType | null;
  /** Of the request, as JSON. */
  readonly body?: z.ZodType;
  /** Whether it needs no key. */
  readonly open?: boolean;
  /** @default {"application/json"} */
  readonly type?: string;
  readonly parameters?: readonly Schema[];
  /** Results with other statuses. */
  readonly others?: Readonly<Record<string, z.ZodType | null>>;
}

/** What an API is of. */
export interface DescribedApi {
  /** @default {"External Server"} */
  readonly title?: string;
  /** Whether there is a stream of events. @default {true} */
  readonly hasEvents?: boolean;
}

/** Describes the REST routes as OpenAPI 3.1 has it. */
export function openApiDocument(
  methods: readonly Method[],
  { title = INFO.title, hasEvents = true }: DescribedApi = {},
): Schema {
  const components = new Components();
  const paths: Record<string, Record<string, unknown>> = {};
  const problem = components.add(Problem);
  const error = {
    description: "A problem as in RFC 9457",
    content: { "application/problem+json": { schema: problem } },
  };
  const result = (schema: z.ZodType | null, type = "application/json") =>
    schema === null
      ? { description: "Done, without an answer" }
      : { description: "The answer", content: { [type]: { schema: components.add(schema) } } };
  for (const route of OTHER_ROUTES) {
    if (route.path === EVENTS.path && !hasEvents) continue;
    const { verb, path, summary, parameters = [], body, open } = route;
    const others = Object.entries(route.others ?? {}).map(([status, schema]) => {
      return [status, result(schema)];
    });
    const responses = {
      [route.result === null ? "204" : "200"]: result(route.result, route.type),
      ...Object.fromEntries(others),
      default: error,
    };
    const content = body && { "application/json": { schema: components.add(body) } };
    paths[path] ??= {};
    paths[path][verb] = {
      summary,
      parameters,
      ...(content && { requestBody: { required: true, content } }),
      responses,
      ...(open ? { security: [] } : {}),
    };
  }
  for (const method of methods) {
    const { name: operationId, summary, scope, rest: { verb, path, files = [] } } = method;
    paths[path] ??= {};
    paths[path][verb.toLowerCase()] = {
      operationId,
      summary,
      "x-scope": scope,
      ...requestOf(method, components),
      responses: { "200": result(method.result), default: error },
    };
    for (const file of files) {
      const [type = ""] = file.type.split(";");
      paths[file.path] = {
        get: {
          summary: `${summary}: ${file.summary}`,
          "x-scope": scope,
          ...requestOf({ rest: { verb, path: file.path }, params: file.params }, components),
          responses: { "200": result(z.string(), type), default: error },
        },
      };
    }
  }
  return {
    openapi: "3.1.0",
    info: { ...INFO, title },
    paths,
    components: {
      schemas: components.schemas,
      securitySchemes: {
        key: { type: "http", scheme: "bearer" },
        header: { type: "apiKey", in: "header", name: "X-Api-Key" },
      },
    },
    security: [{ key: [] }, { header: [] }],
  };
}

/** Parameters in the path, in the query of a GET, and in the body of any other request. */
function requestOf(
  method: Pick<Method, "params" | "rest">,
  components: Components,
): Schema {
  const { rest: { verb, path } } = method;
  const all = parametersOf(method, components);
  const inPath = all.filter(({ name }) => path.includes(`{${name}}`));
  const others = all.filter((parameter) => !inPath.includes(parameter));
  const parameters = inPath.map((parameter) => ({ ...parameter, in: "path" }));
  if (verb === "GET") {
    return {
      parameters: [...parameters, ...others.map((one) => ({ ...one, in: "query" }))],
    };
  }
  const required = others.filter((one) => one.required).map(({ name }) => name);
  const properties = others.map(({ name, description, schema }) => {
    return [name, { ...schema, ...(description === undefined ? {} : { description }) }];
  });
  const schema = {
    type: "object",
    properties: Object.fromEntries(properties),
    required,
    additionalProperties: false,
  };
  const content = { "application/json": { schema } };
  return { parameters, requestBody: { required: required.length > 0, content } };
}

/** Describes everything for people, in Markdown. */
export function apiPage(methods: readonly Method[]): string {
  const routes = [
    ...OTHER_ROUTES.map(({ verb, path, summary, open }) => {
      const scope = open ? "none" : path === RPC ? "by method" : "read";
      return `| \`${verb.toUpperCase()} ${path}\` | ${scope} | ${summary} |`;
    }),
    ...methods.flatMap(({ rest: { verb, path, files = [] }, scope, summary, name }) => [
      `| \`${verb} ${path}\` | ${scope} | \`${name}\`: ${summary} |`,
      ...files.map((file) => `| \`GET ${file.path}\` | ${scope} | ${file.summary} |`),
    ]),
  ];
  const former = [...methods.map(({ rest }) => rest), EVENTS, OPENAPI].flatMap((route) =>
    "former" in route ? [`\`${route.former}\``] : []
  );
  const rows = methods.map(({ name, scope, params, summary }) =>
    `| \`${name}\` | ${parameterText(params)} | ${scope} | ${summary} |`
  );
  const BATCH_MIB = MAX_BATCH_BYTES / 1024 / 1024;
  const codes = ERRORS.map(({ code, message }) => `| ${code} | ${message} |`);
  return `# API

Written by \`deno task schema\` from the list of methods in \`src/http/api/methods.ts\`. Parameters and
results are described in full by \`/api/v1/openapi.json\` and \`/api/v1/openrpc.json\` of a running
server.

${KEY}; where none is configured, none is needed. A browser's \`EventSource\` cannot send headers: read
\`/api/v1/events\` with \`fetch\`.

## Routes

| route | scope | what |
| --- | --- | --- |
${routes.join("\n")}

Parameters that are not in the path go into the query of a GET, and into a JSON object in the body of
a POST or PUT, which must have the content type \`application/json\`, with or without a body. One that
may have several values is repeated: \`?state=RUNNING&state=CONNECTED\`. Unknown ones are refused.

\`GET /api/v1/cars?limit=100\` answers with the first page; \`next\` is \`after\` of the one that
follows, and null on the last.

An error is a problem as in RFC 9457 (\`application/problem+json\`); \`code\` names it for programs,
\`detail\` says it for people.

The paths from before there were versions answer alike: ${former.join(", ")}.

## Scopes and log-ins

A key has a scope: \`read\` looks on, \`operate\` includes it and acts on cars, \`admin\` includes both
and changes the server. What a key does not allow is answered with 403, or with the error ${RPC_ERRORS.FORBIDDEN}.

For browsers, \`POST ${LOG_IN_PATH}\` with a key logs in: the answer sets a cookie that takes the place of
the key, and has \`name\`, \`scope\` and \`csrfToken\`, which every POST, PUT and DELETE must bring in
\`X-CSRF-Token\`. \`GET ${LOG_IN_PATH}\` answers the same again and makes the log-in last for 90 more days,
\`DELETE ${LOG_IN_PATH}\` logs out.

## Events

\`/api/v1/events\` begins with the event \`fleet\`, which has everything; \`car\`, \`incident\` and, every
second, \`rates\` follow. Each has an \`id\`. A client that comes back within a minute, with the last
one in \`Last-Event-ID\`, gets what it has missed; up to 1 MiB is kept. Where that is not enough, it
gets \`fleet\` again. At most ${MAX_EVENT_CLIENTS.all} clients read events, ${MAX_EVENT_CLIENTS.ofKey} of one key.

## Methods of JSON-RPC

| method | parameters | scope | what |
| --- | --- | --- | --- |
${rows.join("\n")}

A batch has at most ${MAX_BATCH} requests. Once its answers have ${BATCH_MIB} MiB, those that are left are not
carried out and answered with the error ${RPC_ERRORS.TOO_LARGE}.

## Error codes of JSON-RPC

| code | meaning |
| --- | --- |
${codes.join("\n")}
`;
}

function parameterText({ shape }: z.ZodObject): string {
  return Object.entries(shape)
    .map(([name, schema]) => `\`${name}${schema instanceof z.ZodOptional ? "?" : ""}\``)
    .join(", ");
}
