// What a client of the embedded broker can do to the others: nothing.
import assert from "node:assert/strict";
import { Duplex } from "node:stream";
import type { BrokerConfig } from "../../src/config/resolve/config.ts";
import { BrokerClients, type ClientLimits } from "../../src/broker/clients.ts";
import { UPGRADE_MS, WebSocketUpgrade } from "../../src/broker/websocket_upgrade.ts";
import { EmbeddedBroker } from "../../src/broker/broker.ts";
import { ConnLink } from "../../src/net/link.ts";
import { LinkStream } from "../../src/net/link_stream.ts";
import { concatenate } from "../../src/net/link.ts";
import { silentLog } from "../../src/log/log.ts";
import { readAll, send } from "../adversary/attack.ts";
import { deafSubscribers, subscriptions } from "../adversary/gateway.ts";
import { RawWebSocket, upgradeRequest } from "../adversary/web_socket.ts";
import {
  connectPacket,
  messagePacket,
  PUBLISH_QOS0,
  PUBLISH_QOS2,
  subscribePacket,
} from "../support/mqtt_packets.ts";
import { localBroker, makeConnector, TestCar, TestGateway, textOf } from "../support/mqtt_peers.ts";
import { VirtualClock } from "../support/virtual_clock.ts";
import { Inbox, waitFor } from "../support/wait.ts";

const MIB = 1024 * 1024;
const CONNACK_BYTES = 4;
const SUBACK_BYTES = 5;
/** More than what the system itself keeps for a connection that is not read. */
const FLOOD_BYTES = 40 * MIB;
const PIECE_BYTES = MIB / 2;

interface Started extends AsyncDisposable {
  readonly broker: EmbeddedBroker;
  readonly config: BrokerConfig;
  readonly port: number;
  /** Warnings. */
  readonly lines: Inbox<string>;
}

async function startBroker(
  limits: Partial<ClientLimits> = {},
  more: Partial<BrokerConfig> = {},
): Promise<Started> {
  const lines = new Inbox<string>();
  const warning = (line: string | (() => string)) =>
    lines.push(typeof line === "string" ? line : line());
  const log = { ...silentLog, warning };
  const config = localBroker(0, more);
  const broker = new EmbeddedBroker({ broker: config, maxMessageBytes: MIB, limits, log });
  const port = await broker.start();
  return {
    broker,
    lines,
    port,
    config: { ...config, port },
    [Symbol.asyncDispose]: () => broker.stop(),
  };
}

/** A car that echoes, and its gateway's word that it does. */
async function echo({ config, port }: Started) {
  const { connector } = await makeConnector(config);
  const car = await new TestCar(connector).start(true);
  const gateway = config.protocol === "mqtt" ? await TestGateway.connect(port) : undefined;
  const says = async (text: string) => {
    await gateway?.send(text);
    assert.equal(textOf(await gateway?.messages.next("the echo") ?? new Uint8Array()), text);
  };
  return {
    says,
    [Symbol.asyncDispose]: async () => {
      await gateway?.[Symbol.asyncDispose]();
      await car[Symbol.asyncDispose]();
    },
  };
}

async function join(port: number, id = "adversary"): Promise<Deno.TcpConn> {
  const conn = await Deno.connect({ hostname: "127.0.0.1", port });
  await send(conn, connectPacket(id, 0));
  return conn;
}

/** Waits until the broker has closed a connection. */
async function ended(conn: Deno.Conn): Promise<void> {
  await waitFor(readAll(conn), "the end of the connection");
}

/** Publishes to a topic that only `#` matches. */
async function publishMuch(conn: Deno.Conn): Promise<void> {
  const packet = messagePacket("acme/other", new Uint8Array(PIECE_BYTES), 0x30);
  for (let sent = 0; sent < FLOOD_BYTES; sent += PIECE_BYTES) await send(conn, packet);
}

Deno.test("EmbeddedBroker drops a subscriber that stops reading, and no other client waits", async () => {
  await using embedded = await startBroker();
  await using car = await echo(embedded);
  await using _deaf = await deafSubscribers({ port: embedded.port, clients: 2, topic: "#" });
  using publisher = await join(embedded.port);
  const published = waitFor(publishMuch(publisher), "all to be published");
  for (let i = 0; i < 2; i++) {
    assert.match(
      await embedded.lines.next("the report"),
      /dropped client "adversary-[\w-]+" at 127\.0\.0\.1: it leaves more than 8388608 bytes unread$/,
    );
  }
  await published;
  await car.says("still there");
  await waitFor(() => embedded.broker.clients === 3, "the deaf to be gone");
});

