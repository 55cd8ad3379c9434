// Waiting for a car's gateway (section 4.1): the only message that counts is Connect.
import type { ClientMessage, Connect } from "../protocol/messages.ts";
import { beginSequence } from "./connecting.ts";
import type { Effect } from "./effects.ts";
import { failureOf, notifyGateway } from "./ending.ts";
import type { Ending } from "./ending.ts";
import { ignore } from "./ignore.ts";
import { GATEWAY_PATIENCE_MS, NOTICE_INTERVAL_MS, type SessionSettings } from "./settings.ts";
import type { Session, Waiting } from "./state.ts";

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
  if (session.base.paused && message.kind === "connect") {
    return ignore(session, "paused", message, effects);
  }
  if (message.kind !== "connect") {
    // It comes from a gateway that still believes in a session.
    return remind(ignore(session, "no_session", message, effects), now, effects);
  }
  const problem = connectProblem(message, session.base.settings);
  if (problem !== null) {
    effects.push({ type: "ended", failure: failureOf(message.sessionId, problem) });
    return remind({ ...session, held: null }, now, effects);
  }
  if (!session.base.modulesReady) {
    // It knows, whatever it sent before.
    const held = { connect: message, until: now + GATEWAY_PATIENCE_MS };
    return { ...session, held, remindAt: Infinity };
  }
  return beginSequence({ ...session.base, epoch: session.base.epoch + 1 }, message, now, effects);
}

/** Every module context is there: a Connect that waited for them is taken up. */
export function onModulesReady(session: Waiting, now: number, effects: Effect[]): Session {
  const ready: Waiting = { ...session, base: { ...session.base, modulesReady: true } };
  if (session.held === null) return ready;
  if (now >= session.held.until) return onHeldExpired(ready, effects);
  return onMessageWaiting({ ...ready, held: null }, session.held.connect, now, effects);
}

/**
 * Tells the gateway to connect again, at most once a second (section 4.1). Who was told just now may
 * have sent this before it heard: if no Connect comes within the second, it is told once more.
 */
function remind(session: Waiting, now: number, effects: Effect[]): Waiting {
  const due = session.base.noticeAt + NOTICE_INTERVAL_MS;
  if (now < due) return { ...session, remindAt: due };
  return { ...session, base: notifyGateway(session.base, now, effects), remindAt: Infinity };
}

/** When a held Connect gets too old, or a gateway is due to be told again, in milliseconds. */
export function waitingDeadline({ held, remindAt }: Waiting): number {
  return Math.min(held?.until ?? Infinity, remindAt);
}

/** What waitingDeadline() names has come. */
export function onWaitingTimeout(session: Waiting, now: number, effects: Effect[]): Waiting {
  const { held, remindAt } = session;
  const next = held !== null && now >= held.until ? onHeldExpired(session, effects) : session;
  return now >= remindAt ? remind(next, now, effects) : next;
}

/** The gateway of a held Connect has given up waiting: answering it would only confuse. */
function onHeldExpired(session: Waiting, effects: Effect[]): Waiting {
  if (session.held === null) return session;
  const { connect } = session.held;
  return { ...ignore(session, "modules_away", connect, effects), held: null };
}
