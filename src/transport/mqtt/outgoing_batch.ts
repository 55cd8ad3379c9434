// What one connection sends: all that a turn of the event loop publishes and acknowledges, in one
// write.
import { Buffer } from "node:buffer";
import { BrokerStalledError, type Link } from "../../net/mod.ts";
import type { TransportStats } from "../transport.ts";
import {
  PUBACK_BYTES,
  PUBLISH_RETAINED,
  publishBytes,
  writePuback,
  writePublish,
} from "./packets.ts";

/** Flushes batches a little later, many with one timer. */
export interface FlushTicker {
  /** Calls `batch.flush()` within 20 ms. */
  soon(batch: OutgoingBatch): void;
  /** Cancels that. */
  never(batch: OutgoingBatch): void;
}

export interface OutgoingBatchOptions {
  readonly link: Link;
  readonly stats: TransportStats;
  readonly ticker: FlushTicker;
  /** Too much is unacknowledged or unsent: the connection is to be given up. */
  onStalled(error: BrokerStalledError): void;
}

/** More messages than this without the broker's PUBACK: the connection is given up. */
export const MAX_OUTSTANDING = 8_192;
/** More bytes than this not accepted by the network: the connection is given up. */
const MAX_UNSENT_BYTES = 64 * 1024 * 1024;
/**
 * With so many acknowledgements, they are sent at once: brokers send at most 20 messages without one.
 * Fewer wait for a response, as each write costs more than everything else that a status needs.
 */
const ACKNOWLEDGE_AT = 16;

/** The packet id of SUBSCRIBE; messages have all lower ones. */
export const SUBSCRIBE_ID = 65_535;

const NO_PACKET = new Uint8Array(0);

/**
 * Messages and acknowledgements of one connection. An acknowledgement alone waits a moment for a
 * response that it can be sent with.
 */
export class OutgoingBatch {
  readonly #options: OutgoingBatchOptions;
  #flushing = false;
  #ticking = false;
  #acknowledgements: number[] = [];
  #topics: Uint8Array[] = [];
  #payloads: Uint8Array[] = [];
  #messageId = 0;
  #outstanding = 0;
  #whenIdle: (() => void) | undefined;
  #settling = false;
  #destroyed = false;

  constructor(options: OutgoingBatchOptions) {
    this.#options = options;
  }

  /** Sends with QoS 1. The payload must not be changed afterwards. */
  publish(topic: Uint8Array, payload: Uint8Array): void {
    if (this.#destroyed || this.#settling) return;
    this.#outstanding++;
    this.#topics.push(topic);
    this.#payloads.push(payload);
    this.#options.stats.messagesOut++;
    this.#flushSoon();
  }

  /** Sends a PUBACK for the broker's message with this id. */
  acknowledge(messageId: number): void {
    if (this.#acknowledgements.push(messageId) >= ACKNOWLEDGE_AT) this.#flushSoon();
    else if (!this.#flushing && !this.#ticking) {
      this.#ticking = true;
      this.#options.ticker.soon(this);
    }
  }

  /**
   * Sends all that was published, then the retained message with QoS 1, then PUBACKs, in one write: the
   * broker takes them in this order.
   */
  publishRetained(topic: Uint8Array, payload: Uint8Array, pubacks: readonly number[]): void {
    if (this.#destroyed || this.#settling) return;
    const length = publishBytes(topic, payload) + pubacks.length * PUBACK_BYTES;
    const packets = Buffer.allocUnsafe(length);
    let at = writePublish(packets, 0, topic, this.#nextId(), payload, PUBLISH_RETAINED);
    for (const id of pubacks) at = writePuback(packets, at, id);
    this.#outstanding++;
    this.flush(packets);
  }

  /** Whether the broker has all the messages. */
  get isIdle(): boolean {
    return this.#outstanding === 0;
  }

  /** The broker has one of the messages. */
  onPuback(): void {
    // The broker answers each message once, so that counting them is enough.
    if (this.#outstanding > 0) this.#outstanding--;
    if (this.#outstanding === 0) this.#whenIdle?.();
  }

  /** Sends what is published from now on in one write with mqtt.js's next packet, before it. */
  joinNextPacket(): void {
    this.#flushing = true;
  }

  /** Sends what has been published and acknowledged, and `packet` behind it. */
  readonly flush = (packet: Uint8Array = NO_PACKET): void => {
    this.#flushing = false;
    this.#ticking = false;
    const acknowledgements = this.#acknowledgements;
    const payloads = this.#payloads;
    const topics = this.#topics;
    if (this.#destroyed || acknowledgements.length + payloads.length === 0) {
      if (packet.length > 0) this.#send(packet);
      return;
    }
    let length = acknowledgements.length * PUBACK_BYTES + packet.length;
    for (let i = 0; i < payloads.length; i++) {
      length += publishBytes(topics[i] as Uint8Array, payloads[i] as Uint8Array);
    }
    const out = Buffer.allocUnsafe(length);
    let at = 0;
    for (let i = 0; i < acknowledgements.length; i++) {
      at = writePuback(out, at, acknowledgements[i] as number);
    }
    for (let i = 0; i < payloads.length; i++) {
      const payload = payloads[i] as Uint8Array;
      at = writePublish(out, at, topics[i] as Uint8Array, this.#nextId(), payload);
    }
    out.set(packet, at);
    this.#acknowledgements = [];
    this.#payloads = [];
    this.#topics = [];
    this.#send(out);
  };

  /** Takes no more messages; resolves when the broker has acknowledged all that were published. */
  settle(): Promise<void> {
    this.flush();
    this.#settling = true;
    if (this.#outstanding === 0 || this.#destroyed) return Promise.resolve();
    return new Promise((resolve) => this.#whenIdle = resolve);
  }

  /** Sends nothing more, and leaves nothing waiting. */
  destroy(): void {
    this.#destroyed = true;
    this.#whenIdle?.();
    this.#options.ticker.never(this);
  }

  #nextId(): number {
    return this.#messageId = this.#messageId % (SUBSCRIBE_ID - 1) + 1;
  }

  #send(bytes: Uint8Array): void {
    const { link, stats, onStalled } = this.#options;
    stats.bytesOut += bytes.length;
    link.write(bytes);
    const { unsentBytes } = link;
    if (this.#outstanding <= MAX_OUTSTANDING && unsentBytes <= MAX_UNSENT_BYTES) return;
    const found = `${this.#outstanding} messages are unanswered and ${unsentBytes} bytes unsent`;
    onStalled(new BrokerStalledError(`Cannot send any more: ${found}`));
  }

  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(this.flush);
  }
}
