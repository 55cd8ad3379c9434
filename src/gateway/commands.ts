// Accepts and answers commands of the server.
import { type Command, CommandResponseType, type Device, nextCounter } from "../protocol/mod.ts";
import type { Effect } from "./inputs.ts";
import type { GatewaySettings } from "./state.ts";

/** The counter the command must have: the one after the last; the first of a session has any. */
export function expectedCounter(
  { lastCommand }: { readonly lastCommand: number | null },
  { messageCounter }: Command,
): number {
  return lastCommand === null ? messageCounter : nextCounter(lastCommand);
}

/** Whether the gateway has a module of the device's number. */
export function hasModule({ module }: Device, { modules }: GatewaySettings): boolean {
  return modules.some((served) => served.module === module);
}

/** The type of the response to a command for a device of a module there is. */
export function servedType(
  { device }: Command,
  isConnected: boolean,
  { modules }: GatewaySettings,
): number {
  if (isConnected) return CommandResponseType.OK;
  const served = modules.find(({ module }) => module === device.module);
  return served?.deviceTypes.includes(device.deviceType)
    ? CommandResponseType.DEVICE_NOT_CONNECTED
    : CommandResponseType.DEVICE_NOT_SUPPORTED;
}

/** Passes a command to its device, and answers it. */
export function respond(
  command: Command,
  type: number,
  inSequence: boolean,
  effects: Effect[],
): void {
  const { sessionId, messageCounter } = command;
  effects.push({ type: "command", command, responseType: type });
  const message = { kind: "command_response", sessionId, type, messageCounter } as const;
  effects.push({ type: "send", message, inSequence, tag: null });
}
