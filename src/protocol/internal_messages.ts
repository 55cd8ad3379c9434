// The messages between a device and its Module Gateway as plain readonly data [MSG-INTERNAL].
import type { Device } from "./messages.ts";

/** A gateway's answer to a device that asks to be connected; other numbers may arrive as well. */
export const DeviceConnectResponseType = {
  OK: 0,
  ALREADY_CONNECTED: 1,
  MODULE_NOT_SUPPORTED: 2,
  DEVICE_NOT_SUPPORTED: 3,
  HIGHER_PRIORITY_ALREADY_CONNECTED: 4,
  /** An addition to the protocol: the gateway expects tokens, and this device's is not right. */
  NOT_AUTHORIZED: 15,
} as const;

/** A device asks to be connected; the first message of a connection. */
export interface DeviceConnect {
  readonly kind: "device_connect";
  readonly device: Device;
  /** An addition to the protocol, ignored by gateways that do not expect it; never empty. */
  readonly token?: string;
}

/** A device reports. */
export interface DeviceStatus {
  readonly kind: "device_status";
  readonly device: Device;
  readonly statusData: Uint8Array;
}

/** All that a device may send (`InternalClient`). */
export type DeviceMessage = DeviceConnect | DeviceStatus;

/** The gateway answers a {@linkcode DeviceConnect}; `device` echoes the request's. */
export interface DeviceConnectResponse {
  readonly kind: "device_connect_response";
  /** One of {@linkcode DeviceConnectResponseType}, or a number this version does not know. */
  readonly type: number;
  readonly device: Device;
}

/** The gateway answers a status, or hands over an unsolicited command. */
export interface DeviceCommand {
  readonly kind: "device_command";
  readonly device: Device;
  /** Empty: there is nothing new. */
  readonly commandData: Uint8Array;
}

/** All that a gateway may send to a device (`InternalServer`). */
export type GatewayMessage = DeviceConnectResponse | DeviceCommand;
