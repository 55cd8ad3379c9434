// A gateway in its connect sequence [GATEWAY-RECONNECT]: anything unexpected fails it.
import {
  type Command,
  type ConnectResponse,
  ConnectResponseType,
  deviceKey,
  DeviceState,
  type ServerMessage,
  type Status,
} from "../protocol/mod.ts";
import { expectedCounter, respond, servedType } from "./commands.ts";
import { beginRunning } from "./connected.ts";
import { deviceOf } from "./device_map.ts";
import { hasNoDevice } from "./devices.ts";
import type { Effect, ViolationKind } from "./inputs.ts";
import { end, fail } from "./disconnected.ts";
import { nextSessionId } from "./session_id.ts";
import {
  type Connecting,
  type Environment,
  type GatewayState,
  knownDevices,
  type OpenStatus,
} from "./state.ts";

/** Whether the server has heard nothing of this sequence. */
export function isBeforeConnect({ step }: Connecting): boolean {
  return step === "link" || step === "prepare";
}

/** Connected to the broker: prepares the Connect if that is to be done, and sends it. */
export function onLinkUp(
  state: Connecting,
  environment: Environment,
  effects: Effect[],
): GatewayState {
  if (state.step !== "link") return state;
  if (!environment.settings.prepares) return sendConnect(state, environment, effects);
  effects.push({ type: "prepare" });
  return awaiting(state, "prepare", environment);
}

/** Everything the first statuses say is there. */
export function onPrepared(
  state: Connecting,
  environment: Environment,
  effects: Effect[],
): GatewayState {
  return state.step === "prepare" ? sendConnect(state, environment, effects) : state;
}

function sendConnect(
  state: Connecting,
  environment: Environment,
  effects: Effect[],
): GatewayState {
  if (hasNoDevice(state.base)) {
    const cause = { reason: "all_devices_gone", detail: "the last device has left" } as const;
    const base = end(state, cause, environment, effects);
    return { kind: "not_initialized", base, lookAt: null };
  }
  const { company, car: vehicleName } = environment.settings;
  const listed = knownDevices(state);
  const { sessionId, seed } = nextSessionId(state.base.seed);
  const message = {
    kind: "connect",
    sessionId,
    company,
    vehicleName,
    devices: listed,
  } as const;
  effects.push({ type: "send", message, inSequence: true, tag: null });
  const base = { ...state.base, seed };
  return awaiting(
    { ...state, base, sessionId, listed: listed.map(deviceKey) },
    "connect",
    environment,
  );
}

/** A message of the server; none can come before the Connect. */
export function onMessageConnecting(
  state: Connecting,
  message: ServerMessage,
  environment: Environment,
  effects: Effect[],
): GatewayState {
  if (isBeforeConnect(state)) return state;
  if (message.kind === "connect_response") {
    return onConnectResponse(state, message, environment, effects);
  }
  if (message.sessionId !== state.sessionId) {
    const detail = `${message.kind} of session "${message.sessionId}"`;
    return fail(state, { reason: "unexpected_message", detail }, environment, effects);
  }
  return message.kind === "status_response"
    ? onStatusResponse(state, message.messageCounter, environment, effects)
    : onCommand(state, message, environment, effects);
}

/** The server has broken a rule. */
export function violate(
  state: Connecting,
  kind: ViolationKind,
  detail: string,
  environment: Environment,
  effects: Effect[],
): GatewayState {
  const { sessionId, step: phase } = state;
  effects.push({ type: "violation", kind, sessionId, phase, detail });
  const cause = { reason: "violation", detail: `${kind}: ${detail}` } as const;
  return fail(state, cause, environment, effects);
}

