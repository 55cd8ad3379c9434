// A connected device: its statuses, their answers, and commands that it did not ask for.
import {
  type Device,
  deviceKey,
  type DeviceStatus,
  type GatewayMessage,
  sameDevice,
} from "../protocol/mod.ts";
import { end } from "./ending.ts";
import type { Effect } from "./inputs.ts";
import { pushModeOf } from "./settings.ts";
import {
  type Connection,
  type Environment,
  type InternalServerState,
  put,
  type Registered,
  registeredOf,
} from "./state.ts";

/** A connected device reports: the module handler is asked for its command. */
export function onStatus(
  state: InternalServerState,
  connection: Registered,
  { device, statusData: data }: DeviceStatus,
  { now, settings: { limits } }: Environment,
  effects: Effect[],
): InternalServerState {
  const own = connection.device;
  if (!sameDevice(device, own) || device.priority !== own.priority) {
    const detail = `a status of ${named(device)} on the connection of ${named(own)}`;
    return end(state, connection, "foreign_device", detail, effects);
  }
  const request = state.nextRequest;
  const next = put({ ...state, nextRequest: request + 1 }, {
    ...connection,
    heldBytes: data.length,
    awaited: { what: "status", request, device, since: now },
  });
  if (next.heldBytes > limits.maxHeldBytes) return endForMemory(state, connection, effects);
  effects.push({ type: "status", request, device, data });
  return next;
}

/** The module handler has the command for a status. */
export function onStatusAnswered(
  state: InternalServerState,
  connection: Registered,
  { device, command }: { readonly device: Device; readonly command: Uint8Array },
  { settings }: Environment,
  effects: Effect[],
): InternalServerState {
  const { id, commands } = connection;
  const [held] = commands;
  const isHeldBack = command.length === 0 && held !== undefined &&
    pushModeOf(device, settings) === "never";
  effects.push({
    type: "send",
    connection: id,
    message: commandTo(device, isHeldBack ? held : command),
  });
  return put(state, {
    ...connection,
    heldBytes: 0,
    awaited: null,
    commands: isHeldBack ? commands.slice(1) : commands,
  });
}

/** A command that the device did not ask for. */
export function onPush(
  state: InternalServerState,
  { device, command }: { readonly device: Device; readonly command: Uint8Array },
  { settings }: Environment,
  effects: Effect[],
): InternalServerState {
  const connection = registeredOf(state, device);
  if (connection === null) {
    effects.push({ type: "dropped_command", device, detail: "the device is not connected" });
    return state;
  }
  const { id, awaited } = connection;
  const mode = pushModeOf(device, settings);
  // Before its Connect is answered, a device expects nothing else.
  if (mode !== "never" && (awaited === null || mode === "always" && awaited.what === "status")) {
    const message = commandTo(connection.device, command);
    effects.push({ type: "send", connection: id, message });
    return state;
  }
  const { maxHeldCommands } = settings.limits;
  const held = [...connection.commands, command];
  if (held.length > maxHeldCommands) {
    const detail = `more than ${maxHeldCommands} wait for the device: the oldest made room`;
    effects.push({ type: "dropped_command", device, detail });
  }
  return put(state, { ...connection, commands: held.slice(-maxHeldCommands) });
}

/** Sends what was held back, once nothing is awaited. */
export function sendHeld(
  state: InternalServerState,
  connection: Registered,
  { settings }: Environment,
  effects: Effect[],
): InternalServerState {
  const { id, device, commands } = connection;
  if (commands.length === 0 || pushModeOf(device, settings) === "never") return state;
  for (const command of commands) {
    effects.push({ type: "send", connection: id, message: commandTo(device, command) });
  }
  return put(state, { ...connection, commands: [] });
}

/** All connections together hold too much: this one would have held more. */
export function endForMemory(
  state: InternalServerState,
  connection: Connection,
  effects: Effect[],
): InternalServerState {
  const detail = `all connections together hold ${state.heldBytes} bytes`;
  return end(state, connection, "memory_limit", detail, effects);
}

function commandTo(device: Device, commandData: Uint8Array): GatewayMessage {
  return { kind: "device_command", device, commandData };
}

function named(device: Device): string {
  return `device ${deviceKey(device)} of priority ${device.priority}`;
}
