// Setting a message aside without an answer.
import type { ClientMessage } from "../protocol/mod.ts";
import type { Effect, Ignored } from "./effects.ts";

/** Notes why a message changes nothing; returns the session as it is. */
export function ignore<S>(
  session: S,
  why: Ignored,
  message: ClientMessage,
  effects: Effect[],
): S {
  effects.push({ type: "note", note: { code: "ignored", why, message } });
  return session;
}
