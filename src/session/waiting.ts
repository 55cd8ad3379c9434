// Waiting for a car's gateway [WAIT-CONNECT]: only a Connect is accepted.
import type { ClientMessage, Connect } from "../protocol/mod.ts";
import { withConnect, withSequence } from "./connect_rate.ts";
import { beginSequence } from "./connecting.ts";
import type { Effect } from "./effects.ts";
import { failureOf } from "./ending.ts";
import type { Ending } from "./ending.ts";
import { ignore } from "./ignore.ts";
import { HOLD_CONNECT_MS, type SessionSettings } from "./settings.ts";
import type { Session, Waiting } from "./state.ts";
import { tellOnce } from "./telling.ts";

/** What is wrong with a Connect; `null` when it is valid [CONNECT-MESSAGE]. */
export function connectProblem(connect: Connect, settings: SessionSettings): Ending | null {
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
  now: number,
  effects: Effect[],
): Session {
  const { base, held } = session;
  if (base.paused) return ignore(session, "paused", message, effects);
  if (message.kind !== "connect") {
    const next = ignore(session, "no_session", message, effects);
    // When the gateway has sent a Connect, anything else is late: telling it now would fail its sequence.
    return held === null ? tellSender(next, message.sessionId, now, effects) : next;
  }
  const problem = connectProblem(message, base.settings);
  if (problem !== null) {
    effects.push({ type: "ended", failure: failureOf(message.sessionId, problem) });
    return tellSender({ ...session, held: null }, message.sessionId, now, effects);
  }
  const rate = withConnect(base.rate, now);
  return takeUp({ ...session, base: { ...base, rate } }, message, now, effects);
}

/** Begins a sequence, or holds the Connect until modules and rate allow one. */
function takeUp(session: Waiting, connect: Connect, now: number, effects: Effect[]): Session {
  const { base } = session;
  const { rate } = base;
  const pauseMs = (rate.notBefore ?? now) - now;
  if (!base.modulesReady || pauseMs > 0) {
    if (pauseMs > 0) effects.push({ type: "note", note: { code: "connect_held", pauseMs } });
    return { ...session, held: { connect, until: now + HOLD_CONNECT_MS } };
  }
  const next = { ...base, epoch: base.epoch + 1, rate: withSequence(rate, now) };
  return beginSequence(next, connect, now, effects);
}

/** The car has all its contexts: begins a sequence with the Connect that waited for them. */
export function onModulesReady(session: Waiting, now: number, effects: Effect[]): Session {
  const ready: Waiting = { ...session, base: { ...session.base, modulesReady: true } };
  return now < waitingDeadline(ready) ? ready : onWaitingTimeout(ready, now, effects);
}

function tellSender(
  session: Waiting,
  sessionId: string,
  now: number,
  effects: Effect[],
): Waiting {
  const base = tellOnce(session.base, "already_logged", sessionId, now, effects);
  return { ...session, base };
}

/** When a held Connect can begin a sequence, or is too old, in milliseconds. */
export function waitingDeadline({ base, held }: Waiting): number {
  if (held === null) return Infinity;
  // Without a pause, it waits only for the modules.
  return base.modulesReady ? Math.min(held.until, base.rate.notBefore ?? -Infinity) : held.until;
}

/** The moment of waitingDeadline() has come. */
export function onWaitingTimeout(session: Waiting, now: number, effects: Effect[]): Session {
  const { base, held } = session;
  if (held === null) return session;
  const next = { ...session, held: null };
  if (now < held.until) return takeUp(next, held.connect, now, effects);
  // Its gateway has given up: an answer would only confuse it.
  return ignore(next, base.modulesReady ? "too_often" : "modules_away", held.connect, effects);
}
