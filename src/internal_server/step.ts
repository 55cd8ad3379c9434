// The internal server of a gateway as one pure transition function [MSG-INTERNAL-FRAME]: an input
// and the time go in, the next state and a list of effects come out. It knows neither sockets nor
// modules. Nobody waits for anybody: what one device is owed delays no other.
import type { Device } from "../protocol/mod.ts";
import { onConnect, onConnectAnswered, onDenied } from "./connecting.ts";
import { dueOf, end, endDue } from "./ending.ts";
import { endForMemory, onPush, onStatus, onStatusAnswered, sendHeld } from "./exchange.ts";
import type { CloseReason, Effect, Input } from "./inputs.ts";
import {
  allConnections,
  type Awaited,
  type Connection,
  connectionOf,
  type Environment,
  type InternalServerState,
  put,
  type Registered,
  registeredOf,
} from "./state.ts";

export interface Step {
  readonly state: InternalServerState;
  /** To be carried out in this order. */
  readonly effects: readonly Effect[];
}

/** Takes one input; every input is allowed in every state. Never throws. */
export function step(state: InternalServerState, input: Input, environment: Environment): Step {
  const effects: Effect[] = [];
  return { state: transition(state, input, environment, effects), effects };
}

/** When a connection needs a `tick` at the latest; Infinity when it waits only for inputs. */
export function deadlineOf(
  state: InternalServerState,
  id: number,
  environment: Environment,
): number {
  const connection = connectionOf(state, id);
  return connection === null ? Infinity : dueOf(connection, environment) ?? Infinity;
}

/** When any connection needs a `tick`; looks at all of them. */
export function nextDeadline(state: InternalServerState, environment: Environment): number {
  let next = Infinity;
  for (const connection of allConnections(state)) {
    next = Math.min(next, dueOf(connection, environment) ?? Infinity);
  }
  return next;
}

function transition(
  state: InternalServerState,
  input: Input,
  environment: Environment,
  effects: Effect[],
): InternalServerState {
  switch (input.type) {
    case "accepted":
      return onAccepted(state, input.connection, environment, effects);
    case "received":
    case "partial":
    case "malformed":
    case "unsent":
    case "closed": {
      const connection = connectionOf(state, input.connection);
      if (connection === null) return state;
      return onConnection(state, connection, input, environment, effects);
    }
    case "answer_connect":
    case "answer_status":
      return onAnswer(state, input, environment, effects);
    case "push":
      return onPush(state, input, environment, effects);
    case "dead": {
      const connection = registeredOf(state, input.device);
      if (connection === null) return state;
      return end(state, connection, "dead", "the device has said nothing for too long", effects);
    }
    case "tick":
      return onTick(state, environment, effects);
    case "stop": {
      let next = state;
      for (const connection of allConnections(state)) {
        next = end(next, connection, "stopped", "the gateway stops", effects);
      }
      return next;
    }
  }
}

type OfConnection = Extract<Input, { readonly connection: number }>;

function onAccepted(
  state: InternalServerState,
  id: number,
  { now, settings: { limits } }: Environment,
  effects: Effect[],
): InternalServerState {
  if (connectionOf(state, id) !== null) return state;
  if (state.connections >= limits.maxConnections) {
    const detail = `${limits.maxConnections} connections are open`;
    const reason = "connection_limit";
    effects.push({ type: "close", connection: id, device: null, reason, detail, when: "now" });
    return state;
  }
  const quiet = { heardAt: now, frameSince: null, heldBytes: 0 };
  return put(state, { kind: "new", id, acceptedAt: now, ...quiet });
}

function onConnection(
  state: InternalServerState,
  connection: Connection,
  input: Exclude<OfConnection, { readonly type: "accepted" }>,
  environment: Environment,
  effects: Effect[],
): InternalServerState {
  const close = (reason: CloseReason, detail: string) =>
    end(state, connection, reason, detail, effects);
  if (input.type === "closed") {
    return input.error === null
      ? close("peer_closed", "the device closed it")
      : close("network_error", input.error);
  }
  // It may say what it likes: nobody listens.
  if (connection.kind === "closing") return state;
  switch (input.type) {
    case "malformed":
      return close("malformed", input.detail);
    case "unsent":
      return close("unread_answers", `the device has not read ${input.bytes} bytes`);
    case "partial":
      return onPartial(state, connection, input.bytes, environment, effects);
    case "received": {
      const heard = { ...connection, heardAt: environment.now, frameSince: null, heldBytes: 0 };
      return onReceived(state, heard, input, environment, effects);
    }
  }
}

function onPartial(
  state: InternalServerState,
  connection: Exclude<Connection, { readonly kind: "closing" }>,
  bytes: number,
  { now, settings: { limits } }: Environment,
  effects: Effect[],
): InternalServerState {
  if (connection.kind === "registered" && connection.awaited !== null) return state;
  const frameSince = connection.frameSince ?? now;
  const next = put(state, { ...connection, heardAt: now, frameSince, heldBytes: bytes });
  return next.heldBytes > limits.maxHeldBytes ? endForMemory(state, connection, effects) : next;
}

function onReceived(
  state: InternalServerState,
  connection: Exclude<Connection, { readonly kind: "closing" }>,
  { message, denial }: Extract<Input, { readonly type: "received" }>,
  environment: Environment,
  effects: Effect[],
): InternalServerState {
  const isConnect = message.kind === "device_connect";
  if (connection.kind === "new") {
    if (isConnect && denial !== undefined) {
      return onDenied(state, connection, message.device, denial, environment, effects);
    }
    if (isConnect) return onConnect(state, connection, message.device, environment, effects);
    return end(state, connection, "not_connected", "a status came before the Connect", effects);
  }
  if (isConnect) {
    return end(state, connection, "connected_twice", "a second Connect came", effects);
  }
  if (connection.awaited === null) {
    return onStatus(state, connection, message, environment, effects);
  }
  const detail = `a status came before the ${connection.awaited.what} was answered`;
  return end(state, connection, "not_connected", detail, effects);
}

function onAnswer(
  state: InternalServerState,
  input: Extract<Input, { readonly type: "answer_connect" | "answer_status" }>,
  environment: Environment,
  effects: Effect[],
): InternalServerState {
  const what = input.type === "answer_connect" ? "connect" : "status";
  const asked = awaiting(state, input.device, what, input.request);
  if (asked === null) {
    effects.push({ type: "late_answer", device: input.device });
    return state;
  }
  const { connection, awaited: { device } } = asked;
  const next = input.type === "answer_connect"
    ? onConnectAnswered(state, connection, { ...input, device }, environment, effects)
    : onStatusAnswered(state, connection, { ...input, device }, environment, effects);
  const after = connectionOf(next, connection.id);
  return after?.kind === "registered" ? sendHeld(next, after, environment, effects) : next;
}

/**
 * The connection that waits for this very answer. The number keeps the late answer of a connection
 * that is gone from its device's next one.
 */
function awaiting(
  state: InternalServerState,
  device: Device,
  what: Awaited["what"],
  request: number,
): { readonly connection: Registered; readonly awaited: Awaited } | null {
  const connection = registeredOf(state, device);
  const awaited = connection?.awaited ?? null;
  if (connection === null || awaited === null) return null;
  return awaited.what === what && awaited.request === request ? { connection, awaited } : null;
}

function onTick(
  state: InternalServerState,
  environment: Environment,
  effects: Effect[],
): InternalServerState {
  let next = state;
  for (const connection of allConnections(state)) {
    const due = dueOf(connection, environment);
    if (due === null || environment.now < due) continue;
    next = endDue(next, connection, environment, effects);
  }
  return next;
}