Deno.test("EmbeddedBroker drops a WebSocket subscriber that stops reading", async () => {
  await using embedded = await startBroker({}, { protocol: "ws", path: "/mqtt" });
  using deaf = await RawWebSocket.open(embedded.port);
  assert.match(await deaf.hear(), /^HTTP\/1\.1 101 /);
  await deaf.sendFrame(connectPacket("deaf", 0));
  await deaf.sendFrame(subscribePacket(["#"]));
  const { connector } = await makeConnector(embedded.config);
  await using car = await new TestCar(connector).start();
  const sending = (async () => {
    for (let sent = 0; sent < FLOOD_BYTES; sent += PIECE_BYTES) {
      await car.transport.publish(new Uint8Array(PIECE_BYTES));
    }
  })();
  assert.match(
    await embedded.lines.next("the report"),
    /dropped client "deaf" at 127\.0\.0\.1: it leaves more than/,
  );
  await waitFor(sending, "all to be published");
});

Deno.test("EmbeddedBroker drops the client that holds most when all hold too much", async () => {
  await using embedded = await startBroker({ allBytes: 4 * MIB });
  await using car = await echo(embedded);
  await using _deaf = await deafSubscribers({ port: embedded.port, clients: 3, topic: "#" });
  using publisher = await join(embedded.port);
  const published = waitFor(publishMuch(publisher), "all to be published");
  const line = await embedded.lines.next("the report");
  assert.match(line, /all clients hold more than 4194304 bytes, it the most$/);
  await car.says("still there");
  await published;
});

Deno.test("EmbeddedBroker drops the client that holds most of unfinished messages", async () => {
  await using embedded = await startBroker({ allBytes: MIB });
  await using car = await echo(embedded);
  const packet = messagePacket("acme/other", new Uint8Array(MIB), 0x30);
  using first = await join(embedded.port, "first");
  using second = await join(embedded.port, "second");
  await send(first, packet.subarray(0, 0.9 * MIB));
  await send(second, packet.subarray(0, 0.8 * MIB)).catch(() => {});
  await car.says("still there");
  await send(second, packet.subarray(0.8 * MIB, 0.9 * MIB)).catch(() => {});
  assert.match(
    await embedded.lines.next("the report"),
    /dropped client "(first|second)" .*: all clients hold more than 1048576 bytes/,
  );
});

Deno.test("EmbeddedBroker keeps no retained messages, and none for a client that is away", async () => {
  await using embedded = await startBroker();
  const away = { clean: false, clientId: "away", reconnectPeriod: 0 };
  const leaving = await TestGateway.connect(embedded.port, "car_1", away);
  await leaving[Symbol.asyncDispose]();
  await using sender = await TestGateway.connect(embedded.port, "car_2");
  const topic = "acme/car_1/external_server";
  await sender.client.publishAsync(topic, "missed", { qos: 1 });
  await sender.client.publishAsync(topic, "retained", { qos: 1, retain: true });
  await using back = await TestGateway.connect(embedded.port, "car_1", away);
  await sender.client.publishAsync(topic, "now", { qos: 1 });
  assert.equal(textOf(await back.messages.next("a message")), "now");
});

Deno.test("EmbeddedBroker drops a client with too many subscriptions", async () => {
  await using embedded = await startBroker();
  await using car = await echo(embedded);
  const { port } = embedded;
  await using attack = await subscriptions({ port, count: 200_000, topicBytes: 100 });
  assert.match(
    await embedded.lines.next("the report"),
    /dropped client "adversary-.*: it has subscribed to more than 1000 topics$/,
  );
  await waitFor(() => attack.counts.closed === 1, "the end of the connection");
  await car.says("still there");
});

Deno.test("EmbeddedBroker counts subscriptions that were cancelled no more", async () => {
  await using embedded = await startBroker({ subscriptions: 4, allSubscriptions: 4 });
  await using gateway = await TestGateway.connect(embedded.port);
  for (let i = 0; i < 20; i++) {
    await gateway.client.subscribeAsync([`a/${i}`, `b/${i}`]);
    await gateway.client.subscribeAsync([`a/${i}`, `b/${i}`]);
    await gateway.client.unsubscribeAsync([`a/${i}`, `b/${i}`]);
  }
  assert.equal(embedded.lines.size, 0);
  await assert.rejects(gateway.client.subscribeAsync(["a", "b", "c"]));
  assert.match(await embedded.lines.next("the report"), /has subscribed to more than 4 topics/);
});

