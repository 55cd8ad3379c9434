// The fast lane of one broker connection: PUBLISH and PUBACK bypass mqtt.js, which handles the rest.
import { Buffer } from "node:buffer";
import { Duplex } from "node:stream";
import { type Clock, RateLimit } from "../../time/mod.ts";
import { BrokerStalledError, concatenate, type Link, MalformedPacketError } from "../../net/mod.ts";
import {
  type PacketListener,
  PacketReader,
  PUBACK_BYTES,
  publishBytes,
  writePuback,
  writePublish,
} from "./packets.ts";
import type { MessageLimits, TransportStats } from "../transport.ts";

/** Flushes lanes a little later, many with one timer. */
export interface FlushTicker {
  /** Calls `lane.flush()` within a few milliseconds. */
  soon(lane: MessageLane): void;
  /** Cancels that. */
  never(lane: MessageLane): void;
}

/** What a lane needs to know. */
export interface MessageLaneOptions {
  readonly limits: MessageLimits;
  readonly stats: TransportStats;
  readonly ticker: FlushTicker;
  readonly clock: Clock;
  /** As in {@linkcode TransportListener.onMessage}. */
  onMessage(payload: Uint8Array): void;
  /** A message of so many bytes was discarded unread. */
  onOversize(payloadBytes: number): void;
  /** More messages arrive than allowed: reading slows down. */
  onFlood(): void;
}

/** More messages than this without the broker's PUBACK: the connection is given up. */
export const MAX_OUTSTANDING = 8_192;
/** More bytes than this not accepted by the network: the connection is given up. */
const MAX_UNSENT_BYTES = 64 * 1024 * 1024;
/** With so many acknowledgements, they are sent at once; brokers send at most 20 messages without one. */
const ACKNOWLEDGE_AT = 8;
/** While paused, this much is still read and kept, so that pings get through ... */
const MAX_HELD_MESSAGES = 1_000;
/** ... or this many bytes; then the connection is not read at all. Before SUBACK, the newest stay. */
const MAX_HELD_BYTES = 1024 * 1024;

/** What a broker answers to a packet of mqtt.js's: CONNACK, SUBACK and PINGRESP. */
const ANSWERS: readonly number[] = [2, 9, 13];
/** Each packet of mqtt.js's has one; a few more are let pass. */
const MAX_ANSWERS = 8;

/** The packet id of SUBSCRIBE; messages have all lower ones. */
export const SUBSCRIBE_ID = 65_535;

const NO_PACKET = new Uint8Array(0);

interface Held {
  readonly payload: Uint8Array;
  readonly messageId: number;
}

/**
 * What mqtt.js takes for its socket.
 *
 * Handles PUBLISH and PUBACK in both directions. Everything that one turn of the event loop publishes
 * and acknowledges is sent in one write; an acknowledgement alone waits a moment for a response that it
 * can be sent with. Message ids cannot clash with mqtt.js's, whose SUBSCRIBE has an id of its own.
 */
export class MessageLane extends Duplex implements PacketListener {
  readonly #link: Link;
  readonly #options: MessageLaneOptions;
  readonly #reader: PacketReader;
  readonly #flush = () => this.flush();
  #flushing = false;
  #ticking = false;
  #acknowledgements: number[] = [];
  #topics: Uint8Array[] = [];
  #payloads: Uint8Array[] = [];
  #messageId = 0;
  #outstanding = 0;
  #whenIdle: (() => void) | undefined;
  /** Messages that wait: all of them before `open()` and while paused. */
  #held: Held[] = [];
  #heldBytes = 0;
  #holding = true;
  #open = false;
  #paused = false;
  #closing = false;
  #heard = false;
  readonly #rate: RateLimit;
  /** Packets beside messages since mqtt.js's last one. */
  #answers = 0;

