// What a gateway may send that is no message, or none of its own.
import { encodeClientMessage } from "../../src/protocol/codec/codec.ts";
import { type Device, DeviceState, NO_BYTES } from "../../src/protocol/messages.ts";
import { filledPayload, makeDevices } from "../../src/simulator/devices.ts";
import { seededRandom } from "../../src/simulator/misbehavior.ts";
import { COMPANY } from "../e2e/server_process.ts";

/** One of a few messages that are right, broken in some way; or noise. */
export function anyMessage(right: readonly Uint8Array[], random: () => number): Uint8Array {
  const below = (limit: number) => Math.floor(random() * limit);
  if (random() < 0.25) return Uint8Array.from({ length: below(200) }, () => below(256));
  // A copy of its own, which `slice` does not make of the Buffers that the codec returns.
  const message = new Uint8Array(right[below(right.length)] ?? []);
  for (let i = below(6); i >= 0; i--) message[below(message.length)] = below(256);
  if (random() < 0.2) return message.slice(0, below(message.length));
  return message;
}

/** Kinds of message for a flood. */
export type Junk =
  /** Bytes that are no protobuf. */
  | "noise"
  /** Messages that were right once. */
  | "mutated"
  /** Statuses of a session that does not exist. */
  | "stray";

/** How many different messages a flood has: enough that none is like the last. */
const JUNK_MESSAGES = 512;

/** Messages of one kind, as large as asked for or, if `mutated`, larger. */
export function junkMessages(junk: Junk, bytes: number, car: string): Uint8Array[] {
  const random = seededRandom(bytes);
  const stray = encodeClientMessage({
    kind: "status",
    sessionId: "another",
    deviceState: DeviceState.RUNNING,
    messageCounter: 7,
    device: makeDevices(1)[0] as Device,
    statusData: filledPayload(bytes),
    errorMessage: NO_BYTES,
  });
  const connect = connectMessage(car, makeDevices(3));
  return Array.from({ length: JUNK_MESSAGES }, () => {
    if (junk === "stray") return stray;
    if (junk === "mutated") return anyMessage([stray, connect], random);
    return Uint8Array.from({ length: bytes }, () => random() * 256);
  });
}

/** A Connect of a new session. */
export function connectMessage(car: string, devices: readonly Device[]): Uint8Array {
  const sessionId = crypto.randomUUID();
  return encodeClientMessage({
    kind: "connect",
    sessionId,
    company: COMPANY,
    vehicleName: car,
    devices,
  });
}
