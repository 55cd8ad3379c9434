// The connect sequence: devices and first statuses; first commands are in first_commands.ts.
import {
  type CallOutcome,
  type ClientMessage,
  type Connect,
  ConnectResponseType,
  type Device,
  deviceKey,
  DeviceState,
  type Status,
  withoutPriority,
} from "../protocol/mod.ts";
import { onDeviceResult } from "./device_connection.ts";
import type { StepContext } from "./effects.ts";
import { endSession } from "./session_end.ts";
import { ignore } from "./ignore_message.ts";
import { hasDevice, NO_DEVICES, withoutDevice } from "./known_devices.ts";
import { onFirstResponse, sendFirstCommands } from "./first_commands.ts";
import type { SessionSettings } from "./settings.ts";
import type {
  AwaitingResponses,
  AwaitingStatuses,
  Base,
  Connecting,
  ConnectingDevices,
  Running,
  Waiting,
} from "./state.ts";
import { statusBytes, totalBytes } from "./status_order.ts";

type Next = Connecting | Running | Waiting;

/** Company and vehicle as the gateway gives them. */
export function senderOf({ company, vehicleName }: Connect): string {
  return `${company}/${vehicleName}`;
}

/** Company and vehicle that match the car's topic. */
export function ownSender({ company, car }: SessionSettings): string {
  return `${company}/${car}`;
}

/** Step 1: a valid Connect begins a session. */
export function beginSequence(
  base: Base,
  connect: Connect,
  context: StepContext,
): Next {
  const { modules } = context.settings;
  const { sessionId, company, vehicleName } = connect;
  const sender = senderOf(connect);
  if (sender !== ownSender(context.settings)) {
    context.effects.push({
      type: "note",
      note: { code: "identity_mismatch", company, vehicle: vehicleName },
    });
  }
  const listed: Device[] = [];
  const pending: Device[] = [];
  for (const device of connect.devices) {
    if (hasDevice(listed, device)) continue;
    listed.push(device);
    if (modules.includes(device.module)) {
      pending.push(device);
      context.effects.push({
        type: "connect_device",
        epoch: base.epoch,
        device: withoutPriority(device),
      });
    } else {
      context.effects.push({
        type: "note",
        note: { code: "device_not_connected", device, why: "unknown_module", outcome: null },
      });
    }
  }
  const session: Connecting = {
    kind: "connecting",
    // This answers any request to reconnect.
    base: { ...base, toldAt: null },
    sessionId,
    sender,
    listed,
    devices: NO_DEVICES,
    step: { name: "devices", pending, early: [] },
  };
  return pending.length > 0 ? session : answerConnect(session, [], context);
}

/** Step 1: `device_connected` has returned for one device. */
export function onDeviceResultConnecting(
  session: Connecting,
  device: Device,
  outcome: CallOutcome,
  context: StepContext,
): Next {
  const { step } = session;
  if (step.name !== "devices" || !hasDevice(step.pending, device)) {
    return outcome === "ok" ? session : withoutRefused(session, device, outcome, context);
  }
  const pending = withoutDevice(step.pending, device);
  const known = onDeviceResult(session, device, outcome, context);
  const next: Connecting = { ...known, step: { ...step, pending } };
  return pending.length > 0 ? next : answerConnect(next, step.early, context);
}

/** A device of a sequence that was taken over is refused by its module now. */
function withoutRefused(
  session: Connecting,
  device: Device,
  outcome: CallOutcome,
  context: StepContext,
): Next {
  if (!hasDevice(session.devices, device)) return session;
  const devices = withoutDevice(session.devices, device);
  const next = onDeviceResult({ ...session, devices }, device, outcome, context);
  if (devices.length > 0 || session.step.name === "devices") return next;
  const detail = "No device could be connected in the process that took over";
  return endSession(next, { reason: "connect_incomplete", detail }, context);
}

/** The end of step 1: the answer is always OK; without a connected device, the sequence then fails. */
function answerConnect(
  session: Connecting,
  early: readonly Status[],
  context: StepContext,
): Next {
  const { sessionId, listed } = session;
  const message = { kind: "connect_response", sessionId, type: ConnectResponseType.OK } as const;
  context.effects.push({ type: "publish", message });
  if (session.devices.length === 0) {
    const detail = `None of the ${listed.length} listed devices could be connected`;
    return endSession(session, { reason: "connect_incomplete", detail }, context);
  }
  context.effects.push({
    type: "note",
    note: { code: "connect_accepted", devices: listed.length },
  });
  let next: Next = {
    ...session,
    step: {
      name: "statuses",
      missing: listed,
      heard: [],
      skipped: [],
      kept: [],
      since: context.now,
    },
  };
  for (const status of early) {
    if (next.kind !== "connecting") break;
    next = onMessageConnecting(next, status, context);
  }
  return next;
}

/** A message of the gateway during its connect sequence. */
export function onMessageConnecting(
  session: Connecting,
  message: ClientMessage,
  context: StepContext,
): Next {
  const { step, sessionId } = session;
  if (message.sessionId !== sessionId) return ignore(session, "other_session", message, context);
  if (message.kind === "connect") {
    // In step 1, it can only be a redelivery of the Connect that is being answered.
    if (step.name === "devices") return ignore(session, "unexpected_here", message, context);
    const detail = "Connect with the session id of the running sequence";
    return endSession(session, { reason: "protocol_violation", detail }, context);
  }
  switch (step.name) {
    case "devices":
      return message.kind === "status"
        ? keepEarly(session, step, message, context)
        : ignore(session, "unexpected_here", message, context);
    case "statuses":
      return message.kind === "status"
        ? onFirstStatus(session, step, message, context)
        : ignore(session, "unexpected_here", message, context);
    case "responses":
      return message.kind === "status"
        ? onNextStatus(session, step, message, context)
        : onFirstResponse(session, step, message, context);
  }
}

