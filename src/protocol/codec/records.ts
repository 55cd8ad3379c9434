// Shared by both codecs: protobufjs's types, and plain values of what it decodes.
// @ts-types="protobufjs"
import protobuf from "protobufjs/light";
import descriptor from "./descriptor.json" with { type: "json" };
import { type Device, NO_BYTES } from "../mod.ts";
import { MalformedMessageError } from "./errors.ts";

const root = protobuf.Root.fromJSON(descriptor as protobuf.INamespace);

/** The type of a message, by its full name. */
export function messageType(name: string): protobuf.Type {
  return root.lookupType(name);
}

const NO_DEVICE: Device = {
  module: 0,
  deviceType: 0,
  deviceRole: "",
  deviceName: "",
  priority: 0,
};

/**
 * Maximum length of a name that a gateway or a device chooses, in characters: session, company,
 * car, role or name of a device. Names are kept and shown in many places; a message may be a
 * thousand times as long.
 */
const MAX_NAME = 1024;

/** Copies the five fields, so that no protobufjs object is kept alive. */
export function plainDevice(device: Device | null | undefined): Device {
  if (!device) return NO_DEVICE;
  const { module, deviceType, priority } = device;
  const deviceRole = named("device role", device.deviceRole);
  const deviceName = named("device name", device.deviceName);
  return { module, deviceType, deviceRole, deviceName, priority };
}

/** @throws {MalformedMessageError} when the name is too long. */
export function named(what: string, name: string): string {
  if (name.length <= MAX_NAME) return name;
  const found = `${name.length} characters, it begins with "${name.slice(0, 20)}"`;
  throw new MalformedMessageError(
    `Cannot use a message: a ${what} has at most ${MAX_NAME} characters: this one has ${found}`,
  );
}

/** @throws {MalformedMessageError} when the bytes are not a message of this type. */
export function decode(type: protobuf.Type, payload: Uint8Array): unknown {
  try {
    return type.decode(payload);
  } catch (cause) {
    throw new MalformedMessageError(
      `Cannot decode ${payload.length} bytes as ${type.name}: ${
        cause instanceof Error ? cause.message : cause
      }`,
      { cause },
    );
  }
}

/** A message may wait long after the transport has reused its buffer. */
export function ownBytes(bytes: Uint8Array | null | undefined): Uint8Array {
  return bytes && bytes.length > 0 ? new Uint8Array(bytes) : NO_BYTES;
}
