// Telling a gateway to connect again: once for each situation, then silence [TELL-ONCE].
import { ConnectResponseType } from "../protocol/mod.ts";
import { type Base, type Effect, SILENCE_MS } from "./mod.ts";

/**
 * How a gateway learns that its session is over: `already_logged` brings every version back at once,
 * `notification` makes newer versions leave the broker, `nothing` lets it find out by itself.
 */
export type Word = "already_logged" | "notification" | "nothing";

/** Tells it, whatever was told before; the silence starts over. */
export function tell(
  base: Base,
  word: Word,
  sessionId: string,
  now: number,
  effects: Effect[],
): Base {
  switch (word) {
    case "nothing":
      return base;
    case "notification":
      effects.push({ type: "notify" });
      break;
    case "already_logged": {
      const type = ConnectResponseType.ALREADY_LOGGED;
      effects.push({ type: "publish", message: { kind: "connect_response", sessionId, type } });
    }
  }
  return { ...base, toldAt: now };
}

/** Tells it, unless something was told recently that the gateway has not answered with a Connect. */
export function tellOnce(
  base: Base,
  word: Word,
  sessionId: string,
  now: number,
  effects: Effect[],
): Base {
  const { toldAt } = base;
  if (toldAt !== null && now < toldAt + SILENCE_MS) return base;
  return tell(base, word, sessionId, now, effects);
}
