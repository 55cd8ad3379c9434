// Telling a gateway to connect again: once for each situation, then silence [TELL-ONCE].
import { ConnectResponseType } from "../protocol/mod.ts";
import type { StepContext } from "./effects.ts";
import { SILENCE_MS } from "./settings.ts";
import type { Base } from "./state.ts";

/**
 * How a gateway learns that its session is over: `already_logged` brings every version back at
 * once, `notification` makes newer versions leave the broker, `nothing` lets it find out by itself.
 */
export type Word = "already_logged" | "notification" | "nothing";

/** Tells it, whatever was told before; the silence starts over. */
export function tell(
  base: Base,
  word: Word,
  sessionId: string,
  context: StepContext,
): Base {
  switch (word) {
    case "nothing":
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

/** Tells it, unless something was told recently that the gateway has not answered with a Connect. */
export function tellOnce(
  base: Base,
  word: Word,
  sessionId: string,
  context: StepContext,
): Base {
  const { toldAt } = base;
  if (toldAt !== null && context.now < toldAt + SILENCE_MS) return base;
  return tell(base, word, sessionId, context);
}
