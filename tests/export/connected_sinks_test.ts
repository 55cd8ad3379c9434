// Sinks with a connection, against real receivers: MQTT brokers and NATS.
import assert from "node:assert/strict";
import { connectAsync } from "mqtt";
import type { ConfigFiles } from "../../src/config/files.ts";
import { parseConfig } from "../../src/config/load.ts";
import type { SinkConfig } from "../../src/config/resolve/config.ts";
import { ConnectedSink, type Outlet } from "../../src/export/connected_sink.ts";
import { openSink } from "../../src/export/open_sink.ts";
import { type Sink, type SinkBatch, SinkError } from "../../src/export/sink.ts";
import { MQTT_SPECIAL, NATS_SPECIAL, topicsOf } from "../../src/export/topic.ts";
import type { LogEvent } from "../../src/record/log_event.ts";
import { documented, place } from "../config/support.ts";
import { Certificates } from "../support/certificates.ts";
import { Mosquitto, mosquittoTest } from "../support/mosquitto.ts";
import { Nats, natsTest } from "../support/nats.ts";
import { TempFolder } from "../support/temp.ts";
import { VirtualClock } from "../support/virtual_clock.ts";
import { waitFor } from "../support/wait.ts";

const UNUSED = new AbortController().signal;
const LOG = { event_log: { directory: "events" }, state_dir: "state" };

/** A sink as a document has it; its files may be anywhere. */
async function sinkOf(keys: Readonly<Record<string, unknown>>): Promise<Sink> {
  const files: ConfigFiles = { kind: () => "file", readText: () => "", script: () => undefined };
  const document = documented({ ...LOG, sinks: { test: keys } });
  const { config } = parseConfig(document, { ...place, files });
  return await openSink(config.sinks?.[0] as SinkConfig, "acme");
}

function eventOf(more: Partial<LogEvent> = {}): LogEvent {
  return {
    id: "acme/car_1/1/1",
    at: 0,
    car: "car_1",
    session: null,
    device: { module: 7, deviceType: 2, deviceRole: "role", deviceName: "name", priority: 0 },
    counter: 1,
    kind: "status.accepted",
    payload: null,
    data: {},
    ...more,
  };
}

function batchOf(first: number, count: number, size = 0): SinkBatch {
  const messages = Array.from({ length: count }, (_, index) => {
    const id = `acme/car_1/1/${first + index}`;
    return { event: eventOf({ id }), body: JSON.stringify({ id, padding: "x".repeat(size) }) };
  });
  return { id: `${first}:${count}`, messages };
}

async function failureOf(promise: Promise<unknown>): Promise<SinkError> {
  const error = await promise.then(() => null, (error) => error);
  assert.ok(error instanceof SinkError, String(error));
  return error;
}

/** What needs the receiver to take something. */
function attemptsOf(sink: Sink): (() => Promise<unknown>)[] {
  return [() => sink.deliver(batchOf(1, 3), UNUSED), async () => await sink.probe?.(UNUSED)];
}

/** What a client of a broker hears: topics and bodies, in order. */
async function listenTo(port: number, topic: string) {
  const client = await connectAsync({ host: "127.0.0.1", port, reconnectPeriod: 0 });
  const messages: { readonly topic: string; readonly id: string }[] = [];
  client.on("message", (topic, payload) => {
    messages.push({ topic, id: payload.length === 0 ? "" : JSON.parse(payload.toString()).id });
  });
  await client.subscribeAsync(topic, { qos: 1 });
  return { messages, [Symbol.asyncDispose]: () => client.endAsync() };
}

Deno.test("a topic is made of an event; what would change its levels is escaped", () => {
  const template = "t/{company}/{car}/{module}/{type}/{role}/{name}/{kind}";
  const topicOf = topicsOf(template, "acme", MQTT_SPECIAL);
  assert.equal(topicOf(eventOf()), "t/acme/car_1/7/2/role/name/status.accepted");
  assert.equal(topicOf(eventOf({ device: null })), "t/acme/car_1/-/-/-/-/status.accepted");
  const device = {
    module: 7,
    deviceType: 2,
    deviceRole: "a/b+c#d%e$",
    deviceName: "\u0000\ud800",
    priority: 0,
  };
  assert.equal(
    topicOf(eventOf({ car: "", device })),
    "t/acme/-/7/2/a%2Fb%2Bc%23d%25e%24/%00\ufffd/status.accepted",
  );
  const subjectOf = topicsOf("{role}.{name}", "acme", NATS_SPECIAL);
  const dotted = { ...device, deviceRole: "a.b *>", deviceName: "" };
  assert.equal(subjectOf(eventOf({ device: dotted })), "a%2Eb%20%2A%3E.-");
  const long = topicOf(eventOf({ device: { ...device, deviceRole: "r".repeat(70_000) } }));
  assert.ok(long.length < 1000);
});

