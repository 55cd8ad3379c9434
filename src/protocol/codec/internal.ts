// Decodes and encodes the messages between devices and gateways [MSG-INTERNAL].
import type protobuf from "protobufjs";
import { type Device, type DeviceMessage, type GatewayMessage } from "../mod.ts";
import { decode, messageType, named, ownBytes, plainDevice } from "./records.ts";
import { MalformedMessageError } from "./errors.ts";

const InternalClient = messageType("InternalProtocol.InternalClient");
const InternalServer = messageType("InternalProtocol.InternalServer");

/** An `InternalClient` as protobufjs decodes it. */
interface DeviceRecord {
  deviceConnect?: { device?: Device | null; token?: string } | null;
  deviceStatus?: { device?: Device | null; statusData: Uint8Array } | null;
}

/** An `InternalServer` as protobufjs decodes it. */
interface GatewayRecord {
  deviceConnectResponse?: { responseType: number; device?: Device | null } | null;
  deviceCommand?: { device?: Device | null; commandData: Uint8Array } | null;
}

/** Encodes a message of a device. */
export function encodeDeviceMessage(message: DeviceMessage): Uint8Array {
  const { device } = message;
  const record: DeviceRecord = message.kind === "device_connect"
    ? { deviceConnect: message.token === undefined ? { device } : { device, token: message.token } }
    : { deviceStatus: { device, statusData: message.statusData } };
  return InternalClient.encode(record).finish();
}

/**
 * Decodes a message of a device; the result does not refer to `body`.
 *
 * @throws {MalformedMessageError} when the bytes are not an `InternalClient`, or hold no message.
 */
export function decodeDeviceMessage(body: Uint8Array): DeviceMessage {
  const { deviceConnect, deviceStatus } = decode(InternalClient, body) as DeviceRecord;
  if (deviceStatus) {
    const { device, statusData } = deviceStatus;
    return {
      kind: "device_status",
      device: plainDevice(device),
      statusData: ownBytes(statusData),
    };
  }
  if (deviceConnect) {
    const device = plainDevice(deviceConnect.device);
    const token = named("token", deviceConnect.token ?? "");
    return { kind: "device_connect", device, ...(token === "" ? {} : { token }) };
  }
  throw noneSet(InternalClient, body);
}

/** Encodes a message of a gateway to a device. */
export function encodeGatewayMessage(message: GatewayMessage): Uint8Array {
  const { device } = message;
  const record: GatewayRecord = message.kind === "device_command"
    ? { deviceCommand: { device, commandData: message.commandData } }
    : { deviceConnectResponse: { responseType: message.type, device } };
  return InternalServer.encode(record).finish();
}

/**
 * Decodes a message of a gateway to a device; the result does not refer to `body`.
 *
 * @throws {MalformedMessageError} when the bytes are not an `InternalServer`, or hold no message.
 */
export function decodeGatewayMessage(body: Uint8Array): GatewayMessage {
  const { deviceConnectResponse, deviceCommand } = decode(InternalServer, body) as GatewayRecord;
  if (deviceCommand) {
    const { device, commandData } = deviceCommand;
    return {
      kind: "device_command",
      device: plainDevice(device),
      commandData: ownBytes(commandData),
    };
  }
  if (deviceConnectResponse) {
    const { responseType: type, device } = deviceConnectResponse;
    return { kind: "device_connect_response", type, device: plainDevice(device) };
  }
  throw noneSet(InternalServer, body);
}

function noneSet(type: protobuf.Type, { length }: Uint8Array): MalformedMessageError {
  return new MalformedMessageError(
    `Cannot use ${type.name}: none of its messages is set in ${length} bytes`,
  );
}
