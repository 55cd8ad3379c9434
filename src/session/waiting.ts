// Waiting for a car's gateway [WAIT-CONNECT]: the only message that counts is Connect.
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

/** What is wrong with a Connect, or `null` when a sequence can begin with it [CONNECT-MESSAGE]. */
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
    // Once a gateway has a Connect under way, anything else is a straggler: a word would fail it.
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

/** Every module context is there: a Connect that waited for them is taken up. */
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

/** When a held Connect can be taken up, or gets too old, in milliseconds. */
export function waitingDeadline({ base, held }: Waiting): number {
  if (held === null) return Infinity;
  // Without a pause only the modules have kept it.
  return base.modulesReady ? Math.min(held.until, base.rate.notBefore ?? -Infinity) : held.until;
}

/** What waitingDeadline() names has come. */
export function onWaitingTimeout(session: Waiting, now: number, effects: Effect[]): Session {
  const { base, held } = session;
  if (held === null) return session;
  const next = { ...session, held: null };
  if (now < held.until) return takeUp(next, held.connect, now, effects);
  // Its gateway has given up waiting: an answer would only confuse it.
  return ignore(next, base.modulesReady ? "too_often" : "modules_away", held.connect, effects);
}
