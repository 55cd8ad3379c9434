// What operators do to a car: end its session, keep gateways out, let them in again.
import type { Effect } from "./effects.ts";
import { endSession, notifyGateway, waiting } from "./ending.ts";
import type { Session } from "./state.ts";

/** Ends the session; the gateway is told, and connects anew. A car without a broker stays as it is. */
export function onRestart(session: Session, now: number, effects: Effect[]): Session {
  return sendAway(session, "An operator restarted the session", now, effects);
}

/** Ends the session and tells the gateway; no Connect is answered until {@linkcode onResume}. */
export function onPause(session: Session, now: number, effects: Effect[]): Session {
  if (session.base.paused) return session;
  const next = sendAway(session, "An operator paused the car", now, effects);
  return { ...next, base: { ...next.base, paused: true } };
}

/** Answers Connects again; a gateway that waits is told, so that it need not wait any longer. */
export function onResume(session: Session, now: number, effects: Effect[]): Session {
  if (!session.base.paused) return session;
  const base = { ...session.base, paused: false };
  if (session.kind !== "waiting") return { ...session, base };
  return waiting(notifyGateway(base, now, effects));
}

function sendAway(session: Session, detail: string, now: number, effects: Effect[]): Session {
  switch (session.kind) {
    case "connecting":
    case "running":
      return endSession(session, { reason: "stopped", detail }, now, effects);
    case "waiting":
      // A Connect that waits for modules is given up with everything else.
      return waiting(notifyGateway(session.base, now, effects));
    default:
      return session;
  }
}
