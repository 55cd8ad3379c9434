// A broker connection for load: as little MQTT as will do, so that the load generator is not the
// bottleneck it is meant to find.
import { ConnLink } from "../../src/net/link.ts";
import {
  type PacketListener,
  PacketReader,
  PUBACK_BYTES,
  publishBytes,
  topicField,
  writePuback,
  writePublish,
} from "../../src/transport/mqtt/packets.ts";
import { connectPacket, subscribePacket } from "../../tests/support/mqtt_packets.ts";

/** Whose connection it is. */
export interface RawClientOptions {
  readonly port: number;
  readonly clientId: string;
  /** Subscribed to with QoS 1. */
  readonly subscribe: readonly string[];
  /** Published to with QoS 1. */
  readonly publish: string;
}

/** What a connection tells its user. */
export interface RawClientListener {
  /** Subscribed. */
  onUp(): void;
  /** The payload is valid until the call returns. */
  onMessage(payload: Uint8Array): void;
  /** The connection is gone; the last call. */
  onDown(): void;
}

const MAX_PAYLOAD_BYTES = 1024 * 1024;
const CONNACK = 2;
const SUBACK = 9;
const PING = new Uint8Array([0xc0, 0]);
const DISCONNECT = new Uint8Array([0xe0, 0]);

/** One connection; what one turn of the event loop brings leaves in one write. */
export class RawClient implements PacketListener {
  readonly #options: RawClientOptions;
  readonly #listener: RawClientListener;
  readonly #topic: Uint8Array;
  readonly #reader: PacketReader;
  readonly #flush = () => this.#flushNow();
  #link: ConnLink | undefined;
  #acknowledgements: number[] = [];
  #payloads: Uint8Array[] = [];
  #messageId = 0;
  #flushing = false;
  #closed = false;

  constructor(options: RawClientOptions, listener: RawClientListener) {
    this.#options = options;
    this.#listener = listener;
    this.#topic = topicField(options.publish);
    this.#reader = new PacketReader(this, MAX_PAYLOAD_BYTES);
  }

  /** Connects and subscribes; `onUp` or `onDown` follows. */
  async open(): Promise<void> {
    try {
      const conn = await Deno.connect({ hostname: "127.0.0.1", port: this.#options.port });
      conn.setNoDelay(true);
      this.#link = new ConnLink(conn);
      this.#link.start({
        onData: (bytes) => this.#reader.push(bytes),
        onClosed: () => this.#down(),
      });
      this.#link.write(connectPacket(this.#options.clientId));
    } catch {
      this.#down();
    }
  }

  /** Sends with QoS 1; dropped when the connection is gone. */
  publish(payload: Uint8Array): void {
    if (this.#closed) return;
    this.#payloads.push(payload);
    this.#flushSoon();
  }

  /** Keeps the connection alive. */
  ping(): void {
    if (!this.#closed) this.#link?.write(PING);
  }

  /** Leaves the broker; `onDown` follows. */
  close(): void {
    if (this.#closed) return;
    this.#link?.write(DISCONNECT);
    this.#link?.end();
  }

  onPublish(payload: Uint8Array, messageId: number): void {
    this.#listener.onMessage(payload);
    if (messageId === 0) return;
    this.#acknowledgements.push(messageId);
    this.#flushSoon();
  }

  onOversize(): void {}

  onPuback(): void {}

  onControl(packet: Uint8Array): void {
    const type = (packet[0] ?? 0) >> 4;
    if (type === CONNACK) this.#link?.write(subscribePacket(this.#options.subscribe));
    else if (type === SUBACK) this.#listener.onUp();
  }

  #down(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#listener.onDown();
  }

  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(this.#flush);
  }

  #flushNow(): void {
    this.#flushing = false;
    const payloads = this.#payloads;
    const acknowledgements = this.#acknowledgements;
    let length = acknowledgements.length * PUBACK_BYTES;
    for (const payload of payloads) length += publishBytes(this.#topic, payload);
    const out = new Uint8Array(length);
    let at = 0;
    for (const id of acknowledgements) at = writePuback(out, at, id);
    for (const payload of payloads) {
      this.#messageId = this.#messageId % 65_535 + 1;
      at = writePublish(out, at, this.#topic, this.#messageId, payload);
    }
    this.#payloads = [];
    this.#acknowledgements = [];
    this.#link?.write(out);
  }
}