  constructor(link: Link, options: MessageLaneOptions) {
    super({ allowHalfOpen: true });
    this.#link = link;
    this.#options = options;
    this.#reader = new PacketReader(this, options.limits.maxMessageBytes);
    this.#rate = new RateLimit(options.limits.maxMessagesPerSecond, {
      clock: options.clock,
      pause: () => {
        link.pause();
        options.onFlood();
      },
      resume: () => this.#readOn(),
    });
    link.start({
      onData: (bytes) => {
        this.#heard = true;
        options.stats.bytesIn += bytes.length;
        this.#reader.push(bytes);
        if (!this.#closing && !this.destroyed) this.#rate.check();
      },
      onClosed: (error) => this.destroy(error),
    });
  }

  /** Whether anything arrived since the last call, or reading is paused. */
  takeHeard(): boolean {
    const heard = this.#heard || this.#heldTooMuch() || this.#rate.pausing;
    this.#heard = false;
    return heard;
  }

  /** What may arrive from now on. */
  limitMessages({ maxMessageBytes, maxMessagesPerSecond }: MessageLimits): void {
    this.#reader.maxPayloadBytes = maxMessageBytes;
    this.#rate.maxPerSecond = maxMessagesPerSecond;
  }

  /** Starts delivery; messages that came before follow in a moment. */
  open(): void {
    this.#open = true;
    this.#release();
  }

  /** Holds messages back without acknowledging them: the broker sends a few more, then waits. */
  holdMessages(): void {
    this.#paused = true;
    this.#holding = true;
  }

  /** Resumes delivery in a moment. */
  releaseMessages(): void {
    this.#paused = false;
    this.#release();
  }

  /** Sends with QoS 1. The payload must not be changed afterwards. */
  publish(topic: Uint8Array, payload: Uint8Array): void {
    if (this.destroyed || this.#closing) return;
    this.#outstanding++;
    this.#topics.push(topic);
    this.#payloads.push(payload);
    this.#options.stats.messagesOut++;
    this.#flushSoon();
  }

  /** Sends what is published from now on in one write with mqtt.js's next packet, before it. */
  joinNextPacket(): void {
    this.#flushing = true;
  }

  /** Sends what has been published and acknowledged, and `packet` behind it. */
  flush(packet: Uint8Array = NO_PACKET): void {
    this.#flushing = false;
    this.#ticking = false;
    const acknowledgements = this.#acknowledgements;
    const payloads = this.#payloads;
    const topics = this.#topics;
    if (this.destroyed || acknowledgements.length + payloads.length === 0) {
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
      this.#messageId = this.#messageId % (SUBSCRIBE_ID - 1) + 1;
      const payload = payloads[i] as Uint8Array;
      at = writePublish(out, at, topics[i] as Uint8Array, this.#messageId, payload);
    }
    out.set(packet, at);
    this.#acknowledgements = [];
    this.#payloads = [];
    this.#topics = [];
    this.#send(out);
  }

  /** Delivers no more messages; resolves when the broker has acknowledged all that were published. */
  settle(): Promise<void> {
    this.flush();
    this.#closing = true;
    this.#holding = true;
    this.#held = [];
    this.#heldBytes = 0;
    this.#rate.stop();
    this.#link.resume();
    if (this.#outstanding === 0 || this.destroyed) return Promise.resolve();
    return new Promise((resolve) => this.#whenIdle = resolve);
  }

  onPublish(payload: Uint8Array, messageId: number): void {
    this.#rate.count();
    if (this.#closing || this.destroyed) return;
    if (this.#holding) this.#hold(payload.slice(), messageId);
    else this.#deliver(payload, messageId);
  }

  onOversize(payloadBytes: number, messageId: number): void {
    this.#rate.count();
    if (this.#closing || this.destroyed) return;
    this.#options.stats.oversize++;
    this.#options.onOversize(payloadBytes);
    if (messageId > 0) this.#acknowledge(messageId);
  }

  onPuback(): void {
    // The broker answers each message once, so that counting them is enough.
    if (this.#outstanding > 0) this.#outstanding--;
    if (this.#outstanding === 0) this.#whenIdle?.();
  }

  /** A packet costs mqtt.js a thousand times what its two bytes cost a broker, which may send any number. */
  onControl(packet: Uint8Array): void {
    const type = (packet[0] as number) >> 4;
    if (!ANSWERS.includes(type) || ++this.#answers > MAX_ANSWERS) {
      throw new MalformedPacketError(`Cannot take a packet of type ${type}: nothing asked for it`);
    }
    this.push(Buffer.from(packet));
  }

  override _read(): void {
    // The link pushes; what gets here is a few bytes now and then.
  }

  override _write(chunk: Uint8Array, _encoding: string, done: () => void): void {
    this.#answers = 0;
    this.flush(chunk);
    done();
  }

  override _writev(chunks: { chunk: Uint8Array }[], done: () => void): void {
    this.#answers = 0;
    // In one piece: between the pieces of a packet nothing of ours may get.
    this.flush(concatenate(chunks.map(({ chunk }) => chunk)));
    done();
  }

  override _final(done: () => void): void {
    this.#link.end();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#held = [];
    this.#whenIdle?.();
    this.#rate.stop();
    this.#options.ticker.never(this);
    this.#link.destroy();
    done(error);
  }

  #send(bytes: Uint8Array): void {
    this.#options.stats.bytesOut += bytes.length;
    this.#link.write(bytes);
    const { unsentBytes } = this.#link;
    if (this.#outstanding <= MAX_OUTSTANDING && unsentBytes <= MAX_UNSENT_BYTES) return;
    const found = `${this.#outstanding} messages are unanswered and ${unsentBytes} bytes unsent`;
    this.destroy(new BrokerStalledError(`Cannot send any more: ${found}`));
  }

  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(this.#flush);
  }

  #readOn(): void {
    if (!this.#rate.pausing && !this.#heldTooMuch()) this.#link.resume();
  }

  #deliver(payload: Uint8Array, messageId: number): void {
    this.#options.stats.messagesIn++;
    this.#options.onMessage(payload);
    if (messageId > 0) this.#acknowledge(messageId);
  }

  #acknowledge(messageId: number): void {
    if (this.#acknowledgements.push(messageId) >= ACKNOWLEDGE_AT) this.#flushSoon();
    else if (!this.#flushing && !this.#ticking) {
      this.#ticking = true;
      this.#options.ticker.soon(this);
    }
  }

  #hold(payload: Uint8Array, messageId: number): void {
    this.#held.push({ payload, messageId });
    this.#heldBytes += payload.length;
    if (!this.#heldTooMuch()) return;
    if (this.#open) this.#link.pause();
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
      if (messageId > 0) this.#acknowledge(messageId);
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
    while (this.#open && !this.#paused && !this.#closing && delivered < this.#held.length) {
      const { payload, messageId } = this.#held[delivered++] as Held;
      this.#heldBytes -= payload.length;
      this.#deliver(payload, messageId);
    }
    this.#held.splice(0, delivered);
    this.#readOn();
    if (this.#held.length === 0 && !this.#paused && !this.#closing) this.#holding = false;
  }
}
