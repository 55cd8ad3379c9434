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
