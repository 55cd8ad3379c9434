// Errors of the HTTP server.
import { STATUS_CODES } from "node:http";
import type { Problem } from "./api/schemas.ts";

/** A request that is answered with an error. */
export class RequestError extends Error {
  override readonly name = "RequestError";
  readonly status: number;
  readonly code: Problem["code"];
  /** Additional headers of the answer. */
  readonly headers: Readonly<Record<string, string>>;
  /** Additional members of its body. */
  readonly more: Pick<Problem, "report">;

  constructor(
    status: number,
    code: Problem["code"],
    message: string,
    headers: Readonly<Record<string, string>> = {},
    more: Pick<Problem, "report"> = {},
  ) {
    super(message);
    this.status = status;
    this.code = code;
    this.headers = headers;
    this.more = more;
  }
}

/** The error for a client that exceeds its rate limit. */
export function tooManyRequests(): RequestError {
  const message = "Expected fewer requests: found too many a second";
  return new RequestError(429, "too_many_requests", message, { "retry-after": "1" });
}

/** Makes the answer for an error: a problem as in RFC 9457. */
export function errorResponse({ code, message, status, headers, more }: RequestError): Response {
  const title = STATUS_CODES[status] ?? "Error";
  const body: Problem = { type: "about:blank", title, status, detail: message, code, ...more };
  return new Response(JSON.stringify(body), {
    status,
    headers: { "content-type": "application/problem+json", ...headers },
  });
}

/** A JSON-RPC call that is answered with an error. */
export class RpcError extends Error {
  override readonly name = "RpcError";
  readonly code: number;
  readonly data: unknown;

  constructor(code: number, message: string, data?: unknown) {
    super(message);
    this.code = code;
    this.data = data;
  }
}
