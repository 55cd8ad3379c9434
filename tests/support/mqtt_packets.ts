// MQTT packets, byte by byte, for peers that a library would not let misbehave.
import { topicField } from "../../src/transport/mqtt/packets.ts";

/** First byte of a PUBLISH with QoS 0. */
export const PUBLISH_QOS0 = 0x30;
/** First byte of a PUBLISH with QoS 1. */
export const PUBLISH_QOS1 = 0x32;
/** First byte of a PUBLISH with QoS 2. */
export const PUBLISH_QOS2 = 0x34;

/** A CONNECT with a clean session; keep-alive 15 s as in [MQTT-SETTINGS], 0 for none. */
export function connectPacket(clientId: string, keepAliveS = 15): Uint8Array {
  // Protocol "MQTT" level 4, clean session.
  const head = [0, 4, 0x4d, 0x51, 0x54, 0x54, 4, 2, keepAliveS >> 8, keepAliveS & 255];
  return packet(0x10, head, topicField(clientId));
}

/** A SUBSCRIBE with QoS 1 for each topic. */
export function subscribePacket(topics: readonly string[], packetId = 1): Uint8Array {
  const fields = topics.flatMap((topic) => [...topicField(topic), 1]);
  return packet(0x82, [packetId >> 8, packetId & 255], new Uint8Array(fields));
}

/** A PUBLISH; `first` is its first byte, and with a QoS above 0 it has a packet id. */
export function messagePacket(
  topic: string,
  payload: Uint8Array,
  first = PUBLISH_QOS1,
  packetId = 7,
): Uint8Array {
  const id = (first & 6) === 0 ? [] : [packetId >> 8, packetId & 255];
  return packet(first, [...topicField(topic), ...id], payload);
}

/** First byte, remaining length, and the rest in two parts. */
function packet(first: number, head: readonly number[], body: Uint8Array): Uint8Array {
  const header = [first];
  let length = head.length + body.length;
  for (; length >= 128; length >>= 7) header.push(length & 127 | 128);
  header.push(length, ...head);
  const whole = new Uint8Array(header.length + body.length);
  whole.set(header);
  whole.set(body, header.length);
  return whole;
}
