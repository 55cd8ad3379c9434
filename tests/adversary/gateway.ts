// Clients of a broker that do what no gateway should. They speak MQTT byte by byte: a library is too
// slow for some of it, and too well-behaved for the rest.
import { makeDevices } from "../../src/simulator/devices.ts";
import { carTopics } from "../../src/protocol/topics.ts";
import { COMPANY } from "../e2e/server_process.ts";
import {
  connectPacket,
  messagePacket,
  PUBLISH_QOS0,
  subscribePacket,
} from "../support/mqtt_packets.ts";
import { type Attack, Connections, paced, readAll, send } from "./attack.ts";
import { connectMessage, type Junk, junkMessages } from "./messages.ts";

const CONNACK_BYTES = 4;

/** Which car's topic is attacked, at which broker. */
export interface CarTarget {
  readonly port: number;
  readonly car: string;
  /** Messages a second. */
  readonly perSecond: number;
}

/** Connects to a broker as a client that is never pinged off. */
async function join(connections: Connections, port: number): Promise<Deno.TcpConn> {
  const conn = await connections.open(port);
  await send(conn, connectPacket(`adversary-${crypto.randomUUID()}`, 0));
  const answer = new Uint8Array(CONNACK_BYTES);
  for (let read = 0; read < answer.length;) {
    const count = await conn.read(answer.subarray(read));
    if (count === null) throw new Error("Cannot attack: the broker closed the connection");
    read += count;
  }
  if (answer[3] !== 0) throw new Error(`Cannot attack: CONNACK has return code ${answer[3]}`);
  return conn;
}

/** Publishes packets with QoS 0 at a pace; the broker may close, which ends it. */
async function publishing(
  port: number,
  perSecond: number,
  packets: (count: number) => Uint8Array,
): Promise<Attack> {
  const connections = new Connections();
  const counts = { sent: 0, bytes: 0, lost: 0 };
  const abort = new AbortController();
  const conn = await join(connections, port);
  const reading = readAll(conn);
  const sending = paced(perSecond, abort.signal, async (count) => {
    const bytes = packets(count);
    await send(conn, bytes);
    counts.sent += count;
    counts.bytes += bytes.length;
  }).catch(() => void counts.lost++);
  return {
    counts,
    async [Symbol.asyncDispose]() {
      abort.abort();
      connections[Symbol.dispose]();
      await Promise.all([sending, reading]);
    },
  };
}

/** Floods a car's topic with what is no message, or none of its session. */
export async function flood(
  { port, car, perSecond, junk, bytes }: CarTarget & {
    readonly junk: Junk;
    readonly bytes: number;
  },
): Promise<Attack> {
  const topic = carTopics(COMPANY, car).moduleGateway;
  const packets = junkMessages(junk, bytes, car).map((m) => messagePacket(topic, m, PUBLISH_QOS0));
  return await publishing(port, perSecond, repeatedly(packets));
}

/** Takes this many packets from the list, from where it stopped, and starts over at its end. */
function repeatedly(packets: readonly Uint8Array[]): (count: number) => Uint8Array {
  const ends = [0];
  for (const packet of packets) ends.push((ends.at(-1) ?? 0) + packet.length);
  const size = ends.at(-1) ?? 0;
  const whole = new Uint8Array(size);
  packets.forEach((packet, i) => whole.set(packet, ends[i]));
  let next = 0;
  return (count) => {
    const rounds = Math.floor((next + count) / packets.length);
    const last = (next + count) % packets.length;
    const [from = 0, to = 0] = [ends[next], ends[last]];
    const out = new Uint8Array(rounds * size + to - from);
    // The list again and again, without what was sent before.
    for (let at = -from; at < out.length; at += size) {
      const skipped = Math.max(0, -at);
      out.set(whole.subarray(skipped, Math.min(size, out.length - at)), at + skipped);
    }
    next = last;
    return out;
  };
}

