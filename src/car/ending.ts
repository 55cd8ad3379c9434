// How a session ends: devices disconnected, gateway told, everything of it forgotten (section 4.2).
import { DisconnectType } from "../module/context.ts";
import { withoutPriority } from "../protocol/device.ts";
import type { Device } from "../protocol/messages.ts";
import { parkOrphans } from "./command_order.ts";
import type { Effect } from "./effects.ts";
import type { Failure, FailureReason } from "./failure.ts";
import { NO_DEVICES } from "./known_devices.ts";
import type { Base, Established, Waiting } from "./state.ts";
import { forwardHeard } from "./status_forward.ts";

/** What ended a session. */
export interface Ending {
  readonly reason: FailureReason;
  /** What was awaited or found, for people. */
  readonly detail: string;
  /** How long it had been awaited, in milliseconds. */
  readonly waitedMs?: number;
}

/**
 * Ends the session of `session` and waits for the next Connect (section 4.2, Failure).
 *
 * The gateway is told, unless it has just come with a new session of its own (it would take the
 * notification for the end of that one), or there is no broker to tell it through.
 */
export function endSession(
  session: Established,
  ending: Ending,
  now: number,
  effects: Effect[],
): Waiting {
  if (session.kind === "connecting" && session.step.name === "statuses") {
    forwardHeard(session, session.step.heard, effects);
  }
  const coming = comingDevices(session);
  if (coming.length > 0 || isForwarding(session)) effects.push({ type: "withdraw_calls" });
  for (const device of session.devices.values()) effects.push(timedOut(device, false));
  for (const device of coming) effects.push(timedOut(device, true));
  noteUnanswered(session, effects);
  const { settings } = session.base;
  const commands = parkOrphans(session.base.commands, NO_DEVICES, settings, effects);
  let base: Base = { ...session.base, commands };
  const { reason } = ending;
  if (reason !== "new_session" && reason !== "broker_lost") {
    base = notifyGateway(base, now, effects);
  }
  effects.push({ type: "ended", failure: failureOf(session.sessionId, ending) });
  return waiting(base);
}

function noteUnanswered(session: Established, effects: Effect[]): void {
  const sent = session.kind === "running"
    ? session.sent
    : session.step.name === "responses"
    ? session.step.sent
    : [];
  const count = sent.filter(({ response }) => response === null).length;
  if (count > 0) effects.push({ type: "note", note: { code: "commands_unanswered", count } });
}

function timedOut(device: Device, ifConnected: boolean): Effect {
  return {
    type: "disconnect_device",
    disconnect: DisconnectType.TIMEOUT,
    device: withoutPriority(device),
    ifConnected,
  };
}

function isForwarding(session: Established): boolean {
  return session.kind === "running" &&
    session.statuses.begun.some(({ stage }) => stage === "forwarding");
}

/** Devices whose `device_connected` is under way, or waits for its turn. */
function comingDevices(session: Established): Device[] {
  if (session.kind === "running") {
    return session.statuses.begun
      .filter(({ stage }) => stage === "connecting")
      .map(({ status }) => status.device);
  }
  if (session.step.name !== "devices") return [];
  const { pending } = session.step;
  return [...session.listed].filter(([key]) => pending.has(key)).map(([, device]) => device);
}

/** The record of an ending. */
export function failureOf(sessionId: string, ending: Ending): Failure {
  const { reason, detail, waitedMs = 0 } = ending;
  return { reason, sessionId, detail, waitedMs };
}

/** Publishes the disconnect notification. */
export function notifyGateway(base: Base, now: number, effects: Effect[]): Base {
  effects.push({ type: "notify" });
  return { ...base, noticeAt: now };
}

/** Waits for the next Connect. */
export function waiting(base: Base): Waiting {
  return { kind: "waiting", base, held: null, remindAt: Infinity };
}
