// A broker connection as mqtt.js sees it: without PUBLISH and PUBACK, which bypass it.
import { type Link, type LinkListener, MalformedPacketError } from "../../net/mod.ts";
import type { Clock } from "../../time/mod.ts";
import type { MessageLimits, TransportStats } from "../transport.ts";
import { type IncomingListener, IncomingMessages, type TakeMessage } from "./incoming_messages.ts";
import { type FlushTicker, OutgoingBatch } from "./outgoing_batch.ts";

export interface MqttLinkOptions {
  readonly limits: MessageLimits;
  readonly stats: TransportStats;
  readonly ticker: FlushTicker;
  readonly clock: Clock;
  readonly listener: IncomingListener;
  /** See {@linkcode IncomingMessagesOptions.take}. */
  readonly take?: TakeMessage | undefined;
}

/** What a broker answers to a packet of mqtt.js's: CONNACK, SUBACK, UNSUBACK and PINGRESP. */
const ANSWERS: readonly number[] = [2, 9, 11, 13];
/** Each packet of mqtt.js's has one; a few more are let pass. */
const MAX_ANSWERS = 8;

/**
 * One connection. Message ids cannot clash with mqtt.js's, whose SUBSCRIBE has an id of its own.
 */
export class MqttLink implements Link {
  readonly incoming: IncomingMessages;
  readonly outgoing: OutgoingBatch;
  /** All is passed on at once; {@linkcode outgoing} watches what the connection has not sent. */
  readonly unsentBytes = 0;
  readonly #link: Link;
  #listener: LinkListener | undefined;
  /** Packets beside messages since mqtt.js's last one. */
  #answers = 0;

  constructor(link: Link, { limits, stats, ticker, clock, listener, take }: MqttLinkOptions) {
    this.#link = link;
    const onStalled = (error: Error) => this.destroy(error);
    const outgoing = new OutgoingBatch({ link, stats, ticker, onStalled });
    this.outgoing = outgoing;
    this.incoming = new IncomingMessages({
      link,
      take,
      limits,
      stats,
      clock,
      listener,
      outgoing,
      onControl: (packet) => this.#pass(packet),
      onClosed: (error) => this.#onClosed(error),
    });
  }

  start(listener: LinkListener): void {
    this.#listener = listener;
    this.#link.start(this.incoming);
  }

  /** Sends a packet of mqtt.js's, in one piece: nothing of ours may get into it. */
  write(packet: Uint8Array): void {
    this.#answers = 0;
    this.outgoing.flush(packet);
  }

  pause(): void {
    // The answers are few and small, and messages must not wait for mqtt.js.
  }

  resume(): void {}

  end(): void {
    this.#link.end();
  }

  destroy(error?: Error): void {
    this.#link.destroy(error);
  }

  /** Delivers no more messages; resolves when the broker has acknowledged all that were published. */
  settle(): Promise<void> {
    const settled = this.outgoing.settle();
    this.incoming.close();
    this.#link.resume();
    return settled;
  }

  #onClosed(error: Error | undefined): void {
    this.incoming.close();
    this.outgoing.destroy();
    this.#listener?.onClosed(error);
  }

  /** A packet costs mqtt.js a thousand times what its two bytes cost a broker, which may send any number. */
  #pass(packet: Uint8Array): void {
    const type = (packet[0] as number) >> 4;
    if (!ANSWERS.includes(type) || ++this.#answers > MAX_ANSWERS) {
      throw new MalformedPacketError(`Cannot take a packet of type ${type}: nothing asked for it`);
    }
    this.#listener?.onData(packet);
  }
}
