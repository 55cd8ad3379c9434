// Waiting for a car's gateway (section 4.1): the only message that counts is Connect.
import type { ClientMessage, Connect } from "../protocol/mod.ts";
import { beginSequence } from "./connecting.ts";
import type { Effect } from "./effects.ts";
import { failureOf } from "./ending.ts";
import type { Ending } from "./ending.ts";
import { ignore } from "./ignore.ts";
import { HOLD_CONNECT_MS, type SessionSettings } from "./settings.ts";
import type { Session, Waiting } from "./state.ts";
import { tellOnce } from "./telling.ts";

/** What is wrong with a Connect, or `null` when a sequence can begin with it (section 4.2, step 1). */
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
      detail: `Connect lists ${devices.length} devices, at most ${settings.maxDevices} are taken`,
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
  if (!base.modulesReady) {
    return { ...session, held: { connect: message, until: now + HOLD_CONNECT_MS } };
  }
  return beginSequence({ ...base, epoch: base.epoch + 1 }, message, now, effects);
}

/** Every module context is there: a Connect that waited for them is taken up. */
export function onModulesReady(session: Waiting, now: number, effects: Effect[]): Session {
  const ready: Waiting = { ...session, base: { ...session.base, modulesReady: true } };
  if (session.held === null) return ready;
  if (now >= session.held.until) return onHeldExpired(ready, effects);
  return onMessageWaiting({ ...ready, held: null }, session.held.connect, now, effects);
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

/** When a held Connect gets too old, in milliseconds. */
export function waitingDeadline({ held }: Waiting): number {
  return held?.until ?? Infinity;
}

/** The gateway of a held Connect has given up waiting: answering it would only confuse. */
export function onHeldExpired(session: Waiting, effects: Effect[]): Waiting {
  if (session.held === null) return session;
  const { connect } = session.held;
  return { ...ignore(session, "modules_away", connect, effects), held: null };
}
