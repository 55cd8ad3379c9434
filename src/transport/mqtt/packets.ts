// The MQTT 3.1.1 packets that carry messages, on the level of bytes: PUBLISH and PUBACK.
//
// mqtt.js handles everything else (CONNECT, SUBSCRIBE, pings, ...). These two are read and written
// here because every status takes two of each, and mqtt.js's path through streams, stores and
// events costs more than everything else that a status needs.
import { MalformedPacketError } from "../../net/mod.ts";

const PUBLISH = 3;
const PUBACK = 4;
/** First byte of a PUBLISH with QoS 1, not retained, sent for the first time. */
export const PUBLISH_QOS1 = 0x32;
/** First byte of a retained PUBLISH with QoS 1. */
export const PUBLISH_RETAINED = 0x33;
/** First byte of a PUBLISH with QoS 0, which has no message id. */
const PUBLISH_QOS0 = 0x30;
const QOS_BITS = 0x06;
const DUPLICATE_BIT = 0x08;
/** First byte of a PUBACK, whose remaining length is always 2. */
const PUBACK_HEADER = 0x40;
/** Packets beside PUBLISH are small: the largest is a SUBACK of a few bytes. */
const MAX_CONTROL_BYTES = 65_536;
/** A larger buffer is not kept for the next packet that comes in pieces. */
const KEPT_BUFFER_BYTES = 65_536;
/** A PUBACK as a whole. */
export const PUBACK_BYTES = 4;

/** What a {@linkcode PacketReader} finds. Byte views are valid until the call returns. */
export interface PacketListener {
  /**
   * A message; `messageId` is 0 when the broker wants no PUBACK for it. `first` is the first byte of its
   * packet; see {@linkcode topicOf} for its topic, of so many bytes.
   */
  onPublish(payload: Uint8Array, messageId: number, first: number, topicBytes: number): void;
  /** A message larger than allowed, which is being discarded unread. */
  onOversize(payloadBytes: number, messageId: number): void;
  /** The broker has one of our messages. */
  onPuback(): void;
  /** Any other packet, whole. */
  onControl(packet: Uint8Array): void;
}

/** Splits a stream of bytes into packets. */
export class PacketReader {
  readonly #listener: PacketListener;
  /** A larger payload is discarded unread; counts from the next packet on. */
  maxPayloadBytes: number;
  /** The beginning of an incomplete packet. */
  #partial = new Uint8Array(0);
  #partialLength = 0;
  /** The partial packet is looked at again when it has this many bytes. */
  #wanted = 0;
  /** Remaining bytes of an oversized packet. */
  #skip = 0;

  /** @param maxPayloadBytes a larger payload is discarded unread */
  constructor(listener: PacketListener, maxPayloadBytes: number) {
    this.#listener = listener;
    this.maxPayloadBytes = maxPayloadBytes;
  }