/** Publishes one Connect after the other, each with a new session and all its devices. */
export async function connectStorm(
  { port, car, perSecond, devices }: CarTarget & { readonly devices: number },
): Promise<Attack> {
  const topic = carTopics(COMPANY, car).moduleGateway;
  const packet = messagePacket(topic, connectMessage(car, makeDevices(devices)), PUBLISH_QOS0);
  // A session id has one length: writing another over it costs less than encoding the devices again.
  const bytesOfId = crypto.randomUUID().length;
  const at = new TextDecoder("latin1").decode(packet).search(/[\da-f]{8}-[\da-f]{4}-4/);
  const encoder = new TextEncoder();
  return await publishing(port, perSecond, (count) => {
    const out = new Uint8Array(count * packet.length);
    for (let i = 0; i < count; i++) {
      out.set(packet, i * packet.length);
      const place = i * packet.length + at;
      encoder.encodeInto(crypto.randomUUID(), out.subarray(place, place + bytesOfId));
    }
    return out;
  });
}

/** Subscribes and then reads nothing: what the broker sends fills its buffers. */
export async function deafSubscribers(
  { port, clients, topic }: {
    readonly port: number;
    readonly clients: number;
    readonly topic: string;
  },
): Promise<Attack> {
  const connections = new Connections();
  for (let i = 0; i < clients; i++) {
    await send(await join(connections, port), subscribePacket([topic]));
  }
  return {
    get counts() {
      return { connections: connections.size };
    },
    [Symbol.asyncDispose]: () => Promise.resolve(connections[Symbol.dispose]()),
  };
}

/** Subscribes with QoS 1 and reads, but never acknowledges. */
export async function silentSubscriber(
  { port, topic }: { readonly port: number; readonly topic: string },
): Promise<Attack> {
  const connections = new Connections();
  const counts = { bytes: 0, closed: 0 };
  const conn = await join(connections, port);
  await send(conn, subscribePacket([topic]));
  const reading = readAll(conn, ({ length }) => void (counts.bytes += length))
    .finally(() => counts.closed++);
  return {
    counts,
    async [Symbol.asyncDispose]() {
      connections[Symbol.dispose]();
      await reading;
    },
  };
}

/** Subscribes to ever more topics, each of them once. */
export async function subscriptions(
  { port, count, topicBytes }: {
    readonly port: number;
    readonly count: number;
    readonly topicBytes: number;
  },
): Promise<Attack> {
  const connections = new Connections();
  const counts = { sent: 0, bytes: 0, closed: 0 };
  const conn = await join(connections, port);
  const reading = readAll(conn, ({ length }) => void (counts.bytes += length))
    .finally(() => counts.closed++);
  const subscribing = (async () => {
    for (; counts.sent < count; counts.sent++) {
      const topic = `${counts.sent}/`.padEnd(topicBytes, "x");
      await send(conn, subscribePacket([topic], counts.sent % 65_535 + 1));
    }
  })().catch(() => {});
  return {
    counts,
    async [Symbol.asyncDispose]() {
      connections[Symbol.dispose]();
      await Promise.all([subscribing, reading]);
    },
  };
}

/** Opens connections and closes them at once, a number at a time, and sends nothing on them. */
export function churn(
  { port, atOnce }: { readonly port: number; readonly atOnce: number },
): Promise<Attack> {
  const counts = { connected: 0, refused: 0 };
  const connections = new Connections();
  const abort = new AbortController();
  const one = async () => {
    while (!abort.signal.aborted) {
      try {
        connections.close(await connections.open(port));
        counts.connected++;
      } catch {
        counts.refused++;
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    }
  };
  const running = Promise.all(Array.from({ length: atOnce }, one));
  return Promise.resolve({
    counts,
    async [Symbol.asyncDispose]() {
      abort.abort();
      connections[Symbol.dispose]();
      await running;
    },
  });
}

/** Connects and leaves, as fast as the broker lets it. */
export function connecting({ port }: { readonly port: number }): Promise<Attack> {
  const counts = { connected: 0, refused: 0 };
  const connections = new Connections();
  const abort = new AbortController();
  const running = (async () => {
    while (!abort.signal.aborted) {
      try {
        connections.close(await join(connections, port));
        counts.connected++;
      } catch {
        counts.refused++;
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    }
  })();
  return Promise.resolve({
    counts,
    async [Symbol.asyncDispose]() {
      abort.abort();
      connections[Symbol.dispose]();
      await running;
    },
  });
}
