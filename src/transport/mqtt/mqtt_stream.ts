// What mqtt.js takes for its socket: PUBLISH and PUBACK bypass mqtt.js, which handles the rest.
import { Buffer } from "node:buffer";
import { Duplex } from "node:stream";
import { concatenate, type Link, MalformedPacketError } from "../../net/mod.ts";
import type { Clock } from "../../time/mod.ts";
import type { MessageLimits, TransportStats } from "../transport.ts";
import { type IncomingListener, IncomingMessages } from "./incoming_messages.ts";
import { type FlushTicker, OutgoingBatch } from "./outgoing_batch.ts";

export interface MqttStreamOptions {
  readonly limits: MessageLimits;
  readonly stats: TransportStats;
  readonly ticker: FlushTicker;
  readonly clock: Clock;
  readonly listener: IncomingListener;
}

/** What a broker answers to a packet of mqtt.js's: CONNACK, SUBACK and PINGRESP. */
const ANSWERS: readonly number[] = [2, 9, 13];
/** Each packet of mqtt.js's has one; a few more are let pass. */
const MAX_ANSWERS = 8;

/**
 * One connection. Message ids cannot clash with mqtt.js's, whose SUBSCRIBE has an id of its own.
 */
export class MqttStream extends Duplex {
  readonly incoming: IncomingMessages;
  readonly outgoing: OutgoingBatch;
  readonly #link: Link;
  /** Packets beside messages since mqtt.js's last one. */
  #answers = 0;

  constructor(link: Link, { limits, stats, ticker, clock, listener }: MqttStreamOptions) {
    super({ allowHalfOpen: true });
    this.#link = link;
    const onStalled = (error: Error) => void this.destroy(error);
    const outgoing = new OutgoingBatch({ link, stats, ticker, onStalled });
    this.outgoing = outgoing;
    this.incoming = new IncomingMessages({
      link,
      limits,
      stats,
      clock,
      listener,
      outgoing,
      onControl: (packet) => this.#pass(packet),
      onClosed: (error) => void this.destroy(error),
    });
    link.start(this.incoming);
  }

  /** Delivers no more messages; resolves when the broker has acknowledged all that were published. */
  settle(): Promise<void> {
    const settled = this.outgoing.settle();
    this.incoming.close();
    this.#link.resume();
    return settled;
  }

  override _read(): void {
    // The link pushes; what gets here is a few bytes now and then.
  }

  override _write(chunk: Uint8Array, _encoding: string, done: () => void): void {
    this.#answers = 0;
    this.outgoing.flush(chunk);
    done();
  }

  override _writev(chunks: { chunk: Uint8Array }[], done: () => void): void {
    this.#answers = 0;
    // In one piece: between the pieces of a packet nothing of ours may get.
    this.outgoing.flush(concatenate(chunks.map(({ chunk }) => chunk)));
    done();
  }

  override _final(done: () => void): void {
    this.#link.end();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.incoming.close();
    this.outgoing.destroy();
    this.#link.destroy();
    done(error);
  }

  /** A packet costs mqtt.js a thousand times what its two bytes cost a broker, which may send any number. */
  #pass(packet: Uint8Array): void {
    const type = (packet[0] as number) >> 4;
    if (!ANSWERS.includes(type) || ++this.#answers > MAX_ANSWERS) {
      throw new MalformedPacketError(`Cannot take a packet of type ${type}: nothing asked for it`);
    }
    this.push(Buffer.from(packet));
  }
}