  /**
   * Takes the next bytes, which may be reused afterwards.
   *
   * @throws {MalformedPacketError} when they are not MQTT; nothing can be read after that.
   */
  push(chunk: Uint8Array): void {
    let bytes = chunk;
    if (this.#skip > 0) {
      const skipped = Math.min(this.#skip, bytes.length);
      this.#skip -= skipped;
      bytes = bytes.subarray(skipped);
    }
    while (this.#partialLength > 0 && bytes.length > 0) {
      const taken = Math.min(this.#wanted - this.#partialLength, bytes.length);
      this.#partial.set(bytes.subarray(0, taken), this.#partialLength);
      this.#partialLength += taken;
      bytes = bytes.subarray(taken);
      if (this.#partialLength < this.#wanted) return;
      const whole = this.#partial.subarray(0, this.#partialLength);
      this.#partialLength = 0;
      this.#read(whole);
      if (this.#partialLength === 0 && this.#partial.length > KEPT_BUFFER_BYTES) {
        this.#partial = new Uint8Array(0);
      }
      if (this.#skip > 0) return this.push(bytes);
    }
    if (bytes.length > 0) this.#read(bytes);
  }

  #read(bytes: Uint8Array): void {
    const end = bytes.length;
    let start = 0;
    while (start < end) {
      let length = 0;
      let at = start + 1;
      for (let shift = 0;; shift += 7) {
        if (at >= end) return this.#keep(bytes, start, at + 1 - start);
        const byte = bytes[at++] as number;
        length |= (byte & 127) << shift;
        if (byte < 128) break;
        if (shift === 21) {
          throw new MalformedPacketError("Cannot read a packet: its length is endless");
        }
      }
      const next = at + length;
      const first = bytes[start] as number;
      if (first >> 4 === PUBLISH) {
        if (length > this.maxPayloadBytes && this.#isOversize(bytes, start, at, next)) {
          this.#skip = Math.max(0, next - end);
          start = next;
          continue;
        }
        if (this.#partialLength > 0) return;
        if (next > end) return this.#keep(bytes, start, next - start);
        this.#publish(bytes, first, at, next);
      } else {
        if (length > MAX_CONTROL_BYTES) {
          throw new MalformedPacketError(
            `Cannot read a packet of type ${first >> 4}: ${length} bytes`,
          );
        }
        if (next > end) return this.#keep(bytes, start, next - start);
        if (first >> 4 === PUBACK) this.#listener.onPuback();
        else this.#listener.onControl(bytes.subarray(start, next));
      }
      start = next;
    }
  }

  #publish(bytes: Uint8Array, first: number, at: number, next: number): void {
    const qos = (first >> 1) & 3;
    const topicEnd = at + 2 + twoBytes(bytes, at);
    const payloadStart = qos === 0 ? topicEnd : topicEnd + 2;
    if (qos > 1) {
      throw new MalformedPacketError(`Cannot take a message: QoS ${qos} was not asked for`);
    }
    if (payloadStart > next) {
      throw new MalformedPacketError("Cannot take a message: it is cut short");
    }
    const messageId = qos === 0 ? 0 : twoBytes(bytes, topicEnd);
    const payload = bytes.subarray(payloadStart, next);
    this.#listener.onPublish(payload, messageId, first, topicEnd - at - 2);
  }

  /** Looks at a suspiciously long message; keeps its beginning when that is not all there. */
  #isOversize(bytes: Uint8Array, start: number, at: number, next: number): boolean {
    const headerEnd = at + 2 <= bytes.length ? at + 4 + twoBytes(bytes, at) : at + 2;
    if (headerEnd > bytes.length) {
      this.#keep(bytes, start, headerEnd - start);
      return false;
    }
    const withId = ((bytes[start] as number) >> 1 & 3) > 0;
    const payloadBytes = next - (withId ? headerEnd : headerEnd - 2);
    if (payloadBytes <= this.maxPayloadBytes) return false;
    this.#listener.onOversize(payloadBytes, withId ? twoBytes(bytes, headerEnd - 2) : 0);
    return true;
  }

  /** Keeps a copy of what begins at `start`, until `wanted` bytes of it are there. */
  #keep(bytes: Uint8Array, start: number, wanted: number): void {
    const rest = bytes.subarray(start);
    if (this.#partial.length < wanted) {
      const larger = new Uint8Array(Math.max(wanted, 64));
      larger.set(rest);
      this.#partial = larger;
    } else this.#partial.set(rest);
    this.#partialLength = rest.length;
    this.#wanted = wanted;
  }
}

function twoBytes(bytes: Uint8Array, at: number): number {
  return (bytes[at] as number) << 8 | (bytes[at + 1] as number);
}

/** A topic as it stands in a PUBLISH: two bytes of length, then UTF-8. */
export function topicField(topic: string): Uint8Array {
  const text = new TextEncoder().encode(topic);
  const field = new Uint8Array(2 + text.length);
  field[0] = text.length >> 8;
  field[1] = text.length & 255;
  field.set(text, 2);
  return field;
}

/** How long a PUBLISH with QoS 1 becomes, in bytes. */
export function publishBytes(topic: Uint8Array, payload: Uint8Array): number {
  const length = topic.length + 2 + payload.length;
  return 1 + (length < 128 ? 1 : length < 16_384 ? 2 : length < 2_097_152 ? 3 : 4) + length;
}

/** Writes a PUBLISH with QoS 1 and returns where it ends; `first` is its first byte. */
export function writePublish(
  out: Uint8Array,
  start: number,
  topic: Uint8Array,
  messageId: number,
  payload: Uint8Array,
  first = PUBLISH_QOS1,
): number {
  let at = start;
  out[at++] = first;
  at = writeLength(out, at, topic.length + 2 + payload.length);
  out.set(topic, at);
  at += topic.length;
  out[at++] = messageId >> 8;
  out[at++] = messageId & 255;
  out.set(payload, at);
  return at + payload.length;
}

/** A PUBLISH with QoS 0. */
export function unacknowledgedPublish(topic: Uint8Array, payload: Uint8Array): Uint8Array {
  const length = topic.length + payload.length;
  const out = new Uint8Array(5 + length);
  out[0] = PUBLISH_QOS0;
  const at = writeLength(out, 1, length);
  out.set(topic, at);
  out.set(payload, at + topic.length);
  return out.subarray(0, at + length);
}

/** Writes the length of what follows and returns where it ends. */
function writeLength(out: Uint8Array, start: number, bytes: number): number {
  let at = start;
  let length = bytes;
  for (; length >= 128; length >>= 7) out[at++] = length & 127 | 128;
  out[at++] = length;
  return at;
}

/** Whether a message may have been sent before, by the first byte of its packet. */
export function isDuplicate(first: number): boolean {
  return (first & DUPLICATE_BIT) !== 0;
}

/** What stands before the payload in a packet: the topic, and the message id if there is one. */
function headBytes(first: number, topicBytes: number): number {
  return topicBytes + ((first & QOS_BITS) === 0 ? 0 : 2);
}

/** The topic of a message, as {@linkcode PacketListener.onPublish} got it. */
export function topicOf(payload: Uint8Array, first: number, topicBytes: number): Uint8Array {
  const start = payload.byteOffset - headBytes(first, topicBytes);
  return new Uint8Array(payload.buffer, start, topicBytes);
}

/** A copy of a payload that still has its topic. */
export function copyWithTopic(payload: Uint8Array, first: number, topicBytes: number): Uint8Array {
  const head = headBytes(first, topicBytes);
  const start = payload.byteOffset - head;
  return new Uint8Array(payload.buffer, start, head + payload.length).slice().subarray(head);
}

/** Writes a PUBACK and returns where it ends. */
export function writePuback(out: Uint8Array, start: number, messageId: number): number {
  out[start] = PUBACK_HEADER;
  out[start + 1] = 2;
  out[start + 2] = messageId >> 8;
  out[start + 3] = messageId & 255;
  return start + PUBACK_BYTES;
}
