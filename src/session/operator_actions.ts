// What operators do to a car: restart, pause, resume.
import type { StepContext } from "./effects.ts";
import { endSession, waiting } from "./session_end.ts";
import type { Session } from "./state.ts";
import { requestReconnectOnce } from "./reconnect_request.ts";

/** Ends the session; the gateway connects again. Does nothing without a session. */
export function onRestart(session: Session, context: StepContext): Session {
  if (session.kind !== "connecting" && session.kind !== "running") return session;
  const detail = "An operator restarted the session";
  return endSession(session, { reason: "stopped", detail, request: "already_logged" }, context);
}

/** Ends the session and asks the gateway to leave; no Connect is answered until {@linkcode onResume}. */
export function onPause(session: Session, context: StepContext): Session {
  if (session.base.paused) return session;
  const next = sendAway(session, context);
  return { ...next, base: { ...next.base, paused: true } };
}

/** Answers Connects again. The gateway is not told: it retries on its own. */
export function onResume(session: Session): Session {
  if (!session.base.paused) return session;
  return { ...session, base: { ...session.base, paused: false } };
}

function sendAway(session: Session, context: StepContext): Session {
  const request = "notification";
  switch (session.kind) {
    case "connecting":
    case "running": {
      const detail = "An operator paused the car";
      return endSession(session, { reason: "stopped", detail, request }, context);
    }
    case "waiting":
      // A Connect that waits for modules is dropped as well.
      return waiting(requestReconnectOnce(session.base, request, "", context));
    default:
      return session;
  }
}
