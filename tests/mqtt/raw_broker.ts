// A broker that does as a test says, byte by byte; real ones keep to the standard.
import { topicField } from "../../src/mqtt/packets.ts";

const SUBSCRIBE = 8;

/** One connection, as such a broker sees it. */
export class RawPeer {
  readonly #conn: Deno.Conn;
  #bytes: number[] = [];

  constructor(conn: Deno.Conn) {
    this.#conn = conn;
  }

  /** Sends bytes as they are. */
  async send(bytes: Uint8Array): Promise<void> {
    for (let sent = 0; sent < bytes.length;) sent += await this.#conn.write(bytes.subarray(sent));
  }

  /** Takes the CONNECT and answers it, with return code 0 unless told otherwise. */
  async acceptConnect(returnCode = 0): Promise<void> {
    await this.#packet();
    await this.send(new Uint8Array([0x20, 2, 0, returnCode]));
  }

  /** Takes the SUBSCRIBE and grants QoS 1. */
  async acceptSubscribe(): Promise<void> {
    const [first = 0, , idHigh = 0, idLow = 0] = await this.#packet();
    if (first >> 4 !== SUBSCRIBE) throw new Error(`Cannot grant: the packet begins with ${first}`);
    await this.send(new Uint8Array([0x90, 3, idHigh, idLow, 1]));
  }

  /** Takes whatever else comes until the connection ends. */
  async drain(): Promise<void> {
    const rest = new Uint8Array(65_536);
    while (await this.#conn.read(rest) !== null);
  }

  /** One packet of less than 128 bytes. */
  async #packet(): Promise<readonly number[]> {
    const chunk = new Uint8Array(65_536);
    while (this.#bytes.length < 2 || this.#bytes.length < 2 + (this.#bytes[1] as number)) {
      const count = await this.#conn.read(chunk);
      if (count === null) throw new Error("Cannot take a packet: the connection has ended");
      this.#bytes.push(...chunk.subarray(0, count));
    }
    return this.#bytes.splice(0, 2 + (this.#bytes[1] as number));
  }
}

/**
 * Listens on a free port and plays the script with every connection, one after the other. To be
 * disposed after the transport, whose connections it waits for.
 */
export class RawBroker implements AsyncDisposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #script: (peer: RawPeer) => Promise<void>;
  readonly #served: Promise<void>;

  constructor(script: (peer: RawPeer) => Promise<void>) {
    this.#script = script;
    this.#served = this.#serve();
  }

  get port(): number {
    return (this.#listener.addr as Deno.NetAddr).port;
  }

  async #serve(): Promise<void> {
    for await (const conn of this.#listener) {
      // A script is over when its connection is, whoever ended that.
      await this.#script(new RawPeer(conn)).catch(() => {});
      conn.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#served;
  }
}

/** A PUBLISH for the topic of acme's car_1; `first` is its first byte. */
export function publishPacket(payload: Uint8Array, first = 0x32): Uint8Array {
  const topic = topicField("acme/car_1/module_gateway");
  const id = (first & 6) === 0 ? [] : [0, 7];
  const rest = [...topic, ...id];
  let length = rest.length + payload.length;
  const header = [first];
  for (; length >= 128; length >>= 7) header.push(length & 127 | 128);
  header.push(length);
  const packet = new Uint8Array(header.length + rest.length + payload.length);
  packet.set([...header, ...rest]);
  packet.set(payload, header.length + rest.length);
  return packet;
}
