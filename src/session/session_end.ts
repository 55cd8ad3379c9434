// Ends a session: disconnects its devices, tells the gateway, and forgets the rest [FAIL-CLEANUP].
import { type Device, DisconnectType, withoutPriority } from "../protocol/mod.ts";
import { withAgain } from "./command_keeping.ts";
import { parkOrphans } from "./command_order.ts";
import { type SentCommand } from "./sent_commands.ts";
import type { Effect, LeftCommand, StepContext } from "./effects.ts";
import type { Failure, FailureReason } from "./failure.ts";
import { hasDevice, NO_DEVICES } from "./known_devices.ts";
import type { Base, Established, Waiting } from "./state.ts";
import { forwardHeard } from "./status_forward.ts";
import { type ReconnectRequest, requestReconnect } from "./reconnect_request.ts";

/** Why a session ends. */
export interface SessionEnd {
  readonly reason: FailureReason;
  /** What was awaited or found, human-readable. */
  readonly detail: string;
  /** For how long it was awaited, in milliseconds. */
  readonly waitedMs?: number;
  /** What the gateway is sent; by default, the reason decides. */
  readonly request?: ReconnectRequest;
}

/** What a gateway is sent when its session ends [TELL-FAILURE]. */
function requestFor({ reason, request }: SessionEnd): ReconnectRequest {
  if (request !== undefined) return request;
  switch (reason) {
    case "new_session":
    case "broker_lost":
    case "stopped":
      return "none";
    case "all_devices_gone":
      return "notification";
    default:
      return "already_logged";
  }
}

/** Ends the session of `session` and waits for the next Connect [FAIL-CLEANUP]. */
export function endSession(
  session: Established,
  end: SessionEnd,
  context: StepContext,
): Waiting {
  if (session.kind === "connecting" && session.step.name === "statuses") {
    forwardHeard(session, session.step.heard, context);
  }
  const coming = comingDevices(session);
  if (coming.length > 0 || isForwarding(session)) context.effects.push({ type: "withdraw_calls" });
  for (const device of session.devices) {
    if (!hasDevice(coming, device)) context.effects.push(timedOut(device, false));
  }
  for (const device of coming) context.effects.push(timedOut(device, true));
  const sent = sentCommands(session);
  const unanswered = sent.filter(({ response }) => response === null);
  const kept = withAgain(session.base.commands, unanswered, context);
  noteUnanswered(sent, new Set(kept.again.map(({ id }) => id)), context);
  const commands = parkOrphans(kept, NO_DEVICES, context);
  const base = requestReconnect(
    { ...session.base, commands },
    requestFor(end),
    session.sessionId,
    context,
  );
  context.effects.push({ type: "ended", failure: failureOf(session.sessionId, end) });
  return waiting(base);
}

function sentCommands(session: Established): readonly SentCommand[] {
  if (session.kind === "running") return session.sent;
  return session.step.name === "responses" ? session.step.sent : [];
}

function noteUnanswered(
  sent: readonly SentCommand[],
  again: ReadonlySet<string | null>,
  context: StepContext,
): void {
  // One with a response is only unsettled behind one without.
  const count = sent.filter(({ response }) => response === null).length;
  if (count === 0) return;
  const left = sent.flatMap(({ id, counter, command: { device }, response }): LeftCommand[] =>
    id === null ? [] : [{ commandId: id, counter, device, response, again: again.has(id) }]
  );
  const note = { code: "commands_unanswered", count } as const;
  context.effects.push({ type: "note", note: left.length === 0 ? note : { ...note, left } });
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

/** Devices whose `device_connected` is in progress or queued. */
function comingDevices(session: Established): readonly Device[] {
  if (session.kind === "running") {
    const connecting = session.statuses.begun.filter(({ stage }) => stage === "connecting");
    return [...session.resuming, ...connecting.map(({ status }) => status.device)];
  }
  return session.step.name === "devices" ? session.step.pending : [];
}

export function failureOf(sessionId: string, end: SessionEnd): Failure {
  const { reason, detail, waitedMs = 0 } = end;
  return { reason, sessionId, detail, waitedMs };
}

/** Waits for the next Connect. */
export function waiting(base: Base): Waiting {
  return { kind: "waiting", base, held: null };
}