Deno.test("EmbeddedBroker drops the client with most subscriptions when all have too many", async () => {
  await using embedded = await startBroker({ allSubscriptions: 20 });
  using most = await join(embedded.port, "most");
  await send(most, subscribePacket(Array.from({ length: 15 }, (_, i) => `most/${i}`)));
  // Its CONNACK and SUBACK.
  await waitFor(most.read(new Uint8Array(100)), "an answer");
  await using few = await TestGateway.connect(embedded.port);
  for (let i = 0; i < 10; i++) await few.client.subscribeAsync(`few/${i}`);
  assert.match(
    await embedded.lines.next("the report"),
    /dropped client "most" .*: all clients have subscribed to more than 20 topics, it to the most/,
  );
  await ended(most);
  assert.equal(few.client.connected, true);
});

const TOPIC = "x".repeat(1_025);
const OFFENCES: readonly [string, Uint8Array, RegExp][] = [
  [
    "publishes to a long topic",
    messagePacket(TOPIC, new Uint8Array(1)),
    /topic of 1025 char.*1024/,
  ],
  ["subscribes to a long topic", subscribePacket([TOPIC]), /topic of 1025 characters, 1024 may be/],
  ["publishes at QoS 2", messagePacket("a", new Uint8Array(1), PUBLISH_QOS2), /at QoS 2: 0 and 1/],
  ["sends a SUBSCRIBE of 70 kB", subscribePacket(Array(7_000).fill("12345678")), /another packet/],
  ["sends a CONNECT of 20 kB", connectPacket("x".repeat(20_000)), /another packet/],
];
for (const [what, bytes, reason] of OFFENCES) {
  Deno.test(`EmbeddedBroker drops a client that ${what}`, async () => {
    await using embedded = await startBroker();
    using conn = await join(embedded.port);
    await send(conn, bytes);
    assert.match(await embedded.lines.next("the report"), reason);
    await ended(conn);
  });
}

Deno.test("EmbeddedBroker.stop() closes connections that have not sent CONNECT", async () => {
  await using embedded = await startBroker({ clients: 1 });
  using conn = await Deno.connect({ hostname: "127.0.0.1", port: embedded.port });
  using second = await Deno.connect({ hostname: "127.0.0.1", port: embedded.port });
  // Connections are taken in order, so the first one has been.
  await ended(second);
  await waitFor(embedded.broker.stop(), "the broker to stop");
  await ended(conn);
});

Deno.test("EmbeddedBroker closes a connection with a topic of too many levels", async () => {
  await using embedded = await startBroker();
  using conn = await join(embedded.port);
  await send(conn, messagePacket("a/".repeat(20), new Uint8Array(1)));
  await ended(conn);
});

Deno.test("EmbeddedBroker rejects further clients, and takes one when one has left", async () => {
  await using embedded = await startBroker({ clients: 2 });
  const first = await join(embedded.port, "first");
  using _second = await join(embedded.port, "second");
  await waitFor(() => embedded.broker.clients === 2, "two clients");
  using third = await Deno.connect({ hostname: "127.0.0.1", port: embedded.port });
  await ended(third);
  assert.match(await embedded.lines.next("the report"), /turned 127\.0\.0\.1 away: 2 clients are/);
  first.close();
  await waitFor(() => embedded.broker.clients === 1, "the first to be gone");
  await using gateway = await TestGateway.connect(embedded.port);
  assert.equal(gateway.client.connected, true);
});

Deno.test("LinkStream does not starve timers when there is always something to read", async () => {
  let left = 1_000;
  const conn = {
    read: (buffer: Uint8Array) => Promise.resolve(left-- > 0 ? buffer.length : null),
    close() {},
  };
  const stream = new LinkStream(new ConnLink(conn as unknown as Deno.Conn));
  const turn = Promise.withResolvers<number>();
  setTimeout(() => turn.resolve(left), 0);
  stream.resume();
  assert.ok(await turn.promise > 0);
  stream.destroy();
});

Deno.test("EmbeddedBroker drops a WebSocket client whose message has too many pieces", async () => {
  await using embedded = await startBroker({}, { protocol: "ws", path: "/mqtt" });
  using socket = await RawWebSocket.open(embedded.port);
  assert.match(await socket.hear(), /^HTTP\/1\.1 101 /);
  const sending = (async () => {
    for (let i = 0; i <= 1_024; i++) await socket.sendFrame(new Uint8Array(1), i === 0, false);
  })().catch(() => {});
  await ended(socket.conn);
  await sending;
  assert.equal(embedded.broker.clients, 0);
});

