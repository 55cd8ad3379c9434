// What all answers have in common.
import type { ErrorBody } from "./api/schemas.ts";
import type { RequestError } from "./errors.ts";
import { CONTENT_SECURITY_POLICY } from "./page/assets.ts";

/** Only content of this server, and not inside another page. */
const HEADERS: Readonly<Record<string, string>> = {
  "content-security-policy": CONTENT_SECURITY_POLICY,
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), geolocation=(), microphone=()",
  "cache-control": "no-store",
};

/** Adds the common headers. */
export function withCommonHeaders(answer: Response): Response {
  for (const [name, value] of Object.entries(HEADERS)) answer.headers.set(name, value);
  return answer;
}

/** Makes the answer for an error. */
export function errorResponse(error: RequestError): Response {
  const body: ErrorBody = { error: { code: error.code, message: error.message } };
  return Response.json(body, { status: error.status, headers: error.headers });
}
