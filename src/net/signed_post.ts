// Posts to receivers that check who sent it: signed as in Standard Webhooks (standardwebhooks.com), for
// which receivers have libraries.
import { Buffer } from "node:buffer";
import { type Clock, deadline, wallTime } from "../time/mod.ts";
import { VERSION } from "../version.ts";

/** Deadline for an answer, in milliseconds. */
const ANSWER_MS = 10_000;
/** Refusals that another attempt may change. */
const TEMPORARY = new Set([408, 425, 429]);
/** A receiver that asks for a longer pause does not get it, in milliseconds. */
const MAX_RETRY_AFTER_MS = 3_600_000;

/** What is signed. */
export interface Signed {
  /** The same in each attempt, so that a receiver knows what it has got twice. */
  readonly id: string;
  /** Of this attempt, in seconds since the epoch: a receiver refuses old ones. */
  readonly timestamp: number;
  readonly body: string;
}

/**
 * The headers of a request.
 *
 * @param secret text, or base64 after `whsec_`
 */
export async function signedHeaders({ id, timestamp, body }: Signed, secret: string) {
  const [, base64] = /^whsec_([A-Za-z0-9+/]+=*)$/.exec(secret) ?? [];
  const bytes = Buffer.from(base64 ?? secret, base64 === undefined ? "utf8" : "base64");
  const hmac = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", bytes, hmac, false, ["sign"]);
  const text = Buffer.from(`${id}.${timestamp}.${body}`);
  const signature = Buffer.from(await crypto.subtle.sign("HMAC", key, text)).toString("base64");
  return {
    "webhook-id": id,
    "webhook-timestamp": String(timestamp),
    "webhook-signature": `v1,${signature}`,
  };
}

/** One request. */
export interface SignedPost extends Pick<Signed, "id" | "body"> {
  readonly url: string;
  readonly contentType: string;
  readonly secret: string;
  readonly clock: Clock;
  /** Ends it; the outcome is then a failure. */
  readonly signal: AbortSignal;
}

/** What came of one attempt; only a failure may come out otherwise in another one. */
export type PostOutcome =
  | { readonly kind: "taken" }
  | {
    readonly kind: "refused" | "failed";
    /** Without the URL's path, which may hold a token. */
    readonly reason: string;
    /** `null`: there was no answer. */
    readonly status: number | null;
    /** How long the receiver asks to be left alone, in milliseconds; `null`: it does not say. */
    readonly retryAfterMs: number | null;
  };

/** Posts once. Never rejects. */
export async function postSigned(
  { url, id, body, contentType, secret, clock, signal }: SignedPost,
): Promise<PostOutcome> {
  // As errors write it, whose text must not show its path.
  const { href, origin } = new URL(url);
  const timestamp = Math.floor(wallTime() / 1000);
  const late = new AbortController();
  try {
    const headers = {
      "content-type": contentType,
      "user-agent": `external-server/${VERSION}`,
      ...await signedHeaders({ id, timestamp, body }, secret),
    };
    // Where it leads is not followed: what is posted is for whom the configuration names.
    const answer = await deadline(
      fetch(href, {
        method: "POST",
        headers,
        body,
        signal: AbortSignal.any([signal, late.signal]),
        redirect: "manual",
      }),
      ANSWER_MS,
      clock,
      () => new Error(`no answer within ${ANSWER_MS} ms`),
    );
    const { ok, status } = answer;
    const after = answer.headers.get("retry-after");
    answer.body?.cancel().catch(() => {});
    if (ok) return { kind: "taken" };
    const isTemporary = status >= 500 || TEMPORARY.has(status);
    const reason = `it answered with ${status}`;
    const retryAfterMs = after === null ? null : retryAfter(after);
    return { kind: isTemporary ? "failed" : "refused", reason, status, retryAfterMs };
  } catch (error) {
    late.abort();
    const reason = error instanceof Error ? error.message : String(error);
    return {
      kind: "failed",
      reason: reason.replaceAll(href, origin),
      status: null,
      retryAfterMs: null,
    };
  }
}

/** The header Retry-After, seconds or a date, in milliseconds; `null`: it is neither. */
export function retryAfter(text: string, now = wallTime()): number | null {
  const ms = /^\d+$/.test(text.trim()) ? Number(text) * 1000 : Date.parse(text) - now;
  return Number.isNaN(ms) ? null : Math.min(Math.max(0, ms), MAX_RETRY_AFTER_MS);
}
