// Asks a running server, over JSON-RPC.
import { describeFailure } from "../transport/mod.ts";

/** The server did not do what was asked; the message says why. */
export class RunningServerError extends Error {
  override readonly name = "RunningServerError";
}

/** Deadline for the answer, in milliseconds. */
const TIMEOUT_MS = 10_000;
/** A configuration of thousands of cars is smaller. */
const MAX_BYTES = 64 * 1024 * 1024;

export interface CallOptions {
  readonly params?: unknown;
  readonly apiKey?: string | undefined;
  /** @default {10000} */
  readonly timeoutMs?: number;
}

/**
 * Calls `config.get` of the server at an HTTP address: its effective configuration, secrets masked.
 *
 * @throws {RunningServerError} as {@linkcode callServer}.
 */
export function fetchConfig(address: string, apiKey?: string): Promise<unknown> {
  return callServer(address, "config.get", { apiKey });
}

/**
 * Calls a method of the server at an HTTP address; its result is an object.
 *
 * @throws {RunningServerError} when it cannot be reached, refuses the key, or answers something
 * else.
 */
export async function callServer(
  address: string,
  method: string,
  { params, apiKey, timeoutMs = TIMEOUT_MS }: CallOptions,
): Promise<object> {
  const fail = (why: string, cause?: unknown) =>
    new RunningServerError(`Cannot ask the server at "${address}": ${why}`, { cause });
  let text: string;
  try {
    const response = await fetch(new URL("rpc", address.endsWith("/") ? address : `${address}/`), {
      method: "POST",
      headers: {
        "content-type": "application/json",
        ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
      },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
      signal: AbortSignal.timeout(timeoutMs),
      redirect: "error",
    });
    text = await boundedText(response);
    if (response.status === 401 || response.status === 403) {
      const given = apiKey === undefined ? "it wants one, see --api-key" : "it is another one";
      throw fail(`the API key is refused: ${given}`);
    }
    if (!response.ok) throw fail(`it answers with status ${response.status}`);
  } catch (error) {
    if (error instanceof RunningServerError) throw error;
    throw fail(reasonOf(error), error);
  }
  const answer = parsed(text);
  if (answer?.error !== undefined) {
    throw fail(`it answers with an error: ${answer.error?.message ?? "without a message"}`);
  }
  if (typeof answer?.result !== "object" || answer.result === null) {
    throw fail("it does not answer as this program does");
  }
  return answer.result;
}

/** In the words of the server itself, where it has any. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // Newer runtimes tell in the cause what older ones tell behind the address, which has been named.
  const { message } = error.cause instanceof Error ? error.cause : error;
  return describeFailure(new Error(message.replace(/^.*for url \(\S*\): /, ""))).reason;
}

interface Answer {
  readonly result?: unknown;
  readonly error?: { readonly message?: string } | null;
}

function parsed(text: string): Answer | null {
  try {
    return JSON.parse(text) as Answer | null;
  } catch {
    return null;
  }
}

async function boundedText(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > MAX_BYTES) throw new Error(`the answer is longer than ${MAX_BYTES} bytes`);
  }
  return text + decoder.decode();
}
