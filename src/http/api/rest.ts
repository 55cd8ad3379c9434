// REST: takes a method's parameters out of a request, and turns its errors into problems.
import * as z from "zod";
import { quote } from "../../text/mod.ts";
import { RequestError, RpcError } from "../errors.ts";
import { RPC_ERRORS, RpcCode } from "./json_rpc.ts";
import type { Method } from "./method.ts";
import { Problem } from "./schemas.ts";

/**
 * The parameters in a query string, by name: numbers as numbers, what may be repeated as a list.
 *
 * @throws {RequestError} when something is repeated that has one value.
 */
export function queryParameters(
  { params }: Pick<Method, "params">,
  query: Readonly<Record<string, string[]>>,
): Record<string, unknown> {
  const shape = params.shape as Readonly<Record<string, z.ZodType>>;
  return Object.fromEntries(
    Object.entries(query).map(([name, values]) => {
      const schema = Object.hasOwn(shape, name) ? inner(shape[name]) : undefined;
      if (schema instanceof z.ZodArray) return [name, values];
      const [value = "", ...more] = values;
      if (more.length > 0) {
        throw badRequest(`Expected ${quote(name)} once: found it ${values.length} times`);
      }
      const isNumber = schema instanceof z.ZodNumber && /^-?\d+$/.test(value);
      return [name, isNumber ? Number(value) : value];
    }),
  );
}

function inner(schema: z.ZodType | undefined): z.ZodType | undefined {
  return schema instanceof z.ZodOptional ? schema.unwrap() as z.ZodType : schema;
}

/**
 * The parameters in a body: a JSON object, or nothing.
 *
 * @throws {RequestError} when it is something else.
 */
export function bodyParameters(text: string): Record<string, unknown> {
  if (text === "") return {};
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    throw badRequest("Expected JSON in the body: found something else");
  }
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw badRequest("Expected a JSON object in the body: found another value");
  }
  return body as Record<string, unknown>;
}

/** The problem for what a method threw; undefined for a defect. */
export function problemOf(error: unknown): RequestError | undefined {
  if (error instanceof RequestError) return error;
  if (!(error instanceof RpcError)) return undefined;
  const { code, message, data } = error;
  switch (code) {
    case RPC_ERRORS.NO_SUCH_CAR:
    case RPC_ERRORS.NO_SUCH_INCIDENT:
    case RPC_ERRORS.NO_SUCH_SINK:
    case RPC_ERRORS.NO_SUCH_COMMAND:
      return new RequestError(404, "not_found", message);
    case RPC_ERRORS.BAD_CONFIG: {
      const { report } = Problem.shape;
      return new RequestError(422, "unusable_config", message, {}, { report: report.parse(data) });
    }
    case RPC_ERRORS.FORBIDDEN:
      return new RequestError(403, "forbidden", message);
    case RPC_ERRORS.UNAVAILABLE:
      return new RequestError(503, "unavailable", message);
    case RpcCode.INVALID_PARAMS:
      return badRequest(message);
    default:
      return undefined;
  }
}

function badRequest(message: string): RequestError {
  return new RequestError(400, "bad_request", message);
}
