// A gateway in normal communication, and what makes it connect again [GATEWAY-RECONNECT].
import { type Command, ConnectResponseType, type ServerMessage } from "../protocol/mod.ts";
import { expectedCounter, hasModule, respond, servedType } from "./commands.ts";
import { enterSession, hasNoDevice, isConnected } from "./devices.ts";
import type { Effect, ViolationKind } from "./inputs.ts";
import { nextLook, queueReconnect, reconnect, sendAll, sizeOf } from "./reports.ts";
import { drop, end, type SessionEnd } from "./disconnected.ts";
import type { Connected, Connecting, Environment, GatewayState } from "./state.ts";

/** The connect sequence is done: sends what devices have reported meanwhile. */
export function beginRunning(
  state: Connecting,
  environment: Environment,
  effects: Effect[],
): GatewayState {
  const { sessionId, listed, lastCommand, waiting } = state;
  effects.push({ type: "running", sessionId });
  const connected: Connected = {
    kind: "connected",
    base: enterSession(state.base, listed),
    sessionId,
    counter: listed.length + 1,
    open: [],
    openBytes: 0,
    lastCommand,
    lookedAt: environment.now,
    reconnect: null,
    silentUntil: null,
    waiting: [],
  };
  return sendAll(connected, waiting, environment, effects);
}

/** A message of the server. */
export function onMessageConnected(
  state: Connected,
  message: ServerMessage,
  environment: Environment,
  effects: Effect[],
): GatewayState {
  if (message.kind === "connect_response") {
    if (message.type === ConnectResponseType.OK) {
      const detail = `type ${message.type} for session "${message.sessionId}"`;
      return violate(state, "unexpected_connect_response", detail, environment, effects);
    }
    const detail = `connect response of type ${message.type}`;
    return queueReconnect(state, { reason: "told_to_reconnect", detail }, environment);
  }
  if (message.sessionId !== state.sessionId) {
    const detail = `${message.kind} of session "${message.sessionId}"`;
    return violate(state, "foreign_session", detail, environment, effects);
  }
  return message.kind === "status_response"
    ? onStatusResponse(state, message.messageCounter, environment, effects)
    : onCommand(state, message, environment, effects);
}

/** The server has broken a rule; while a reconnect is queued, nothing breaks one. */
export function violate(
  state: Connected,
  kind: ViolationKind,
  detail: string,
  environment: Environment,
  effects: Effect[],
): Connected {
  if (state.reconnect !== null) return state;
  const { sessionId } = state;
  effects.push({ type: "violation", kind, sessionId, phase: "connected", detail });
  return queueReconnect(state, { reason: "violation", detail: `${kind}: ${detail}` }, environment);
}

/** The disconnect notification: the next status begins a new session [GATEWAY-NOTIFICATION]. */
export function onNotifiedConnected(
  state: Connected,
  environment: Environment,
  effects: Effect[],
): GatewayState {
  const detail = "the server sent the disconnect notification";
  return drop(state, { reason: "notified", detail }, environment, effects);
}

/** The broker was lost: queues a reconnect, without a link to close. */
export function onLinkLost(
  state: Connected,
  cause: SessionEnd,
  environment: Environment,
  effects: Effect[],
): GatewayState {
  const base = end(state, cause, environment, effects);
  const lookAt = nextLook(state, environment.now, environment.settings.times.lookMs);
  return { kind: "not_initialized", base, lookAt };
}

/** When something is due next; null when nothing is. */
export function connectedDeadline(state: Connected, { settings }: Environment): number | null {
  const { silentUntil, reconnect: queued, open: [oldest] } = state;
  const due = queued?.at ??
    (oldest === undefined ? null : oldest.sentAt + settings.times.responseMs);
  return silentUntil !== null && (due === null || silentUntil < due) ? silentUntil : due;
}

/** Does what is due. */
export function onConnectedTimeout(
  state: Connected,
  environment: Environment,
  effects: Effect[],
): GatewayState {
  const { now } = environment;
  if (state.reconnect !== null && now >= state.reconnect.at) {
    return reconnect(state, state.reconnect, environment, effects);
  }
  const next = queueOverdue(state, environment);
  const { silentUntil, waiting } = next;
  if (silentUntil === null || now < silentUntil) return next;
  return sendAll({ ...next, silentUntil: null, waiting: [] }, waiting, environment, effects);
}

/** Queues a reconnect if the oldest status has waited too long for its answer. */
function queueOverdue(state: Connected, environment: Environment): Connected {
  const { now, settings } = environment;
  const [oldest] = state.open;
  if (oldest === undefined || now < oldest.sentAt + settings.times.responseMs) return state;
  const waited = Math.round(now - oldest.sentAt);
  const detail = `status ${oldest.status.messageCounter} had no answer for ${waited} ms`;
  return queueReconnect(state, { reason: "status_unanswered", detail }, environment);
}

function onStatusResponse(
  state: Connected,
  counter: number,
  environment: Environment,
  effects: Effect[],
): GatewayState {
  const at = state.open.findIndex(({ status }) => status.messageCounter === counter);
  const answered = state.open[at];
  if (answered === undefined) {
    const { open, reconnect: queued, sessionId } = state;
    if (queued !== null) return state;
    const detail = `counter ${counter}; ${open.length} open, next counter ${state.counter}`;
    const kind = "unexpected_status_response";
    effects.push({ type: "violation", kind, sessionId, phase: "connected", detail });
    const cause = { reason: "violation", detail: `${kind}: ${detail}` } as const;
    return drop(state, cause, environment, effects);
  }
  effects.push({ type: "answered", open: answered, inSequence: false });
  const open = at === 0 ? state.open.slice(1) : state.open.toSpliced(at, 1);
  const next = { ...state, open, openBytes: state.openBytes - sizeOf(answered.status) };
  if (open.length > 0 || !hasNoDevice(state.base)) return next;
  const detail = "the last device has left";
  return drop(next, { reason: "all_devices_gone", detail }, environment, effects);
}

function onCommand(
  state: Connected,
  command: Command,
  environment: Environment,
  effects: Effect[],
): GatewayState {
  const { messageCounter, device } = command;
  const expected = expectedCounter(state, command);
  if (messageCounter !== expected) {
    const detail = `counter ${messageCounter}; expected ${expected}`;
    return violate(state, "command_counter", detail, environment, effects);
  }
  if (!hasModule(device, environment.settings)) {
    const detail = `command ${messageCounter} for module ${device.module}`;
    return queueReconnect(state, { reason: "unknown_module", detail }, environment);
  }
  const connected = isConnected(state.base, device);
  respond(command, servedType(command, connected, environment.settings), false, effects);
  return { ...state, lastCommand: messageCounter };
}
