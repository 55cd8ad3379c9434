// Reads the body of a request, within limits of size and time.
import { deadline, systemClock } from "../time/mod.ts";
import { RequestError } from "./errors.ts";

/** With more of a body unread, the connection is closed; in bytes. */
const MAX_LEFT_BYTES = 64 * 1024;

/** Requests whose body was read to its end. */
const whole = new WeakSet<Request>();

/** Whether the client of an answered request may still send much, or without end. */
export function hasMuchUnread(request: Request): boolean {
  if (whole.has(request)) return false;
  const { headers, body } = request;
  const length = headers.get("content-length");
  // With HTTP/2, a body may have neither header.
  if (length === null) return body !== null || headers.has("transfer-encoding");
  return headers.has("transfer-encoding") || Number(length) > MAX_LEFT_BYTES;
}

/**
 * Reads a body as text.
 *
 * @throws {RequestError} when it has more than `maxBytes`, takes longer than `maxMs`, or is
 * incomplete.
 */
export async function readBody(
  request: Request,
  maxBytes: number,
  maxMs: number,
): Promise<string> {
  if (Number(request.headers.get("content-length") ?? 0) > maxBytes) throw tooLarge(maxBytes);
  const reader = request.body?.getReader();
  if (reader === undefined) return "";
  const tooSlow = () =>
    new RequestError(408, "timeout", `Expected the body within ${maxMs} ms: it has not come`);
  try {
    const text = await deadline(readAll(reader, maxBytes), maxMs, systemClock, tooSlow);
    whole.add(request);
    return text;
  } catch (error) {
    // The rest of the body is not awaited, and an error while cancelling it does not matter.
    reader.cancel().catch(() => {});
    if (error instanceof RequestError) throw error;
    throw new RequestError(400, "bad_request", "Expected a whole body: it broke off");
  }
}

async function readAll(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  maxBytes: number,
): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  while (true) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    bytes += value.length;
    if (bytes > maxBytes) throw tooLarge(maxBytes);
    text += decoder.decode(value, { stream: true });
  }
}

function tooLarge(maxBytes: number): RequestError {
  return new RequestError(413, "too_large", `Expected at most ${maxBytes} bytes: found more`);
}
