// Ignores a message, and says why.
import type { ClientMessage } from "../protocol/mod.ts";
import type { Ignored, StepContext } from "./effects.ts";

/** Notes why a message is ignored; returns the session unchanged. */
export function ignore<S>(
  session: S,
  why: Ignored,
  message: ClientMessage,
  context: StepContext,
): S {
  context.effects.push({ type: "note", note: { code: "ignored", why, message } });
  return session;
}
