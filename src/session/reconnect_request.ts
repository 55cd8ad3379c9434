// Asks a gateway to connect again: once, then nothing more for a while [TELL-ONCE].
import { ConnectResponseType } from "../protocol/mod.ts";
import type { StepContext } from "./effects.ts";
import { SILENCE_MS } from "./settings.ts";
import type { Base } from "./state.ts";

/**
 * How a gateway learns that its session is over: `already_logged` brings every version back at
 * once, `notification` makes newer versions leave the broker, `none` lets it find out on its own.
 */
export type ReconnectRequest = "already_logged" | "notification" | "none";

/** Asks, whatever was sent before; the silence starts over. */
export function requestReconnect(
  base: Base,
  request: ReconnectRequest,
  sessionId: string,
  context: StepContext,
): Base {
  switch (request) {
    case "none":
      return base;
    case "notification":
      context.effects.push({ type: "notify" });
      break;
    case "already_logged": {
      const type = ConnectResponseType.ALREADY_LOGGED;
      context.effects.push({
        type: "publish",
        message: { kind: "connect_response", sessionId, type },
      });
    }
  }
  return { ...base, toldAt: context.now };
}

/** Asks, unless the gateway was asked recently and has not sent a Connect since. */
export function requestReconnectOnce(
  base: Base,
  request: ReconnectRequest,
  sessionId: string,
  context: StepContext,
): Base {
  const { toldAt } = base;
  if (toldAt !== null && context.now < toldAt + SILENCE_MS) return base;
  return requestReconnect(base, request, sessionId, context);
}
