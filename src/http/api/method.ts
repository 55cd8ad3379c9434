// What a method of an API is, and how it is called.
import * as z from "zod";
import type { Scope } from "../../config/mod.ts";
import { quote } from "../../text/mod.ts";
import type { AuditList } from "../access/audit.ts";
import { type Caller, hasScope } from "../access/caller.ts";
import { RpcError } from "../errors.ts";
import { RPC_ERRORS, RpcCode } from "./json_rpc.ts";

/** A REST route; a GET changes nothing. */
export interface Route<Source = never> {
  readonly verb: "GET" | "POST" | "PUT";
  /** Such as `/api/v1/cars/{car}`. */
  readonly path: string;
  /** Its path before there were versions, which answers alike. */
  readonly former?: string;
  /** The same in other forms. */
  readonly files?: readonly FileRoute<Source>[];
}

/** What a GET answers that is no JSON. */
export interface FileRoute<Source = never> {
  /** A download is named after its end. */
  readonly path: string;
  readonly type: string;
  readonly summary: string;
  readonly isDownload: boolean;
  readonly params: z.ZodObject;
  /** @throws {RpcError} or {RequestError} when it cannot be had. */
  readonly body: (
    params: never,
    source: Source,
    caller: Caller,
    lastEventId?: string,
  ) => string | ReadableStream<Uint8Array>;
}

/** What every method needs. */
export interface AuditedSource {
  readonly audit: AuditList;
}

/** One method, which reads and acts through a source. */
export interface Method<Source = never> {
  readonly name: string;
  readonly summary: string;
  /** Methods of scope read change nothing; all others stand in the audit list. */
  readonly scope: Scope;
  /** By name; in this order when passed as a list. */
  readonly params: z.ZodObject;
  readonly result: z.ZodType;
  /** The REST route that does the same. */
  readonly rest: Route<Source>;
  /** @throws {RpcError} when it cannot be done. */
  readonly run: (params: never, source: Source, caller: Caller) => unknown;
  /** What came of it, for the audit list. @default {"done"} */
  readonly outcome?: (result: never) => string;
}

/** Makes methods of a source. */
export function defineFor<Source>() {
  return <P extends z.ZodObject, R extends z.ZodType>(
    method: Omit<Method<Source>, "run" | "params" | "result" | "outcome"> & {
      readonly params?: P;
      readonly result: R;
      readonly run: (
        params: z.output<P>,
        source: Source,
        caller: Caller,
      ) => z.input<R> | Promise<z.input<R>>;
      readonly outcome?: (result: z.input<R>) => string;
    },
  ): Method<Source> => ({ params: z.strictObject({}), ...method }) as Method<Source>;
}

/**
 * Calls a method by its name.
 *
 * @throws {RpcError} when there is no such method, its parameters are wrong, the caller may not
 * call it, or it cannot be done.
 */
export type CallMethod<Source> = (
  name: string,
  params: unknown,
  source: Source,
  caller: Caller,
) => Promise<unknown>;

/** What calls these methods. */
export function callerOf<Source extends AuditedSource>(
  methods: readonly Method<Source>[],
): CallMethod<Source> {
  const byItsName = new Map(methods.map((one) => [one.name, one]));
  return async (name, params, source, caller) => {
    const method = byItsName.get(name);
    if (method === undefined) {
      const message = `Expected a method of this server: found ${quote(name)}`;
      throw new RpcError(RpcCode.METHOD_NOT_FOUND, message);
    }
    const parsed = parsedParams(byName(params, method), method);
    const call = async () => await method.run(parsed as never, source, caller);
    // Whoever is let in may read.
    if (method.scope === "read") return await call();
    return await audited(call, method, parsed, source, caller);
  };
}

/** @throws {RpcError} when they are wrong. */
export function parsedParams(
  params: unknown,
  schema: Pick<Method, "params">,
): Readonly<Record<string, unknown>> {
  const parsed = schema.params.safeParse(params);
  if (parsed.success) return parsed.data;
  throw new RpcError(RpcCode.INVALID_PARAMS, wrongParameters(parsed.error, schema));
}

/** Calls, and adds to the audit list what came of it. */
async function audited(
  call: () => Promise<unknown>,
  { name, scope, outcome }: Pick<Method, "name" | "scope" | "outcome">,
  params: Readonly<Record<string, unknown>>,
  { audit }: AuditedSource,
  caller: Caller,
): Promise<unknown> {
  const { car, cars, reason, ...others } = params;
  const named = Array.isArray(cars) ? new Set<string>(cars) : typeof car === "string" ? [car] : [];
  const rest = Object.entries(others).map(([key, value]) => `${key} ${JSON.stringify(value)}`);
  const detail = [...(reason ? [reason] : []), ...rest].join(", ");
  const action = { action: name, cars: [...named], detail };
  const add = (result: string) => audit.add(caller, { kind: "action", ...action, result });
  if (!hasScope(caller, scope)) {
    const error = forbidden(scope, caller);
    audit.add(caller, { kind: "refused", ...action, result: error.message });
    throw error;
  }
  try {
    const result = await call();
    add(outcome?.(result as never) ?? "done");
    return result;
  } catch (error) {
    add(error instanceof RpcError ? error.message : "failed: see the log");
    throw error;
  }
}

function forbidden(scope: Scope, { name, scope: own }: Caller): RpcError {
  const message = `Expected a key of scope ${scope}: found ${quote(name)} of scope ${own}`;
  return new RpcError(RPC_ERRORS.FORBIDDEN, message);
}

function wrongParameters(
  { issues: [issue] }: z.ZodError,
  { params }: Pick<Method, "params">,
): string {
  if (issue?.code === "unrecognized_keys") {
    const known = Object.keys(params.shape).map((name) => quote(name)).join(", ");
    const expected = known === "" ? "no parameters" : `no parameters but ${known}`;
    return `Expected ${expected}: found ${issue.keys.map((name) => quote(name)).join(", ")}`;
  }
  return `${issue?.path.join(".") || "params"}: ${issue?.message ?? "wrong"}`;
}

/** Parameters may be a list, in their order. */
function byName(params: unknown, { params: schema }: Pick<Method, "params">): unknown {
  if (!Array.isArray(params)) return params ?? {};
  const names = Object.keys(schema.shape);
  return Object.fromEntries(params.map((value, index) => [names[index] ?? `${index}`, value]));
}