mosquittoTest("MQTT: events arrive in order at their topics, over one connection", async () => {
  await using broker = await Mosquitto.start({ lines: ["max_inflight_messages 3"] });
  await using heard = await listenTo(broker.port, "out/#");
  const address = `mqtt://127.0.0.1:${broker.port}`;
  const sink = await sinkOf({ kind: "mqtt", address, topic: "out/{car}/{module}" });
  await sink.deliver(batchOf(1, 50), UNUSED);
  await sink.deliver(batchOf(51, 50), UNUSED);
  await waitFor(() => heard.messages.length === 100, "every event");
  heard.messages.forEach(({ topic, id }, index) => {
    assert.deepEqual([topic, id], ["out/car_1/7", `acme/car_1/1/${index + 1}`]);
  });
  assert.equal(broker.log.match(/New client connected from \S+ as es-/g)?.length, 1);
  await sink.close();
});

mosquittoTest(
  "MQTT: a broker that is away fails a batch, and gets it when it is back",
  async () => {
    await using broker = await Mosquitto.start();
    const sink = await sinkOf({ kind: "mqtt", address: `mqtt://127.0.0.1:${broker.port}` });
    await sink.deliver(batchOf(1, 3), UNUSED);
    await broker.kill();
    assert.match((await failureOf(sink.deliver(batchOf(4, 3), UNUSED))).message, /\S/);
    const { message, advice } = await failureOf(sink.deliver(batchOf(4, 3), UNUSED));
    assert.equal(message, "connection refused");
    assert.match(advice ?? "", /Start the broker/);
    await broker.restart();
    await using heard = await listenTo(broker.port, "#");
    await sink.deliver(batchOf(4, 3), UNUSED);
    // What the broker may not have passed on before it died, and the batch.
    await waitFor(() => heard.messages.length === 6, "both batches");
    assert.deepEqual(
      heard.messages.map(({ id }) => id),
      [1, 2, 3, 4, 5, 6].map((each) => `acme/car_1/1/${each}`),
    );
    await sink.close();
  },
);

mosquittoTest("MQTT: over TLS, with a password in a file; what is refused is said", async () => {
  await using certificates = await Certificates.make();
  await using folder = await TempFolder.make();
  const acl = await folder.write("acl", "user sink\ntopic write ok/#\n");
  const { caFile, server, client } = certificates;
  await using broker = await Mosquitto.start({
    tls: { caFile, ...server, clientCertificates: true },
    users: { sink: "pass word" },
    lines: [`acl_file ${acl}`],
  });
  const keys = {
    kind: "mqtt",
    address: `mqtts://localhost:${broker.port}`,
    username: "sink",
    password_file: await folder.write("password", "pass word\n"),
    ca_certs_file: caFile,
    cert_file: client.certFile,
    key_file: client.keyFile,
  };
  const sink = await sinkOf({ ...keys, topic: "ok/{car}" });
  await sink.deliver(batchOf(1, 3), UNUSED);
  assert.match(await sink.probe?.(UNUSED) ?? "", /^May publish, an empty message .* to "ok\/-"$/);
  await sink.close();
  const forbidden = await sinkOf({ ...keys, topic: "other/{car}" });
  for (const attempt of attemptsOf(forbidden)) {
    const { message } = await failureOf(attempt());
    assert.match(message, /^the broker refuses a message to "other\/\S+": not authorized$/);
  }
  const stranger = await sinkOf({ ...keys, password_file: await folder.write("wrong", "wrong") });
  const { message } = await failureOf(stranger.deliver(batchOf(1, 1), UNUSED));
  assert.match(message, /^not authorized/);
  const { ca_certs_file: _, ...untrusted } = keys;
  const { advice } = await failureOf(
    (await sinkOf(untrusted)).deliver(batchOf(1, 1), UNUSED),
  );
  assert.match(advice ?? "", /authority/);
});

mosquittoTest("MQTT: an event that the broker does not take is named, and stays", async () => {
  await using broker = await Mosquitto.start({ lines: ["max_packet_size 2000"] });
  const sink = await sinkOf({ kind: "mqtt", address: `mqtt://127.0.0.1:${broker.port}` });
  const { message } = await failureOf(sink.deliver(batchOf(1, 1, 3000), UNUSED));
  assert.match(message, /^Cannot send event "acme\/car_1\/1\/1", .*: \d+ bytes, it takes 2000$/);
  await sink.deliver(batchOf(2, 1), UNUSED);
  await sink.close();
});

