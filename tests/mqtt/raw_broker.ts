// A broker that a test scripts byte by byte; real ones keep to the standard.
import { concatenate } from "../../src/net/link.ts";
import { messagePacket, PUBLISH_QOS1 } from "../support/mqtt_packets.ts";
import { waitFor } from "../support/wait.ts";

/** Types of packets. */
export const PUBLISH = 3;
export const SUBSCRIBE = 8;
const READ_BYTES = 65_536;

/** One connection, as such a broker sees it. */
export class RawPeer {
  readonly #conn: Deno.Conn;
  #bytes: Uint8Array = new Uint8Array(0);

  constructor(conn: Deno.Conn) {
    this.#conn = conn;
  }

  /** Sends bytes as they are. */
  async send(bytes: Uint8Array): Promise<void> {
    for (let sent = 0; sent < bytes.length;) sent += await this.#conn.write(bytes.subarray(sent));
  }

  /** Takes the CONNECT and answers it, with return code 0 unless told otherwise. */
  async acceptConnect(returnCode = 0): Promise<void> {
    await this.packet();
    await this.send(new Uint8Array([0x20, 2, 0, returnCode]));
  }

  /** Takes packets up to the SUBSCRIBE, and grants it QoS 1. */
  async acceptSubscribe(): Promise<void> {
    let packet;
    do packet = await this.packet(); while (packetType(packet) !== SUBSCRIBE);
    await this.grant(packet);
  }

  /** Answers a SUBSCRIBE of less than 126 topics with QoS 1 for each. */
  async grant(subscribe: Uint8Array): Promise<void> {
    let at = 1;
    while ((subscribe[at++] ?? 0) > 127);
    const [idHigh = 0, idLow = 0] = subscribe.subarray(at);
    const granted: number[] = [];
    for (at += 2; at < subscribe.length; granted.push(1)) {
      const [high = 0, low = 0] = subscribe.subarray(at);
      at += 2 + (high << 8 | low) + 1;
    }
    await this.send(new Uint8Array([0x90, 2 + granted.length, idHigh, idLow, ...granted]));
  }

  /** Reads and discards until the connection ends. */
  async drain(): Promise<void> {
    const rest = new Uint8Array(READ_BYTES);
    while (await this.#conn.read(rest) !== null);
  }

  /** Takes the next packet, with its header. */
  async packet(): Promise<Uint8Array> {
    let length = packetLength(this.#bytes);
    while (length === undefined || this.#bytes.length < length) {
      const chunk = new Uint8Array(READ_BYTES);
      const count = await this.#conn.read(chunk);
      if (count === null) throw new Error("Cannot take a packet: the connection has ended");
      this.#bytes = concatenate([this.#bytes, chunk.subarray(0, count)]);
      length = packetLength(this.#bytes);
    }
    const packet = this.#bytes.subarray(0, length);
    this.#bytes = this.#bytes.subarray(length);
    return packet;
  }
}

/** The type of a packet: the upper half of its first byte. */
export function packetType([first = 0]: Uint8Array): number {
  return first >> 4;
}

/** Of the packet these bytes begin with, header included; undefined when that is not known yet. */
function packetLength(bytes: Uint8Array): number | undefined {
  let rest = 0;
  for (let at = 1; at < bytes.length; at++) {
    const byte = bytes[at] as number;
    rest |= (byte & 127) << 7 * (at - 1);
    if (byte < 128) return at + 1 + rest;
  }
  return undefined;
}

/**
 * Listens on a free port and plays the script with every connection. To be disposed after those who
 * connect, whose connections it waits for.
 */
export class RawBroker implements AsyncDisposable {
  /** How many there have been. */
  connections = 0;
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #script: (peer: RawPeer) => Promise<void>;
  readonly #open = new Set<Promise<void>>();
  readonly #accepting: Promise<void>;

  constructor(script: (peer: RawPeer) => Promise<void>) {
    this.#script = script;
    this.#accepting = this.#accept();
  }

  get port(): number {
    return (this.#listener.addr as Deno.NetAddr).port;
  }

  async #accept(): Promise<void> {
    for await (const conn of this.#listener) {
      this.connections++;
      const served = this.#serve(conn).finally(() => this.#open.delete(served));
      this.#open.add(served);
    }
  }

  async #serve(conn: Deno.Conn): Promise<void> {
    // A script is over when its connection is, whoever ended that.
    await this.#script(new RawPeer(conn)).catch(() => {});
    conn.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await waitFor(this.#accepting, "a scripted broker to close");
    await waitFor(Promise.all(this.#open), "the end of a connection to a scripted broker");
  }
}

/** A PUBLISH for the topic of acme's car_1; `first` is its first byte. */
export function publishPacket(payload: Uint8Array, first = PUBLISH_QOS1): Uint8Array {
  return messagePacket("acme/car_1/module_gateway", payload, first);
}
