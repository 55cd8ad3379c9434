// A device connects: whether it is registered, takes over, or is refused.
import { type Device, DeviceConnectResponseType as Type } from "../protocol/mod.ts";
import { dropHeld, end, endWhenSent } from "./ending.ts";
import type { CloseReason, Effect } from "./inputs.ts";
import {
  type Connection,
  type Environment,
  holderOf,
  type InternalServerState,
  type New,
  put,
  register,
  type Registered,
  unregister,
} from "./state.ts";

/** The first message of a connection is a Connect. */
export function onConnect(
  state: InternalServerState,
  connection: New,
  device: Device,
  environment: Environment,
  effects: Effect[],
): InternalServerState {
  const holder = holderOf(state, device);
  if (holder === null) return enter(state, connection, device, environment, effects);
  const { priority } = holder.device;
  if (priority < device.priority) {
    const detail = `a device of priority ${priority} is connected, before ${device.priority}`;
    const why = { type: Type.HIGHER_PRIORITY_ALREADY_CONNECTED, detail } as const;
    return refuse(
      state,
      connection,
      device,
      "higher_priority_connected",
      why,
      environment,
      effects,
    );
  }
  const silentMs = Math.round(environment.now - holder.heardAt);
  if (priority === device.priority && !mayTakeOver(silentMs, environment)) {
    const detail = `the device is connected, and was heard ${silentMs} ms ago`;
    const why = { type: Type.ALREADY_CONNECTED, detail } as const;
    return refuse(state, connection, device, "already_connected", why, environment, effects);
  }
  const detail = priority === device.priority
    ? `the device connected again after ${silentMs} ms of silence`
    : `a device of priority ${device.priority} connected, before ${priority}`;
  const without = end(state, holder, "replaced", detail, effects);
  return enter(without, connection, device, environment, effects);
}

/** The token of a Connect does not admit its device, which learns nothing of other connections. */
export function onDenied(
  state: InternalServerState,
  connection: New,
  device: Device,
  detail: string,
  environment: Environment,
  effects: Effect[],
): InternalServerState {
  const why = { type: Type.NOT_AUTHORIZED, detail };
  return refuse(state, connection, device, "not_authorized", why, environment, effects);
}

/** The module handler says whether a device may connect. */
export function onConnectAnswered(
  state: InternalServerState,
  connection: Registered,
  { device, responseType }: { readonly device: Device; readonly responseType: number },
  environment: Environment,
  effects: Effect[],
): InternalServerState {
  if (responseType === Type.OK) {
    effects.push({
      type: "send",
      connection: connection.id,
      message: { kind: "device_connect_response", type: Type.OK, device },
    });
    return put(state, { ...connection, awaited: null });
  }
  const detail = responseType === Type.MODULE_NOT_SUPPORTED
    ? `module ${device.module} is not supported`
    : responseType === Type.DEVICE_NOT_SUPPORTED
    ? `type ${device.deviceType} is not supported by module ${device.module}`
    : `response type ${responseType}`;
  const why = { type: responseType, detail };
  dropHeld(connection, effects);
  const without = unregister(state, connection.device);
  return refuse(without, connection, device, "refused", why, environment, effects);
}

function mayTakeOver(silentMs: number, { settings: { takeover, limits } }: Environment): boolean {
  return takeover === "probe" && silentMs > limits.silentMs;
}

/** Registers the connection, and asks the module handler. */
function enter(
  state: InternalServerState,
  { id, heardAt }: New,
  device: Device,
  { now }: Environment,
  effects: Effect[],
): InternalServerState {
  const request = state.nextRequest;
  effects.push({ type: "connected", request, device });
  const next = put({ ...state, nextRequest: request + 1 }, {
    kind: "registered",
    id,
    heardAt,
    frameSince: null,
    heldBytes: 0,
    device,
    awaited: { what: "connect", request, device, since: now },
    commands: [],
  });
  return register(next, device, id);
}

/** Answers, and closes: every client takes a refusal for final. */
function refuse(
  state: InternalServerState,
  connection: Connection,
  device: Device,
  reason: CloseReason,
  { type, detail }: { readonly type: number; readonly detail: string },
  environment: Environment,
  effects: Effect[],
): InternalServerState {
  const { id } = connection;
  const message = { kind: "device_connect_response", type, device } as const;
  effects.push({ type: "send", connection: id, message });
  effects.push({ type: "close", connection: id, device, reason, detail, when: "sent" });
  return endWhenSent(state, connection, environment);
}
