// Waiting for a car's gateway [WAIT-CONNECT]: only a Connect is accepted.
import type { ClientMessage, Connect } from "../protocol/mod.ts";
import { allowedAt, withConnect, withSequence } from "./connect_rate.ts";
import { beginSequence } from "./connecting.ts";
import type { StepContext } from "./effects.ts";
import { failureOf } from "./session_end.ts";
import type { SessionEnd } from "./session_end.ts";
import { ignore } from "./ignore_message.ts";
import { HOLD_CONNECT_MS, type SessionSettings } from "./settings.ts";
import type { Session, Waiting } from "./state.ts";
import { requestReconnectOnce } from "./reconnect_request.ts";

/** What is wrong with a Connect; `null` when it is valid [CONNECT-MESSAGE]. */
export function connectProblem(connect: Connect, settings: SessionSettings): SessionEnd | null {
  const { sessionId, devices } = connect;
  if (sessionId === "") {
    return { reason: "connect_incomplete", detail: "Connect without a session id" };
  }
  if (devices.length === 0) {
    return { reason: "connect_incomplete", detail: "Connect without a device" };
  }
  if (devices.length > settings.maxDevices) {
    return {
      reason: "protocol_violation",
      detail: `Connect lists ${devices.length} devices, at most ${settings.maxDevices} are allowed`,
    };
  }
  return null;
}

/** A message while no gateway has a session. */
export function onMessageWaiting(
  session: Waiting,
  message: ClientMessage,
  context: StepContext,
): Session {
  const { base, held } = session;
  if (base.paused) return ignore(session, "paused", message, context);
  if (message.kind !== "connect") {
    const next = ignore(session, "no_session", message, context);
    // When the gateway has sent a Connect, anything else is late: asking it to reconnect now
    // would fail its sequence.
    return held === null ? askSenderToReconnect(next, message.sessionId, context) : next;
  }
  const problem = connectProblem(message, context.settings);
  if (problem !== null) {
    context.effects.push({ type: "ended", failure: failureOf(message.sessionId, problem) });
    return askSenderToReconnect({ ...session, held: null }, message.sessionId, context);
  }
  const rate = withConnect(base.rate, context.now);
  return takeUp({ ...session, base: { ...base, rate } }, message, context);
}

/** Begins a sequence, or holds the Connect until modules and rate allow one. */
function takeUp(session: Waiting, connect: Connect, context: StepContext): Session {
  const { base } = session;
  const { rate } = base;
  const pauseMs = (allowedAt(rate) ?? context.now) - context.now;
  if (!base.modulesReady || pauseMs > 0) {
    if (pauseMs > 0) {
      context.effects.push({ type: "note", note: { code: "connect_held", pauseMs } });
    }
    return { ...session, held: { connect, until: context.now + HOLD_CONNECT_MS } };
  }
  const next = { ...base, epoch: base.epoch + 1, rate: withSequence(rate, context.now) };
  return beginSequence(next, connect, context);
}

/** The car has all its contexts: begins a sequence with the Connect that waited for them. */
export function onModulesReady(session: Waiting, context: StepContext): Session {
  const ready: Waiting = { ...session, base: { ...session.base, modulesReady: true } };
  return context.now < waitingDeadline(ready) ? ready : onWaitingTimeout(ready, context);
}

function askSenderToReconnect(
  session: Waiting,
  sessionId: string,
  context: StepContext,
): Waiting {
  const base = requestReconnectOnce(session.base, "already_logged", sessionId, context);
  return { ...session, base };
}

/** When a held Connect can begin a sequence, or is too old, in milliseconds. */
export function waitingDeadline({ base, held }: Waiting): number {
  if (held === null) return Infinity;
  // Without a pause, it waits only for the modules.
  return base.modulesReady ? Math.min(held.until, allowedAt(base.rate) ?? -Infinity) : held.until;
}

/** The moment of waitingDeadline() has come. */
export function onWaitingTimeout(session: Waiting, context: StepContext): Session {
  const { held } = session;
  if (held === null) return session;
  const next = { ...session, held: null };
  if (context.now < held.until) return takeUp(next, held.connect, context);
  // Its gateway has given up: an answer would only confuse it.
  return ignore(next, "modules_away", held.connect, context);
}
