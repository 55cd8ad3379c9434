// Limits of the memory that clients of the embedded broker may use. A client that exceeds them is
// dropped; no other client waits for it.
import type { Client } from "aedes";
import { Buffer } from "node:buffer";
import type { Duplex } from "node:stream";
import { quote } from "../text/mod.ts";
import { andSuppressed, type Log, Once } from "../log/mod.ts";
import { type Clock, RateLimit, systemClock } from "../time/mod.ts";
import type { BrokerPeer } from "./websocket_upgrade.ts";
import { PacketLimit } from "./packet_limit.ts";

/** Limits for clients. */
export interface ClientLimits {
  /** Connections at a time. */
  readonly clients: number;
  /** Bytes that wait to be read by one client, and by all. */
  readonly unreadBytes: number;
  readonly allBytes: number;
  /** Messages of one client within a second: with more, it is read more slowly. */
  readonly messagesPerSecond: number;
  /** Topic filters of one client, and of all. */
  readonly subscriptions: number;
  readonly allSubscriptions: number;
}

const MIB = 1024 * 1024;
/** Minimum limits; those in bytes grow with the largest message. */
const DEFAULTS: ClientLimits = {
  clients: 10_000,
  unreadBytes: 8 * MIB,
  allBytes: 64 * MIB,
  messagesPerSecond: 10_000,
  subscriptions: 1_000,
  allSubscriptions: 100_000,
};
/** So many of the largest messages may wait for one client, and for all. */
const MESSAGES = { client: 4, all: 32 } as const;
/** After this many bytes, the memory of all clients is added up again. */
const ADD_UP_BYTES = MIB;
/** Topic and header of a message, without its payload, in bytes. */
export const PACKET_OVERHEAD_BYTES = 65_536 + 16;
/** Characters of a topic or a topic filter. */
const MAX_TOPIC_LENGTH = 1_024;
/** Clients named in the log per minute. */
const MAX_NAMED = 32;

/** What clients are bounded by. */
export interface BrokerClientsOptions {
  readonly maxMessageBytes: number;
  readonly log: Log;
  readonly limits?: Partial<ClientLimits> | undefined;
  readonly clock?: Clock;
}

interface Member {
  readonly peer: BrokerPeer;
  readonly packets: PacketLimit;
  /** An upper bound; counted again when it seems too high. */
  subscriptions: number;
}

/** Every connection of the embedded broker. */
export class BrokerClients {
  readonly limits: ClientLimits;
  readonly #options: BrokerClientsOptions;
  readonly #members = new Map<Duplex, Member>();
  readonly #once: Once;
  #passedBytes = 0;
  /** An upper bound for all clients. */
  #subscriptions = 0;

  constructor(options: BrokerClientsOptions) {
    const { maxMessageBytes, limits, clock = systemClock } = options;
    this.#options = options;
    this.#once = new Once({ clock, maxKeys: MAX_NAMED });
    this.limits = {
      ...DEFAULTS,
      unreadBytes: Math.max(DEFAULTS.unreadBytes, MESSAGES.client * maxMessageBytes),
      allBytes: Math.max(DEFAULTS.allBytes, MESSAGES.all * maxMessageBytes),
      ...limits,
    };
  }

