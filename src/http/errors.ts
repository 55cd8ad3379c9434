// Errors of the HTTP server.
import type { ErrorBody } from "./api/schemas.ts";

/** A request that is answered with an error. */
export class RequestError extends Error {
  override readonly name = "RequestError";
  readonly status: number;
  readonly code: ErrorBody["error"]["code"];
  /** Additional headers of the answer. */
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    code: ErrorBody["error"]["code"],
    message: string,
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}

/** The error for a client that exceeds its rate limit. */
export function tooManyRequests(): RequestError {
  const message = "Expected fewer requests: found too many a second";
  return new RequestError(429, "too_many_requests", message, { "retry-after": "1" });
}

/** Makes the answer for an error. */
export function errorResponse({ code, message, status, headers }: RequestError): Response {
  const body: ErrorBody = { error: { code, message } };
  return Response.json(body, { status, headers });
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
