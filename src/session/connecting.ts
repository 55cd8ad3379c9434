// The connect sequence: devices, first statuses, first commands, step by step.
import {
  type CallOutcome,
  type ClientMessage,
  type CommandResponse,
  CommandResponseType,
  type Connect,
  ConnectResponseType,
  type Device,
  deviceKey,
  DeviceState,
  nextCounter,
  NO_BYTES,
  type Status,
  withoutPriority,
} from "../protocol/mod.ts";
import {
  noteDoubt,
  sendCommand,
  type SentCommand,
  settleCommands,
  takeFirstCommands,
  withResponse,
} from "./command_order.ts";
import { onDeviceLeft, onDeviceResult } from "./device_life.ts";
import type { Effect } from "./effects.ts";
import { endSession } from "./ending.ts";
import { ignore } from "./ignore.ts";
import { NO_DEVICES } from "./known_devices.ts";
import { enterRunning } from "./running.ts";
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
import { forwardHeard } from "./status_forward.ts";
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
  now: number,
  effects: Effect[],
): Next {
  const { modules } = base.settings;
  const { sessionId, company, vehicleName } = connect;
  const sender = senderOf(connect);
  if (sender !== ownSender(base.settings)) {
    effects.push({
      type: "note",
      note: { code: "identity_mismatch", company, vehicle: vehicleName },
    });
  }
  const listed = new Map<string, Device>();
  const pending = new Set<string>();
  for (const device of connect.devices) {
    const key = deviceKey(device);
    if (listed.has(key)) continue;
    listed.set(key, device);
    if (modules.has(device.module)) {
      pending.add(key);
      effects.push({ type: "connect_device", epoch: base.epoch, device: withoutPriority(device) });
    } else {
      effects.push({
        type: "note",
        note: { code: "device_not_connected", device, why: "unknown_module", outcome: null },
      });
    }
  }
  const session: Connecting = {
    kind: "connecting",
    // This is the gateway's answer to whatever it was told.
    base: { ...base, toldAt: null },
    sessionId,
    sender,
    listed,
    devices: NO_DEVICES,
    step: { name: "devices", pending, early: [] },
  };
  return pending.size > 0 ? session : answerConnect(session, [], now, effects);
}

/** Step 1: `device_connected` has returned for one device. */
export function onDeviceResultConnecting(
  session: Connecting,
  device: Device,
  outcome: CallOutcome,
  now: number,
  effects: Effect[],
): Next {
  const { step } = session;
  const key = deviceKey(device);
  if (step.name !== "devices" || !step.pending.has(key)) return session;
  const pending = new Set(step.pending);
  pending.delete(key);
  const known = onDeviceResult(session, device, outcome, effects);
  const next: Connecting = { ...known, step: { ...step, pending } };
  return pending.size > 0 ? next : answerConnect(next, step.early, now, effects);
}

/** The end of step 1: the answer is always OK; without a connected device, the sequence then fails. */
function answerConnect(
  session: Connecting,
  early: readonly Status[],
  now: number,
  effects: Effect[],
): Next {
  const { sessionId, listed } = session;
  const message = { kind: "connect_response", sessionId, type: ConnectResponseType.OK } as const;
  effects.push({ type: "publish", message });
  if (session.devices.size === 0) {
    const detail = `None of the ${listed.size} listed devices could be connected`;
    return endSession(session, { reason: "connect_incomplete", detail }, now, effects);
  }
  effects.push({ type: "note", note: { code: "connect_accepted", devices: listed.size } });
  let next: Next = {
    ...session,
    step: {
      name: "statuses",
      missing: new Set(listed.keys()),
      heard: new Map(),
      skipped: new Set(),
      kept: [],
      since: now,
    },
  };
  for (const status of early) {
    if (next.kind !== "connecting") break;
    next = onMessageConnecting(next, status, now, effects);
  }
  return next;
}

