// What one connection receives: delivers messages, or holds them back, and limits their rate.
import type { Link, LinkListener } from "../../net/mod.ts";
import { type Clock, RateLimit } from "../../time/mod.ts";
import type { MessageLimits, TransportStats } from "../transport.ts";
import type { OutgoingBatch } from "./outgoing_batch.ts";
import { copyWithTopic, type PacketListener, PacketReader } from "./packets.ts";

export interface IncomingListener {
  /** As in {@linkcode TransportListener.onMessage}. */
  onMessage(payload: Uint8Array): void;
  /** A message of so many bytes was discarded unread. */
  onOversize(payloadBytes: number): void;
  /** More messages arrive than allowed: reading slows down. */
  onFlood(): void;
}

/**
 * Takes a message in place of {@linkcode IncomingListener.onMessage}, and acknowledges it when it likes;
 * see {@linkcode PacketListener.onPublish}.
 */
export type TakeMessage = PacketListener["onPublish"];

export interface IncomingMessagesOptions {
  readonly link: Link;
  /** @default {each message is acknowledged when it was delivered} */
  readonly take?: TakeMessage | undefined;
  readonly limits: MessageLimits;
  readonly stats: TransportStats;
  readonly clock: Clock;
  readonly listener: IncomingListener;
  /** Takes the acknowledgements. */
  readonly outgoing: OutgoingBatch;
  /** A packet that is neither a message nor a PUBACK. */
  onControl(packet: Uint8Array): void;
  /** The link was closed. */
  onClosed(error: Error | undefined): void;
}

/** While paused, this much is still read and kept, so that pings get through ... */
const MAX_HELD_MESSAGES = 1_000;
/** ... or this many bytes; then the connection is not read at all. Before SUBACK, the newest stay. */
const MAX_HELD_BYTES = 1024 * 1024;

interface Held {
  readonly payload: Uint8Array;
  readonly messageId: number;
  readonly first: number;
  readonly topicBytes: number;
}

/** Messages of one connection. */
export class IncomingMessages implements LinkListener, PacketListener {
  readonly #options: IncomingMessagesOptions;
  readonly #reader: PacketReader;
  readonly #rate: RateLimit;
  /** Messages that wait: all of them before `open()` and while paused. */
  #held: Held[] = [];
  #heldBytes = 0;
  #holding = true;
  #open = false;
  #paused = false;
  #closed = false;
  #heard = false;

  constructor(options: IncomingMessagesOptions) {
    const { link, limits, clock, listener } = options;
    this.#options = options;
    this.#reader = new PacketReader(this, limits.maxMessageBytes);
    this.#rate = new RateLimit(limits.maxMessagesPerSecond, {
      clock,
      pause: () => {
        link.pause();
        listener.onFlood();
      },
      resume: () => this.#readOn(),
    });
  }

  /** @throws {MalformedPacketError} when the bytes are not MQTT, or nothing asked for a packet. */
  onData(bytes: Uint8Array): void {
    this.#heard = true;
    this.#options.stats.bytesIn += bytes.length;
    this.#reader.push(bytes);
    if (!this.#closed) this.#rate.check();
  }

  /** Whether anything arrived since the last call, or reading is paused. */
  takeHeard(): boolean {
    const heard = this.#heard || this.#heldTooMuch() || this.#rate.pausing;
    this.#heard = false;
    return heard;
  }

  /** What may arrive from now on. */
  limit({ maxMessageBytes, maxMessagesPerSecond }: MessageLimits): void {
    this.#reader.maxPayloadBytes = maxMessageBytes;
    this.#rate.maxPerSecond = maxMessagesPerSecond;
  }

  /** Starts delivery; messages that came before follow in a moment. */
  open(): void {
    this.#open = true;
    this.#release();
  }

  /** Holds messages back without acknowledging them: the broker sends a few more, then waits. */
  pause(): void {
    this.#paused = true;
    this.#holding = true;
  }

  /** Resumes delivery in a moment. */
  resume(): void {
    this.#paused = false;
    this.#release();
  }

  /** Delivers no more messages; acknowledgements still count. */
  close(): void {
    this.#closed = true;
    this.#held = [];
    this.#heldBytes = 0;
    this.#rate.stop();
  }

  onClosed(error: Error | undefined): void {
    this.#options.onClosed(error);
  }

  onPublish(payload: Uint8Array, messageId: number, first: number, topicBytes: number): void {
    this.#rate.count();
    if (this.#closed) return;
    if (this.#holding) this.#hold(payload, messageId, first, topicBytes);
    else this.#deliver(payload, messageId, first, topicBytes);
  }

  onOversize(payloadBytes: number, messageId: number): void {
    this.#rate.count();
    if (this.#closed) return;
    const { stats, listener, outgoing } = this.#options;
    stats.oversize++;
    listener.onOversize(payloadBytes);
    if (messageId > 0) outgoing.acknowledge(messageId);
  }

  onPuback(): void {
    this.#options.outgoing.onPuback();
  }

  onControl(packet: Uint8Array): void {
    this.#options.onControl(packet);
  }

  #readOn(): void {
    if (!this.#rate.pausing && !this.#heldTooMuch()) this.#options.link.resume();
  }

  #deliver(payload: Uint8Array, messageId: number, first: number, topicBytes: number): void {
    const { stats, listener, outgoing, take } = this.#options;
    if (take !== undefined) return take(payload, messageId, first, topicBytes);
    stats.messagesIn++;
    listener.onMessage(payload);
    if (messageId > 0) outgoing.acknowledge(messageId);
  }

  #hold(payload: Uint8Array, messageId: number, first: number, topicBytes: number): void {
    const kept = copyWithTopic(payload, first, topicBytes);
    this.#held.push({ payload: kept, messageId, first, topicBytes });
    this.#heldBytes += payload.length;
    if (!this.#heldTooMuch()) return;
    // Who acknowledges later starts delivery with CONNACK, which has come.
    if (this.#open || this.#options.take !== undefined) this.#options.link.pause();
    else this.#forgetOldest();
  }

  /**
   * A broker may send messages before its SUBACK (MQTT 3.1.1, 3.8.4): not reading any
   * further would mean waiting for that SUBACK in vain. No session is lost with what is forgotten:
   * the gateway was told to connect again just before.
   */
  #forgetOldest(): void {
    while (this.#held.length > 1 && this.#heldTooMuch()) {
      const { payload, messageId } = this.#held.shift() as Held;
      this.#heldBytes -= payload.length;
      if (messageId > 0) this.#options.outgoing.acknowledge(messageId);
    }
  }

  #heldTooMuch(): boolean {
    return this.#held.length >= MAX_HELD_MESSAGES || this.#heldBytes >= MAX_HELD_BYTES;
  }

  #release(): void {
    if (this.#open && !this.#paused) queueMicrotask(() => this.#drain());
  }

  #drain(): void {
    let delivered = 0;
    while (!this.#paused && !this.#closed && delivered < this.#held.length) {
      const { payload, messageId, first, topicBytes } = this.#held[delivered++] as Held;
      this.#heldBytes -= payload.length;
      this.#deliver(payload, messageId, first, topicBytes);
    }
    this.#held.splice(0, delivered);
    this.#readOn();
    if (this.#held.length === 0 && !this.#paused && !this.#closed) this.#holding = false;
  }
}