/** Step 1: keeps a status for the next step, within the limits of normal communication. */
function keepEarly(
  session: Connecting,
  step: ConnectingDevices,
  status: Status,
  context: StepContext,
): Connecting {
  if (!hasRoom(step.early, status, context)) return ignore(session, "no_room", status, context);
  return { ...session, step: { ...step, early: [...step.early, status] } };
}

/** Step 2: a status of this session. */
function onFirstStatus(
  session: Connecting,
  step: AwaitingStatuses,
  status: Status,
  context: StepContext,
): Next {
  const { messageCounter, deviceState, device } = status;
  const isFirst = hasDevice(step.missing, device);
  // The first status of a device counts whatever its counter; others count once per counter.
  if (!isFirst && isHandled(step, messageCounter)) {
    return ignore(session, "counter_handled", status, context);
  }
  if (!hasDevice(session.listed, device)) {
    ignore(session, "device_not_listed", status, context);
    // Bounded like a gap: a counter that is not remembered counts as missing later and fails the session.
    if (step.skipped.length >= context.settings.maxStatusGap) return session;
    const skipped = [...step.skipped, messageCounter];
    return { ...session, step: { ...step, skipped } };
  }
  // A further status of a device, while others are still awaited: it is handled later.
  if (!isFirst) return keepStatus(session, step, status, context);
  if (deviceState !== DeviceState.CONNECTING) {
    const detail = `First status of ${
      deviceKey(device)
    } has state ${deviceState}, expected CONNECTING (0)`;
    return endSession(session, { reason: "protocol_violation", detail }, context);
  }
  const bytes = totalBytes(step.heard) + statusBytes(status);
  const { maxWaitingBytes } = context.settings;
  if (bytes > maxWaitingBytes) {
    const detail = `First statuses have ${bytes} bytes, at most ${maxWaitingBytes} are kept`;
    return endSession(session, { reason: "protocol_violation", detail }, context);
  }
  context.effects.push({
    type: "publish",
    message: { kind: "status_response", sessionId: session.sessionId, messageCounter },
    answers: status,
  });
  const missing = withoutDevice(step.missing, device);
  const heard = [...step.heard, status];
  const next: AwaitingStatuses = { ...step, missing, heard, since: context.now };
  if (missing.length > 0) return { ...session, step: next };
  return sendFirstCommands(session, next, context);
}

function isHandled({ heard, skipped }: AwaitingStatuses, counter: number): boolean {
  return skipped.includes(counter) ||
    heard.some(({ messageCounter }) => messageCounter === counter);
}

/** Step 3: a status for normal communication, unless step 2 has set it aside. */
function onNextStatus(
  session: Connecting,
  step: AwaitingResponses,
  status: Status,
  context: StepContext,
): Connecting {
  // From a listed device, it may be the first one of a gateway that started counting again.
  return step.handled.includes(status.messageCounter) && !hasDevice(session.listed, status.device)
    ? ignore(session, "counter_handled", status, context)
    : keepStatus(session, step, status, context);
}

/** Whether one more status may be kept, within the limits of a gap. */
function hasRoom(
  kept: readonly Status[],
  status: Status,
  { settings: { maxStatusGap, maxWaitingBytes } }: StepContext,
): boolean {
  return kept.length < maxStatusGap &&
    totalBytes(kept) + statusBytes(status) <= maxWaitingBytes;
}

/** Keeps a status for normal communication. */
function keepStatus<S extends AwaitingStatuses | AwaitingResponses>(
  session: Connecting,
  step: S,
  status: Status,
  context: StepContext,
): Connecting {
  if (!hasRoom(step.kept, status, context)) {
    return ignore(session, "no_room", status, context);
  }
  return { ...session, step: { ...step, kept: [...step.kept, status] } };
}

/** The message that a step awaits did not come in time; the gateway is not told [TELL-GIVEN-UP]. */
export function onStepTimeout(session: Connecting, context: StepContext): Waiting {
  const { step } = session;
  if (step.name === "responses") {
    const { awaited } = step;
    const detail =
      `${awaited} command ${awaited === 1 ? "response" : "responses"} of the connect ` +
      "sequence";
    const waitedMs = context.now - step.since;
    const end = { reason: "command_unanswered", detail, waitedMs, request: "none" } as const;
    return endSession(session, end, context);
  }
  const [missing, more] = step.name === "statuses"
    ? [step.missing.slice(0, 3).map(deviceKey).join(", "), step.missing.length - 3]
    : ["", 0];
  const detail = `First status of ${missing}${more > 0 ? ` and ${more} more devices` : ""}`;
  const waitedMs = step.name === "statuses" ? context.now - step.since : 0;
  const end = { reason: "status_missing", detail, waitedMs, request: "none" } as const;
  return endSession(session, end, context);
}

/** The deadline of the current step, in milliseconds; Infinity in step 1. */
export function stepDeadline(session: Connecting, { responseMs }: SessionSettings): number {
  // Step 1 waits only for modules, which have a timeout of their own.
  if (session.step.name === "devices") return Infinity;
  return session.step.since + responseMs;
}