/** A message of the gateway during its connect sequence. */
export function onMessageConnecting(
  session: Connecting,
  message: ClientMessage,
  now: number,
  effects: Effect[],
): Next {
  const { step, sessionId } = session;
  if (message.sessionId !== sessionId) return ignore(session, "other_session", message, effects);
  if (message.kind === "connect") {
    // In step 1, it can only be a second delivery of the Connect that is being answered.
    if (step.name === "devices") return ignore(session, "unexpected_here", message, effects);
    const detail = "Connect with the session id of the running sequence";
    return endSession(session, { reason: "protocol_violation", detail }, now, effects);
  }
  switch (step.name) {
    case "devices":
      return message.kind === "status"
        ? keepEarly(session, step, message, effects)
        : ignore(session, "unexpected_here", message, effects);
    case "statuses":
      return message.kind === "status"
        ? onFirstStatus(session, step, message, now, effects)
        : ignore(session, "unexpected_here", message, effects);
    case "responses":
      return message.kind === "status"
        ? onNextStatus(session, step, message, effects)
        : onFirstResponse(session, step, message, now, effects);
  }
}

/** Step 1: keeps a status for the next step, within the limits of normal communication. */
function keepEarly(
  session: Connecting,
  step: ConnectingDevices,
  status: Status,
  effects: Effect[],
): Connecting {
  if (!hasRoom(session, step.early, status)) return ignore(session, "no_room", status, effects);
  return { ...session, step: { ...step, early: [...step.early, status] } };
}

/** Step 2: a status of this session. */
function onFirstStatus(
  session: Connecting,
  step: AwaitingStatuses,
  status: Status,
  now: number,
  effects: Effect[],
): Next {
  const { messageCounter, deviceState, device } = status;
  const key = deviceKey(device);
  // The first status of a device counts whatever its counter; others count once per counter.
  if (!step.missing.has(key) && isHandled(step, messageCounter)) {
    return ignore(session, "counter_handled", status, effects);
  }
  if (!session.listed.has(key)) {
    ignore(session, "device_not_listed", status, effects);
    // Limited like a gap: a counter that is not remembered is missing later, and fails the session.
    if (step.skipped.size >= session.base.settings.maxStatusGap) return session;
    const skipped = new Set(step.skipped).add(messageCounter);
    return { ...session, step: { ...step, skipped } };
  }
  // A further status of a device, while others are still awaited: it is handled later.
  if (!step.missing.has(key)) return keepStatus(session, step, status, effects);
  if (deviceState !== DeviceState.CONNECTING) {
    const detail = `First status of ${key} has state ${deviceState}, expected CONNECTING (0)`;
    return endSession(session, { reason: "protocol_violation", detail }, now, effects);
  }
  const bytes = totalBytes(step.heard.values()) + statusBytes(status);
  const { maxWaitingBytes } = session.base.settings;
  if (bytes > maxWaitingBytes) {
    const detail = `First statuses have ${bytes} bytes, at most ${maxWaitingBytes} are kept`;
    return endSession(session, { reason: "protocol_violation", detail }, now, effects);
  }
  effects.push({
    type: "publish",
    message: { kind: "status_response", sessionId: session.sessionId, messageCounter },
    answers: status,
  });
  const missing = new Set(step.missing);
  missing.delete(key);
  const heard = new Map(step.heard).set(key, status);
  const next: AwaitingStatuses = { ...step, missing, heard, since: now };
  if (missing.size > 0) return { ...session, step: next };
  return sendFirstCommands(session, next, now, effects);
}

function isHandled({ heard, skipped }: AwaitingStatuses, counter: number): boolean {
  if (skipped.has(counter)) return true;
  for (const { messageCounter } of heard.values()) if (messageCounter === counter) return true;
  return false;
}

/** Step 3: a status for normal communication, unless step 2 has set it aside. */
function onNextStatus(
  session: Connecting,
  step: AwaitingResponses,
  status: Status,
  effects: Effect[],
): Connecting {
  // From a listed device, it may be the first one of a gateway that started counting again.
  return step.handled.has(status.messageCounter) && !session.listed.has(deviceKey(status.device))
    ? ignore(session, "counter_handled", status, effects)
    : keepStatus(session, step, status, effects);
}

/** Whether one more status may be kept, within the limits of a gap. */
function hasRoom({ base }: Connecting, kept: readonly Status[], status: Status): boolean {
  const { maxStatusGap, maxWaitingBytes } = base.settings;
  return kept.length < maxStatusGap &&
    totalBytes(kept) + statusBytes(status) <= maxWaitingBytes;
}