/** A receiver in memory, whose connections a test ends; refuses what it is told to. */
class ListOutlets {
  readonly sent: string[][] = [];
  refused: string | undefined;
  isOpen = false;
  maxInFlight = 1;

  open(): Promise<Outlet> {
    const list: string[] = [];
    this.sent.push(list);
    this.isOpen = true;
    const isOpen = () => this.isOpen;
    return Promise.resolve({
      maxInFlight: this.maxInFlight,
      get isOpen() {
        return isOpen();
      },
      publish: ({ event: { id } }) => {
        if (id.endsWith(`/${this.refused}`)) return Promise.reject(new SinkError("refused"));
        list.push(id.slice(id.lastIndexOf("/") + 1));
        return Promise.resolve();
      },
      probe: () => Promise.resolve(""),
      [Symbol.asyncDispose]: () => {
        this.isOpen = false;
        return Promise.resolve();
      },
    });
  }
}

Deno.test("a sink sends again what a lost connection had acknowledged lately, and first", async () => {
  const outlets = new ListOutlets();
  const clock = new VirtualClock();
  const open = () => outlets.open();
  const sink = new ConnectedSink({ target: "", resendMs: 1000, clock, open });
  await sink.deliver(batchOf(1, 2), UNUSED);
  clock.pass(1500);
  await sink.deliver(batchOf(3, 2), UNUSED);
  clock.pass(1000);
  await sink.deliver(batchOf(5, 1), UNUSED);
  outlets.isOpen = false;
  // However long the receiver is away.
  clock.pass(60_000);
  outlets.refused = "4";
  await failureOf(sink.deliver(batchOf(6, 2), UNUSED));
  outlets.refused = "7";
  await failureOf(sink.deliver(batchOf(6, 2), UNUSED));
  outlets.refused = undefined;
  await sink.deliver(batchOf(6, 2), UNUSED);
  clock.pass(1001);
  await sink.deliver(batchOf(8, 1), UNUSED);
  outlets.isOpen = false;
  await sink.deliver(batchOf(9, 1), UNUSED);
  assert.deepEqual(outlets.sent.map((list) => list.join("")), [
    "12345",
    "3",
    "3456",
    "345678",
    "89",
  ]);
  await sink.close();
});

Deno.test("a sink sends nothing again unless it is told to", async () => {
  const outlets = new ListOutlets();
  const sink = new ConnectedSink({ target: "", open: () => outlets.open() });
  await sink.deliver(batchOf(1, 2), UNUSED);
  outlets.isOpen = false;
  await sink.deliver(batchOf(3, 2), UNUSED);
  assert.deepEqual(outlets.sent, [["1", "2"], ["3", "4"]]);
  await sink.close();
});

mosquittoTest("a sink that is stopped while it connects leaves no connection", async () => {
  await using broker = await Mosquitto.start();
  const sink = await sinkOf({ kind: "mqtt", address: `mqtt://127.0.0.1:${broker.port}` });
  const stop = new AbortController();
  const delivery = sink.deliver(batchOf(1, 100), stop.signal);
  stop.abort(new Error("stopped"));
  await assert.rejects(delivery, /stopped/);
  await sink.close();
});

const TELEMETRY = { name: "telemetry", subjects: ["telemetry.>"] };

natsTest("NATS: events arrive in order, and once however often they are sent", async () => {
  await using nats = await Nats.start();
  await nats.manage((manager) => manager.streams.add(TELEMETRY));
  const sink = await sinkOf({ kind: "nats", address: `nats://127.0.0.1:${nats.port}` });
  for (const [first, count] of [[1, 40], [1, 60], [61, 40]] as const) {
    await sink.deliver(batchOf(first, count), UNUSED);
  }
  await nats.kill();
  assert.match((await failureOf(sink.deliver(batchOf(90, 20), UNUSED))).message, /\S/);
  const { message, advice } = await failureOf(sink.deliver(batchOf(90, 20), UNUSED));
  assert.equal(message, "connection refused");
  assert.match(advice ?? "", /Check the address/);
  await nats.run();
  await sink.deliver(batchOf(90, 20), UNUSED);
  await nats.manage(async (manager) => {
    const { state } = await manager.streams.info("telemetry");
    assert.equal(state.messages, 109);
    for (let seq = 1; seq <= state.messages; seq++) {
      const kept = await manager.streams.getMessage("telemetry", { seq });
      assert.equal(kept?.json<{ id: string }>().id, `acme/car_1/1/${seq}`);
      assert.equal(kept?.subject, "telemetry.acme.car_1.7.role");
    }
  });
  await sink.close();
});

