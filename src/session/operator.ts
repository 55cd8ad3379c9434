// Actions of operators: restart, pause and resume a car.
import type { StepContext } from "./effects.ts";
import { endSession, waiting } from "./ending.ts";
import type { Session } from "./state.ts";
import { tellOnce } from "./telling.ts";

/** Ends the session; the gateway connects again. Does nothing without a session. */
export function onRestart(session: Session, context: StepContext): Session {
  if (session.kind !== "connecting" && session.kind !== "running") return session;
  const detail = "An operator restarted the session";
  return endSession(session, { reason: "stopped", detail, word: "already_logged" }, context);
}

/** Ends the session and sends the gateway away; no Connect is answered until {@linkcode onResume}. */
export function onPause(session: Session, context: StepContext): Session {
  if (session.base.paused) return session;
  const next = sendAway(session, context);
  return { ...next, base: { ...next.base, paused: true } };
}

/** Answers Connects again. The gateway is not told: it tries again by itself. */
export function onResume(session: Session): Session {
  if (!session.base.paused) return session;
  return { ...session, base: { ...session.base, paused: false } };
}

function sendAway(session: Session, context: StepContext): Session {
  const word = "notification";
  switch (session.kind) {
    case "connecting":
    case "running": {
      const detail = "An operator paused the car";
      return endSession(session, { reason: "stopped", detail, word }, context);
    }
    case "waiting":
      // A Connect that waits for modules is dropped as well.
      return waiting(tellOnce(session.base, word, "", context));
    default:
      return session;
  }
}
