// Describes the API for programs: OpenRPC for JSON-RPC, OpenAPI for the REST routes, and
// docs/api.md for people.
import * as z from "zod";
import { VERSION } from "../../version.ts";
import { ErrorBody, Health, Readiness, ServerEvent } from "./schemas.ts";
import type { Method } from "./methods.ts";
import { RPC_ERRORS, RpcCode } from "./json_rpc.ts";

const KEY = "The key goes into `Authorization: Bearer <key>` or `X-Api-Key: <key>`";
const INFO = {
  title: "External Server",
  version: VERSION,
  description: `What operators can ask and do. ${KEY}`,
};

type Schema = Readonly<Record<string, unknown>>;

/** Collects the named schemas that others refer to. */
class Components {
  readonly schemas: Record<string, unknown> = {};
  readonly #prefix = "#/components/schemas/";

  /** A schema without its definitions, which go to the others. */
  add(schema: z.ZodType): Schema {
    const { $schema: _, $defs = {}, ...rest } = z.toJSONSchema(schema, { io: "input" });
    for (const [name, definition] of Object.entries($defs)) {
      this.schemas[name] = this.#relocated(definition);
    }
    const { id } = schema.meta() ?? {};
    if (id === undefined) return this.#relocated(rest) as Schema;
    this.schemas[id] = this.#relocated(rest);
    return { $ref: this.#prefix + id };
  }

  #relocated(schema: unknown): unknown {
    return JSON.parse(JSON.stringify(schema).replaceAll('"#/$defs/', `"${this.#prefix}`));
  }
}

function parametersOf({ params }: Method, components: Components) {
  return Object.entries(params.shape as Readonly<Record<string, z.ZodType>>).map(
    ([name, schema]) => {
      const { description, ...rest } = components.add(schema);
      const required = !(schema instanceof z.ZodOptional);
      return { name, required, ...(description ? { description } : {}), schema: rest };
    },
  );
}

/** Describes methods as OpenRPC 1.3.2 has it. */
export function openRpcDocument(methods: readonly Method[]): Schema {
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
    })),
    components: { schemas: components.schemas },
  };
}

/** Routes that are no methods; `stream` is one of server-sent events. */
const OTHER_ROUTES = {
  "/healthz": { summary: "The process is alive", result: Health, open: true },
  "/readyz": { summary: "Whether cars are served; 503 when not", result: Readiness, open: true },
  "/metrics": { summary: "Metrics in Prometheus' text format", result: z.string(), open: false },
  "/api/events": { summary: "What happens, as it happens", result: ServerEvent, open: false },
} as const;

/** The content type of each of them that is not JSON. */
const CONTENT: Readonly<Record<string, string>> = {
  "/metrics": "text/plain",
  "/api/events": "text/event-stream",
};

/** Describes the REST routes as OpenAPI 3.1 has it. */
export function openApiDocument(methods: readonly Method[]): Schema {
  const components = new Components();
  const paths: Record<string, unknown> = {};
  const error = {
    description: "An error",
    content: { "application/json": { schema: components.add(ErrorBody) } },
  };
  const responses = (schema: Schema, type = "application/json") => ({
    "200": { description: "The answer", content: { [type]: { schema } } },
    default: error,
  });
  for (const [path, { summary, result, open }] of Object.entries(OTHER_ROUTES)) {
    const answer = responses(components.add(result), CONTENT[path]);
    paths[path] = { get: { summary, responses: answer, ...(open ? { security: [] } : {}) } };
  }
  for (const method of methods) {
    if (method.path === undefined) continue;
    const parameters = parametersOf(method, components).map((parameter) => ({
      ...parameter,
      in: method.path?.includes(`{${parameter.name}}`) ? "path" : "query",
    }));
    const { name: operationId, summary, result } = method;
    const get = { operationId, summary, parameters, responses: responses(components.add(result)) };
    paths[method.path] = { get };
  }
  return {
    openapi: "3.1.0",
    info: INFO,
    paths,
    components: {
      schemas: components.schemas,
      securitySchemes: { key: { type: "http", scheme: "bearer" } },
    },
    security: [{ key: [] }],
  };
}

/** Describes everything for people, in Markdown. */
export function apiPage(methods: readonly Method[]): string {
  const routes = [
    ...Object.entries(OTHER_ROUTES).map(([path, { summary, open }]) =>
      `| \`GET ${path}\` | ${open ? "none" : "read"} | ${summary} |`
    ),
    ...methods.flatMap(({ path, scope, summary }) =>
      path === undefined ? [] : [`| \`GET ${path}\` | ${scope} | ${summary} |`]
    ),
    "| `GET /openapi.json` | read | These routes for programs, as OpenAPI 3.1 |",
    "| `POST /rpc` | by method | JSON-RPC 2.0: the methods below |",
  ];
  const rows = methods.map(({ name, scope, params, summary }) =>
    `| \`${name}\` | ${parameterText(params)} | ${scope} | ${summary} |`
  );
  const codes = Object.entries({ ...RpcCode, ...RPC_ERRORS })
    .map(([name, code]) => `| ${code} | ${name.toLowerCase().replaceAll("_", " ")} |`);
  return `# API

Written by \`deno task schema\` from the list of methods in \`src/http/api/methods.ts\`. Results are
described in full by \`/openrpc.json\` and \`/openapi.json\` of a running server.

${KEY}; where none is configured, none is needed. A browser's \`EventSource\` cannot send headers: read
\`/api/events\` with \`fetch\`.

## Routes

| route | scope | what |
| --- | --- | --- |
${routes.join("\n")}

## Methods of JSON-RPC

| method | parameters | scope | what |
| --- | --- | --- | --- |
${rows.join("\n")}

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