/** The awaited message has not come in time. */
export function onSequenceTimeout(
  state: Connecting,
  environment: Environment,
  effects: Effect[],
): GatewayState {
  const waited = `for ${environment.settings.times.sequenceMs} ms`;
  const failing = (reason: Parameters<typeof fail>[1]["reason"], what: string) =>
    fail(state, { reason, detail: `no ${what} ${waited}` }, environment, effects);
  switch (state.step) {
    case "link":
      return state;
    case "prepare":
      // Late error messages are for the session after the next.
      return sendConnect(state, environment, effects);
    case "connect":
      return failing("connect_unanswered", "connect response");
    case "statuses": {
      const counters = state.open.map(({ status }) => status.messageCounter).join(", ");
      return failing("first_status_unanswered", `answer to ${counters}`);
    }
    case "commands":
      return failing("first_command_missing", `first command to ${state.awaited.join(", ")}`);
  }
}

function onConnectResponse(
  state: Connecting,
  { sessionId, type }: ConnectResponse,
  environment: Environment,
  effects: Effect[],
): GatewayState {
  const own = sessionId === state.sessionId;
  const isExpected = own && state.step === "connect" && type === ConnectResponseType.OK;
  if (isExpected) return sendFirstStatuses(state, environment, effects);
  if (own && type === ConnectResponseType.OK) {
    return violate(state, "unexpected_connect_response", `type ${type}`, environment, effects);
  }
  const reason = own ? "already_logged" : "unexpected_message";
  const detail = `connect response of type ${type} for session "${sessionId}"`;
  return fail(state, { reason, detail }, environment, effects);
}

function sendFirstStatuses(
  state: Connecting,
  environment: Environment,
  effects: Effect[],
): Connecting {
  const { base, sessionId } = state;
  const open = state.listed.flatMap((key, index): OpenStatus[] => {
    const known = deviceOf(base.devices, key);
    if (known === undefined) return [];
    const { device, data: statusData, errorMessage } = known;
    const status: Status = {
      kind: "status",
      sessionId,
      deviceState: DeviceState.CONNECTING,
      messageCounter: index + 1,
      device,
      statusData,
      errorMessage,
    };
    effects.push({ type: "send", message: status, inSequence: true, tag: null });
    return [{ status, sentAt: environment.now, tag: null }];
  });
  return awaiting({ ...state, open }, "statuses", environment);
}

function onStatusResponse(
  state: Connecting,
  counter: number,
  environment: Environment,
  effects: Effect[],
): GatewayState {
  const answered = state.open.find(({ status }) => status.messageCounter === counter);
  if (state.step !== "statuses" || answered === undefined) {
    const detail = `counter ${counter} while awaiting ${state.step}, ${state.open.length} open`;
    return violate(state, "unexpected_status_response", detail, environment, effects);
  }
  effects.push({ type: "answered", open: answered, inSequence: true });
  const open = state.open.filter((one) => one !== answered);
  if (open.length > 0) return awaiting({ ...state, open }, "statuses", environment);
  return awaiting({ ...state, open, awaited: state.listed }, "commands", environment);
}

function onCommand(
  state: Connecting,
  command: Command,
  environment: Environment,
  effects: Effect[],
): GatewayState {
  const { messageCounter, device } = command;
  const broken = (kind: ViolationKind, detail: string) =>
    violate(state, kind, detail, environment, effects);
  if (state.step !== "commands") {
    const detail = `command ${messageCounter} before every first status was answered`;
    return broken("unexpected_command", detail);
  }
  const expected = expectedCounter(state, command);
  if (messageCounter !== expected) {
    return broken("command_counter", `counter ${messageCounter}; expected ${expected}`);
  }
  const key = deviceKey(device);
  const awaited = state.awaited.filter((one) => one !== key);
  if (awaited.length === state.awaited.length) {
    return broken("unexpected_command", `no first command was due for device ${key}`);
  }
  // In this sequence, the listed devices count as connected.
  respond(command, servedType(command, true, environment.settings), true, effects);
  const next = { ...state, awaited, lastCommand: messageCounter };
  return awaited.length > 0
    ? awaiting(next, "commands", environment)
    : beginRunning(next, environment, effects);
}

function awaiting(
  state: Connecting,
  step: Exclude<Connecting["step"], "link">,
  { now, settings }: Environment,
): Connecting {
  return { ...state, step, by: now + settings.times.sequenceMs };
}