  /** Applies the limits to a connection, in both directions. */
  add(peer: BrokerPeer): void {
    const { stream } = peer;
    const maxPacketBytes = this.#options.maxMessageBytes + PACKET_OVERHEAD_BYTES;
    const member = { peer, packets: new PacketLimit(maxPacketBytes), subscriptions: 0 };
    this.#members.set(stream, member);
    stream.on("close", () => this.#members.delete(stream));
    this.#boundReads(member);
    this.#boundWrites(member);
  }

  /** Whether a client may publish there; one that may not is dropped. */
  mayPublish(client: Client, topic: string): boolean {
    return topic.length <= MAX_TOPIC_LENGTH || this.#dropForTopic(client, topic);
  }

  /** Whether a client may subscribe to a topic filter; one that may not is dropped. */
  maySubscribe(client: Client, topic: string): boolean {
    const member = this.#members.get(client.conn);
    // Nothing is kept for clients without a connection.
    if (member === undefined || client.closed) return false;
    if (topic.length > MAX_TOPIC_LENGTH) return this.#dropForTopic(client, topic);
    if (topic in filtersOf(member)) return true;
    const { subscriptions: own, allSubscriptions: all } = this.limits;
    if (++member.subscriptions > own) {
      member.subscriptions = subscriptionsOf(member) + 1;
      if (member.subscriptions > own) {
        return this.#drop(member, `it has subscribed to more than ${own} topics`);
      }
    }
    if (++this.#subscriptions > all) {
      this.#subscriptions = this.#sum(subscriptionsOf) + 1;
      if (this.#subscriptions > all) {
        const most = this.#largest(subscriptionsOf) ?? member;
        this.#drop(most, `all clients have subscribed to more than ${all} topics, it to the most`);
        return most !== member;
      }
    }
    return true;
  }

  /** Closes a client's connection, and says why. */
  drop(client: Client, reason: string): void {
    const member = this.#members.get(client.conn);
    if (member !== undefined) this.#drop(member, reason);
  }

  /** Closes every connection. */
  destroy(): void {
    for (const stream of [...this.#members.keys()]) stream.destroy();
  }

  /**
   * aedes reads whole chunks with read(). It limits neither the packets nor their number, so we
   * look first; and it may read while its parser is still busy with the last chunk, which ends the
   * connection over packets that are none.
   */
  #boundReads(member: Member): void {
    const { peer: { stream }, packets } = member;
    const { clock = systemClock } = this.#options;
    const read = stream.read.bind(stream);
    let parsing = false;
    let refused = false;
    const readOn = () => {
      if (!refused || parsing || rate.pausing || stream.destroyed) return;
      refused = false;
      stream.emit("readable");
    };
    const rate = new RateLimit(this.limits.messagesPerSecond, {
      clock,
      pause: () => this.#warnOfFlood(member),
      resume: readOn,
    });
    stream.on("close", () => rate.stop());
    stream.read = (size?: number) => {
      // The stream itself asks for nothing, to fill its buffer.
      if (size === 0) return read(size);
      refused = parsing || rate.pausing;
      if (refused) return null;
      const bytes = readAll(read);
      if (bytes === null) return null;
      if (!packets.allows(bytes)) {
        const { maxMessageBytes } = this.#options;
        this.#drop(member, `it sent a message over ${maxMessageBytes} bytes, or another packet`);
        return null;
      }
      this.#addUp(bytes.length);
      rate.count(packets.takeMessages());
      rate.check();
      parsing = true;
      queueMicrotask(() => {
        parsing = false;
        readOn();
      });
      return bytes;
    };
  }

  /**
   * aedes waits for a client whose stream is full, and publishers wait for aedes: all of them for
   * the slowest client. So no stream ever reports that it is full; at its limit, the client is
   * dropped.
   */
  #boundWrites(member: Member): void {
    const { stream } = member.peer;
    const write = stream.write.bind(stream) as (...args: unknown[]) => boolean;
    const { unreadBytes } = this.limits;
    const bounded = (...args: unknown[]) => {
      if (stream.destroyed) return true;
      write(...args);
      if (stream.writableLength > unreadBytes) {
        this.#drop(member, `it leaves more than ${unreadBytes} bytes unread`);
      }
      this.#addUp((args[0] as { readonly length: number }).length);
      return true;
    };
    stream.write = bounded as Duplex["write"];
  }

  #addUp(bytes: number): void {
    this.#passedBytes += bytes;
    if (this.#passedBytes < Math.min(ADD_UP_BYTES, this.limits.allBytes / 8)) return;
    this.#passedBytes = 0;
    const { allBytes } = this.limits;
    while (this.#sum(bytesOf) > allBytes) {
      const most = this.#largest(bytesOf);
      if (most === undefined) return;
      this.#drop(most, `all clients hold more than ${allBytes} bytes, it the most`);
    }
  }

  #sum(measure: (member: Member) => number): number {
    let sum = 0;
    for (const member of this.#members.values()) sum += measure(member);
    return sum;
  }

  #largest(measure: (member: Member) => number): Member | undefined {
    let largest: Member | undefined;
    let most = -1;
    for (const member of this.#members.values()) {
      const size = measure(member);
      if (size > most) [largest, most] = [member, size];
    }
    return largest;
  }

  #dropForTopic(client: Client, topic: string): boolean {
    this.drop(client, `it used a topic of ${topic.length} characters, ${MAX_TOPIC_LENGTH} may be`);
    return false;
  }

  #warnOfFlood(member: Member): void {
    const id = clientOf(member)?.id ?? "";
    const count = this.#once.ask(`flood of ${id}`);
    if (count === undefined) return;
    this.#options.log.warning(() =>
      `The embedded broker reads client ${
        quote(id)
      } at ${member.peer.address} more slowly: it sends ` +
      `more than ${this.limits.messagesPerSecond} messages a second${andSuppressed(count)}`
    );
  }

  #drop(member: Member, reason: string): false {
    const { stream, address } = member.peer;
    // Its bytes count no more, though closing may take a moment.
    if (!this.#members.delete(stream)) return false;
    const id = clientOf(member)?.id ?? "";
    const count = this.#once.ask(id);
    if (count !== undefined) {
      this.#options.log.warning(() =>
        `The embedded broker dropped client ${quote(id)} at ${address}: ${reason}` +
        andSuppressed(count)
      );
    }
    stream.destroy();
    return false;
  }
}

/**
 * Everything that has arrived: read() may give its first piece only, and aedes, which asks once for
 * each "readable", would never ask for the rest of a message.
 */
function readAll(read: () => Buffer | null): Buffer | null {
  const pieces: Buffer[] = [];
  for (let piece = read(); piece !== null; piece = read()) pieces.push(piece);
  const [first = null] = pieces;
  return pieces.length > 1 ? Buffer.concat(pieces) : first;
}

/** Undeclared members of aedes: the client of a stream, and its topic filters. */
type ClientStream = Duplex & { readonly client?: Client & { readonly subscriptions: object } };

function clientOf({ peer }: Member): ClientStream["client"] {
  return (peer.stream as ClientStream).client;
}

function filtersOf(member: Member): object {
  return clientOf(member)?.subscriptions ?? {};
}

function subscriptionsOf(member: Member): number {
  return Object.keys(filtersOf(member)).length;
}

function bytesOf({ peer: { stream, framingBytes }, packets }: Member): number {
  return stream.writableLength + stream.readableLength + packets.incompleteBytes + framingBytes();
}
