// Pulls a document once: from an HTTP server or a file, bounded in bytes and in time.
import { fileURLToPath } from "node:url";
import { describeFileError, MAX_SECRET_BYTES, readBytes, readText, secretOf } from "../text/mod.ts";
import { type Clock, deadline, systemClock } from "../time/mod.ts";
import { VERSION } from "../version.ts";

export interface PullOptions {
  /** https://, http:// or file:// */
  readonly url: string;
  readonly apiKeyFile?: string | undefined;
  /** Of what is known already; `null`: nothing is. */
  readonly etag: string | null;
  /** For all of it, in milliseconds. */
  readonly limitMs: number;
  /** @default {67108864} */
  readonly maxBytes?: number | undefined;
  /** Ends it; it has then failed. */
  readonly signal?: AbortSignal | undefined;
  /** @default {systemClock} */
  readonly clock?: Clock | undefined;
}

/** What came of it. */
export type PullOutcome =
  | { readonly kind: "text"; readonly text: string; readonly etag: string | null }
  /** It is what has the ETag. */
  | { readonly kind: "unchanged" }
  | { readonly kind: "failed"; readonly why: string };

/** A configuration of ten thousand cars with ten modules each is smaller. */
const MAX_BYTES = 64 * 1024 * 1024;
const MAX_REDIRECTS = 3;
const UTF8 = new TextDecoder("utf-8", { fatal: true });

/** Never rejects. */
export async function pull(options: PullOptions): Promise<PullOutcome> {
  const { url, limitMs, clock = systemClock, signal } = options;
  const end = new AbortController();
  const ended = signal === undefined ? end.signal : AbortSignal.any([end.signal, signal]);
  const work = url.startsWith("file:") ? readFile(options) : ask(options, ended);
  try {
    return await deadline(work, limitMs, clock, () => new Error(`no answer within ${limitMs} ms`));
  } catch (error) {
    return { kind: "failed", why: `${shown(url)}: ${reasonOf(error, url)}` };
  } finally {
    end.abort();
    // What comes after the deadline is nobody's.
    work.catch(() => {});
  }
}

async function readFile({ url, limitMs, maxBytes = MAX_BYTES }: PullOptions): Promise<PullOutcome> {
  const bytes = await readBytes(fileURLToPath(url), { maxBytes, deadlineMs: limitMs });
  return { kind: "text", text: decoded(bytes), etag: null };
}

async function ask(options: PullOptions, signal: AbortSignal): Promise<PullOutcome> {
  const { etag, apiKeyFile, maxBytes = MAX_BYTES } = options;
  const key = apiKeyFile === undefined ? undefined : await readKey(apiKeyFile);
  let url = new URL(options.url);
  const { origin, protocol } = url;
  for (let redirects = 0;; redirects++) {
    const headers = new Headers({
      accept: "application/json",
      "user-agent": `external-server/${VERSION}`,
    });
    if (etag !== null) headers.set("if-none-match", etag);
    // The key is the source's, not of whom it points to.
    if (key !== undefined && url.origin === origin) headers.set("authorization", `Bearer ${key}`);
    const answer = await fetch(url, { headers, redirect: "manual", signal });
    const { status } = answer;
    const location = answer.headers.get("location");
    if (status === 200) {
      const text = decoded(await bodyOf(answer, maxBytes));
      return { kind: "text", text, etag: answer.headers.get("etag") };
    }
    await answer.body?.cancel();
    if (status === 304 && etag !== null) return { kind: "unchanged" };
    if (![301, 302, 303, 307, 308].includes(status) || location === null) {
      throw new Error(`it answered with ${status}`);
    }
    url = new URL(location, url);
    if (url.protocol !== protocol) {
      throw new Error(`it redirects to another scheme, ${url.protocol}//`);
    }
    if (redirects >= MAX_REDIRECTS) {
      throw new Error(`it redirects more than ${MAX_REDIRECTS} times`);
    }
  }
}

async function readKey(file: string): Promise<string> {
  try {
    return secretOf(await readText(file, { maxBytes: MAX_SECRET_BYTES }));
  } catch (cause) {
    const why = describeFileError(cause);
    throw new Error(`Cannot read the key in ${JSON.stringify(file)}: ${why}`, { cause });
  }
}

async function bodyOf(answer: Response, maxBytes: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  // Leaving the loop ends the answer.
  for await (const part of answer.body ?? []) {
    length += part.length;
    if (length > maxBytes) throw new Error(`it has more than ${maxBytes} bytes`);
    parts.push(part);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function decoded(bytes: Uint8Array): string {
  try {
    return UTF8.decode(bytes);
  } catch (cause) {
    throw new Error("is not UTF-8 text", { cause });
  }
}

/** The path and the query may hold a token. */
export function shown(url: string): string {
  return url.startsWith("file:") ? url : new URL(url).origin;
}

function reasonOf(error: unknown, url: string): string {
  const { href } = new URL(url);
  const why = url.startsWith("file:") && !(error instanceof TypeError)
    ? describeFileError(error)
    : error instanceof Error
    ? error.message
    : String(error);
  return why.replaceAll(href, shown(url));
}
