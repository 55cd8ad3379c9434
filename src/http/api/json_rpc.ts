// JSON-RPC 2.0: requests, notifications and batches, whatever the methods are.
import { Buffer } from "node:buffer";
import { setImmediate } from "node:timers/promises";
import { describeValue } from "../../text/mod.ts";
import { RpcError } from "../errors.ts";

/** Calls a method. @throws {RpcError} for the caller; any other error is a defect. */
export type CallMethod = (method: string, params: unknown) => Promise<unknown>;

export interface RpcOptions {
  readonly call: CallMethod;
  /** A method threw something that is no RpcError. */
  readonly onDefect: (method: string, error: unknown) => void;
}

/** Codes of the specification. */
export const RpcCode = {
  PARSE_ERROR: -32700,
  INVALID_REQUEST: -32600,
  METHOD_NOT_FOUND: -32601,
  INVALID_PARAMS: -32602,
  INTERNAL_ERROR: -32603,
} as const;

/** Codes of the server's own. */
export const RPC_ERRORS = {
  /** No car of that name is configured. */
  NO_SUCH_CAR: -32000,
  /** The configuration cannot be used, nothing has changed; `data` is the report of the reload. */
  BAD_CONFIG: -32001,
  /** The method is not available on this server, or not now. */
  UNAVAILABLE: -32002,
  /** The caller's key lacks the scope of the method. */
  FORBIDDEN: -32003,
  /** No incident of that number is remembered. */
  NO_SUCH_INCIDENT: -32004,
  /** No sink of that name is configured. */
  NO_SUCH_SINK: -32006,
  /** The event log has no command of that id. */
  NO_SUCH_COMMAND: -32007,
  /** The answers to a batch are too large: the request was not carried out. */
  TOO_LARGE: -32005,
} as const;

/** Requests in one batch. */
export const MAX_BATCH = 50;
/** When the answers to a batch have so many bytes, its further requests are not carried out. */
export const MAX_BATCH_BYTES = 16 * 1024 * 1024;

type Id = string | number | null;

interface Answer {
  readonly jsonrpc: "2.0";
  readonly id: Id;
  readonly result?: unknown;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: unknown };
}

/**
 * Answers a request or a batch, whose requests are carried out one after the other.
 *
 * @returns The answer as JSON; undefined when there is none, as for notifications. Never rejects.
 */
export async function answerRpc(text: string, options: RpcOptions): Promise<string | undefined> {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    const error = { code: RpcCode.PARSE_ERROR, message: "Expected JSON: found something else" };
    return JSON.stringify({ jsonrpc: "2.0", id: null, error });
  }
  if (!Array.isArray(document)) return toText(await answerOne(document, options));
  if (document.length === 0 || document.length > MAX_BATCH) {
    const message = `Expected 1 to ${MAX_BATCH} requests in a batch: found ${document.length}`;
    return toText(invalid(null, message));
  }
  const answers: string[] = [];
  let bytes = 0;
  const call: CallMethod = async (method, params) => {
    if (bytes < MAX_BATCH_BYTES) return await options.call(method, params);
    const message = `Expected answers of at most ${MAX_BATCH_BYTES} bytes in a batch: found ` +
      `${bytes} before this request, which was not carried out`;
    throw new RpcError(RPC_ERRORS.TOO_LARGE, message);
  };
  for (const request of document) {
    const answer = toText(await answerOne(request, { ...options, call }));
    if (answer !== undefined) {
      answers.push(answer);
      bytes += Buffer.byteLength(answer);
    }
    // Each may be about thousands of cars, whose messages must not wait for all of them.
    await setImmediate();
  }
  return answers.length === 0 ? undefined : `[${answers.join(",")}]`;
}

async function answerOne(request: unknown, options: RpcOptions): Promise<Answer | undefined> {
  if (typeof request !== "object" || request === null || Array.isArray(request)) {
    const found = describeValue(request, "request");
    return invalid(null, `Expected an object with the members of a request: found ${found}`);
  }
  const { jsonrpc, method, params, id } = request as Readonly<Record<string, unknown>>;
  const known = isId(id) ? id : null;
  if (jsonrpc !== "2.0") {
    return invalid(known, `Expected "jsonrpc": "2.0": found ${describeValue(jsonrpc, "jsonrpc")}`);
  }
  if (typeof method !== "string") {
    return invalid(
      known,
      `Expected a method as a string: found ${describeValue(method, "method")}`,
    );
  }
  if (params !== undefined && (typeof params !== "object" || params === null)) {
    const found = describeValue(params, "params");
    return invalid(known, `Expected params as an object or a list: found ${found}`);
  }
  if (id !== undefined && !isId(id)) {
    const found = describeValue(id, "id");
    return invalid(null, `Expected an id as a string, a number or null: found ${found}`);
  }
  const answer = await carryOut(known, method, params, options);
  // A notification is carried out, but gets no answer.
  return id === undefined ? undefined : answer;
}

async function carryOut(
  id: Id,
  method: string,
  params: unknown,
  { call, onDefect }: RpcOptions,
): Promise<Answer> {
  try {
    return { jsonrpc: "2.0", id, result: await call(method, params) ?? null };
  } catch (error) {
    if (error instanceof RpcError) {
      const { code, message, data } = error;
      return {
        jsonrpc: "2.0",
        id,
        error: { code, message, ...(data === undefined ? {} : { data }) },
      };
    }
    onDefect(method, error);
    const message = "The method failed: see the server's log";
    return { jsonrpc: "2.0", id, error: { code: RpcCode.INTERNAL_ERROR, message } };
  }
}

function invalid(id: Id, message: string): Answer {
  return { jsonrpc: "2.0", id, error: { code: RpcCode.INVALID_REQUEST, message } };
}

function isId(value: unknown): value is Id {
  return value === null || typeof value === "string" || typeof value === "number";
}

function toText(answer: Answer | undefined): string | undefined {
  return answer === undefined ? undefined : JSON.stringify(answer);
}