natsTest(
  "NATS: a stream that is missing, or not the one, is said; trying keeps nothing",
  async () => {
    await using nats = await Nats.start();
    const keys = { kind: "nats", address: `nats://127.0.0.1:${nats.port}` };
    const sink = await sinkOf(keys);
    for (const attempt of attemptsOf(sink)) {
      const { message, advice } = await failureOf(attempt());
      assert.match(message, /^no stream takes a message to "telemetry\.acme\.\S+"$/);
      assert.match(advice ?? "", /Make a stream/);
    }
    await nats.manage((manager) => manager.streams.add(TELEMETRY));
    assert.match(
      await sink.probe?.(UNUSED) ?? "",
      /^May publish: a stream takes "telemetry\.acme\./,
    );
    const other = await sinkOf({ ...keys, stream: "other" });
    for (const attempt of attemptsOf(other)) {
      const { message } = await failureOf(attempt());
      assert.match(message, /^the stream refuses a message to .*expected stream does not match$/);
    }
    const { state } = await nats.manage((manager) => manager.streams.info("telemetry"));
    assert.equal(state.messages, 0);
    await sink.deliver(batchOf(1, 1), UNUSED);
    await sink.close();
    await other.close();
  },
);

natsTest("NATS: users with rights; what is refused is said", async () => {
  await using folder = await TempFolder.make();
  const rights = '{ publish: ["ok.>", "$JS.API.>"], subscribe: ["_INBOX.>"] }';
  await using nats = await Nats.start([
    `authorization { users: [{ user: sink, password: "pass word", permissions: ${rights} }] }`,
  ]);
  await nats.manage(
    (manager) => manager.streams.add({ name: "all", subjects: ["ok.>", "other.>"] }),
    { user: "sink", pass: "pass word" },
  );
  const keys = {
    kind: "nats",
    address: `nats://127.0.0.1:${nats.port}`,
    username: "sink",
    password_file: await folder.write("password", "pass word\n"),
  };
  const sink = await sinkOf({ ...keys, subject: "ok.{car}" });
  await sink.deliver(batchOf(1, 3), UNUSED);
  assert.match(await sink.probe?.(UNUSED) ?? "", /^May publish/);
  await sink.close();
  const forbidden = await sinkOf({ ...keys, subject: "other.{car}" });
  const refused = await failureOf(forbidden.deliver(batchOf(1, 3), UNUSED));
  assert.equal(refused.message, 'the server refuses a message to "other.car_1": not authorized');
  const stranger = await sinkOf({ ...keys, password_file: await folder.write("wrong", "wrong") });
  const { message, advice } = await failureOf(stranger.deliver(batchOf(1, 1), UNUSED));
  assert.equal(message, "not authorized");
  assert.match(advice ?? "", /user, token or credentials/);
});

natsTest("NATS: over TLS with a client certificate", async () => {
  await using certificates = await Certificates.make();
  const { caFile, server, client } = certificates;
  const tls = `tls { cert_file: "${server.certFile}", key_file: "${server.keyFile}", ` +
    `ca_file: "${caFile}", verify: true }`;
  await using nats = await Nats.start([tls]);
  const keys = {
    kind: "nats",
    address: `tls://localhost:${nats.port}`,
    ca_certs_file: caFile,
    cert_file: client.certFile,
    key_file: client.keyFile,
  };
  const sink = await sinkOf(keys);
  if (/^2\.[4-8]\./.test(Deno.version.deno)) {
    const { message, advice } = await failureOf(sink.deliver(batchOf(1, 1), UNUSED));
    assert.match(message, /cannot begin TLS within a connection/);
    assert.match(advice ?? "", /Deno 2\.9/);
    return;
  }
  // Only with an answer of the server is it known that it has let this client in.
  const { message } = await failureOf(sink.deliver(batchOf(1, 3), UNUSED));
  assert.match(message, /^no stream takes a message/);
  const { ca_certs_file: _, ...untrusted } = keys;
  const { message: refusal } = await failureOf(
    (await sinkOf(untrusted)).deliver(batchOf(1, 1), UNUSED),
  );
  assert.doesNotMatch(refusal, /stream/);
  const plain = await sinkOf({ kind: "nats", address: `nats://localhost:${nats.port}` });
  await failureOf(plain.deliver(batchOf(1, 1), UNUSED));
});

natsTest("NATS: a token in a file", async () => {
  await using folder = await TempFolder.make();
  await using nats = await Nats.start(['authorization { token: "to ken" }']);
  await nats.manage((manager) => manager.streams.add(TELEMETRY), { token: "to ken" });
  const token = await folder.write("token", "to ken\n");
  const address = `nats://127.0.0.1:${nats.port}`;
  const sink = await sinkOf({ kind: "nats", address, token_file: token });
  await sink.deliver(batchOf(1, 2), UNUSED);
  await sink.close();
});