Deno.test("EmbeddedBroker negotiates no compression, and refuses what is not an upgrade", async () => {
  await using embedded = await startBroker({}, { protocol: "ws", path: "/mqtt" });
  const offer = upgradeRequest("Sec-WebSocket-Extensions: permessage-deflate");
  using compressing = await RawWebSocket.open(embedded.port, offer);
  const answer = await compressing.hear();
  assert.match(answer, /^HTTP\/1\.1 101 /);
  assert.doesNotMatch(answer, /extensions/i);
  using other = await RawWebSocket.open(embedded.port, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  assert.match(await other.hear(), /^HTTP\/1\.1 400 /);
  await ended(other.conn);
  using endless = await RawWebSocket.open(embedded.port, "GET / HTTP/1.1\r\n");
  await endless.sendText(`X-Much: ${"x".repeat(10_000)}`);
  await ended(endless.conn);
});

Deno.test("WebSocketUpgrade closes a connection whose request is late", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepting = listener.accept();
  using slow = await RawWebSocket.open(listener.addr.port, "GET / HTTP/1.1\r\n");
  const clock = new VirtualClock();
  const upgrade = new WebSocketUpgrade(MIB, clock);
  upgrade.take(
    new LinkStream(new ConnLink(await accepting)),
    "127.0.0.1",
    () => assert.fail("it was taken"),
  );
  await clock.advance(UPGRADE_MS);
  await ended(slow.conn);
  assert.equal(clock.timers, 0);
  upgrade.close();
});

/** Publishes this many messages at QoS 0, in few pieces. */
async function publishMany(conn: Deno.Conn, messages: number): Promise<void> {
  const packet = messagePacket("acme/other", new Uint8Array(20), PUBLISH_QOS0);
  const piece = concatenate(Array.from({ length: 500 }, () => packet));
  for (let sent = 0; sent < messages; sent += 500) await send(conn, piece);
}

Deno.test("BrokerClients gives at once all that has arrived: aedes asks once for a part of a message", () => {
  const clients = new BrokerClients({ maxMessageBytes: MIB, log: silentLog });
  const stream = new Duplex({ read() {} });
  clients.add({ stream, address: "", framingBytes: () => 0 });
  const packet = messagePacket("acme/other", new Uint8Array(MIB), PUBLISH_QOS0);
  const pieces = [
    packet.slice(0, 4_096),
    packet.slice(4_096, 20_000),
    packet.slice(20_000, 70_000),
  ];
  for (const piece of pieces) stream.push(piece);
  assert.equal(stream.read().length, 70_000);
  clients.destroy();
});

Deno.test("EmbeddedBroker throttles a client that floods, and loses nothing", async () => {
  await using embedded = await startBroker({ messagesPerSecond: 1_000 });
  using subscriber = await join(embedded.port, "subscriber");
  await send(subscriber, subscribePacket(["acme/other"]));
  let bytes = 0;
  const reading = readAll(subscriber, ({ length }) => bytes += length);
  // What is published before the subscription takes effect has no receiver.
  await waitFor(() => bytes >= CONNACK_BYTES + SUBACK_BYTES, "SUBACK");
  using publisher = await join(embedded.port);
  await publisher.read(new Uint8Array(CONNACK_BYTES));
  await publishMany(publisher, 2_000);
  assert.match(
    await embedded.lines.next("the warning"),
    /reads client "adversary" at 127\.0\.0\.1 more slowly: it sends more than 1000 messages a second$/,
  );
  const expected = CONNACK_BYTES + SUBACK_BYTES +
    2_000 * messagePacket("acme/other", new Uint8Array(20), PUBLISH_QOS0).length;
  await waitFor(() => bytes >= expected, "all messages");
  assert.equal(bytes, expected);
  await embedded.broker.stop();
  await reading;
});

Deno.test("EmbeddedBroker does not close over its subscribers' ends a client that publishes to them", async () => {
  await using embedded = await startBroker({ messagesPerSecond: 1e9 });
  using publisher = await join(embedded.port);
  const closed = readAll(publisher);
  let open = true;
  void closed.then(() => open = false);
  for (let round = 0; round < 5; round++) {
    const subscriber = await join(embedded.port, "subscriber");
    await send(subscriber, subscribePacket(["acme/other"]));
    const publishing = publishMany(publisher, 20_000).catch(() => {});
    const buffer = new Uint8Array(65_536);
    for (let bytes = 0; bytes < 100_000;) {
      bytes += await waitFor(subscriber.read(buffer), "messages") ?? Infinity;
    }
    subscriber.close();
    await publishing;
    assert.ok(open, `closed in round ${round}`);
  }
  await embedded.broker.stop();
  await closed;
});