/** Keeps a status for normal communication. */
function keepStatus<S extends AwaitingStatuses | AwaitingResponses>(
  session: Connecting,
  step: S,
  status: Status,
  effects: Effect[],
): Connecting {
  if (!hasRoom(session, step.kept, status)) {
    return ignore(session, "no_room", status, effects);
  }
  return { ...session, step: { ...step, kept: [...step.kept, status] } };
}

/** Step 3: a command for every listed device, the oldest one waiting or an empty one. */
function sendFirstCommands(
  session: Connecting,
  step: AwaitingStatuses,
  now: number,
  effects: Effect[],
): Connecting {
  forwardHeard(session, step.heard, effects);
  const { listed, sessionId, devices } = session;
  const [first, commands] = takeFirstCommands(session.base.commands, listed, devices, effects);
  let { commandCounter } = session.base;
  const counters = [...step.heard.values()].map(({ messageCounter }) => messageCounter);
  const sent: SentCommand[] = [];
  for (const [key, device] of listed) {
    const waiting = first.get(key);
    const command = waiting?.command ?? { device, data: NO_BYTES };
    if (waiting !== undefined) noteDoubt(command, devices, effects);
    const module = waiting?.module ?? null;
    sent.push(sendCommand({ module, command }, commandCounter, sessionId, now, effects));
    commandCounter = nextCounter(commandCounter);
  }
  return {
    ...session,
    base: { ...session.base, commands, commandCounter },
    step: {
      name: "responses",
      sent,
      awaited: sent.length,
      handled: new Set([...counters, ...step.skipped]),
      kept: step.kept,
      since: now,
    },
  };
}

/**
 * Step 3: a response of this session. It acknowledges the command whose counter it has; one with a
 * counter that no command has, or that was answered already, counts all the same
 * [CONNECT-COMMAND-RESPONSES].
 */
function onFirstResponse(
  session: Connecting,
  step: AwaitingResponses,
  response: CommandResponse,
  now: number,
  effects: Effect[],
): Next {
  const { messageCounter, type } = response;
  const marked = withResponse(step.sent, messageCounter, type);
  const command = step.sent.find(({ counter }) => counter === messageCounter);
  // With a counter that was answered already, it is not known which device is meant.
  const gone = command !== undefined && marked !== step.sent &&
    type === CommandResponseType.DEVICE_NOT_CONNECTED;
  const known = gone ? onDeviceLeft(session, command.command.device, effects) : session;
  const awaited = step.awaited - 1;
  // A response with another counter stood in for a command's own, which must not block others.
  const open = awaited > 0 ? marked : marked.filter(({ response }) => response !== null);
  const sent = settleCommands(open, effects);
  const next: Connecting = {
    ...known,
    step: { ...step, sent, awaited, since: now },
  };
  if (next.devices.size === 0) {
    const detail = `The gateway answered that ${session.devices.size} devices are not connected`;
    return endSession(next, { reason: "all_devices_gone", detail }, now, effects);
  }
  return awaited > 0 ? next : enterRunning(next, step.handled, step.kept, now, effects);
}

/** The message that a step awaits has not come in time; the gateway is not told [TELL-GIVEN-UP]. */
export function onStepTimeout(session: Connecting, now: number, effects: Effect[]): Waiting {
  const { step } = session;
  if (step.name === "responses") {
    const { awaited } = step;
    const detail =
      `${awaited} command ${awaited === 1 ? "response" : "responses"} of the connect ` +
      "sequence";
    const waitedMs = now - step.since;
    const ending = { reason: "command_unanswered", detail, waitedMs, word: "nothing" } as const;
    return endSession(session, ending, now, effects);
  }
  const [missing, more] = step.name === "statuses"
    ? [[...step.missing].slice(0, 3).join(", "), step.missing.size - 3]
    : ["", 0];
  const detail = `First status of ${missing}${more > 0 ? ` and ${more} more devices` : ""}`;
  const waitedMs = step.name === "statuses" ? now - step.since : 0;
  const ending = { reason: "status_missing", detail, waitedMs, word: "nothing" } as const;
  return endSession(session, ending, now, effects);
}

/** The deadline of the current step, in milliseconds; Infinity in step 1. */
export function stepDeadline(session: Connecting): number {
  // Step 1 waits only for modules, which have a timeout of their own.
  if (session.step.name === "devices") return Infinity;
  return session.step.since + session.base.settings.responseMs;
}
