// The embedded broker, with the transport and mqtt.js as its clients.
import assert from "node:assert/strict";
import type { BrokerConfig } from "../../src/config/resolve/config.ts";
import { EmbeddedBroker } from "../../src/broker/broker.ts";
import { ListenError } from "../../src/net/errors.ts";
import { PacketLimit } from "../../src/broker/packet_limit.ts";
import { silentLog } from "../../src/log/log.ts";
import { Certificates } from "../support/certificates.ts";
import { localBroker, makeConnector, TestCar, TestGateway, textOf } from "../support/mqtt_peers.ts";
import { Inbox, waitFor } from "../support/wait.ts";

/** A broker for one test, with what it logs. */
class TestBroker implements AsyncDisposable {
  readonly lines = new Inbox<string>();
  readonly broker: EmbeddedBroker;
  readonly config: BrokerConfig;

  constructor(more: Partial<BrokerConfig> = {}, maxMessageBytes = 1_000_000) {
    const write = (message: string | (() => string)) =>
      this.lines.push(typeof message === "string" ? message : message());
    this.config = localBroker(0, more);
    const log = { ...silentLog, warning: write };
    this.broker = new EmbeddedBroker({ broker: this.config, maxMessageBytes, log });
  }

  /** Starts it, and returns how to connect to it. */
  async start(): Promise<BrokerConfig> {
    return { ...this.config, port: await this.broker.start() };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.broker.stop();
  }
}

Deno.test("EmbeddedBroker carries messages both ways, in order", async () => {
  await using embedded = new TestBroker();
  const { connector } = await makeConnector(await embedded.start());
  await using _car = await new TestCar(connector).start(true);
  await using gateway = await TestGateway.connect(embedded.broker.port);
  for (let i = 0; i < 200; i++) void gateway.send(`message ${i}`);
  for (let i = 0; i < 200; i++) {
    assert.equal(textOf(await gateway.messages.next("the echo")), `message ${i}`);
  }
  assert.equal(embedded.broker.clients, 2);
});

Deno.test("EmbeddedBroker answers each CONNECT, also in two pieces that arrive at once", async () => {
  await using embedded = new TestBroker();
  const { port } = await embedded.start();
  const program = new URL("split_connect.ts", import.meta.url).pathname;
  const args = ["run", "--no-prompt", "--no-check", "--allow-net", program, `${port}`, "200"];
  const clients = new Deno.Command(Deno.execPath(), { args }).output();
  // One that is not answered is thrown out after 10 s.
  const { code, stderr } = await waitFor(clients, "200 answers", 60_000);
  assert.equal(code, 0, new TextDecoder().decode(stderr));
});

for (const protocol of ["mqtts", "ws", "wss"] as const) {
  Deno.test(`EmbeddedBroker speaks ${protocol}`, async () => {
    await using certificates = await Certificates.make();
    const { caFile, server } = certificates;
    const tls = protocol === "ws" ? {} : { tls: { caFile, ...server } };
    await using embedded = new TestBroker({ protocol, path: "/mqtt", ...tls });
    const { connector } = await makeConnector(await embedded.start());
    await using gateway = await new TestCar(connector, "other").start();
    await using car = await new TestCar(connector).start();
    assert.equal(embedded.broker.clients, 2);
    assert.ok(gateway.transport.stats.bytesIn > 0 && car.transport.stats.bytesIn > 0);
  });
}

Deno.test("EmbeddedBroker demands the configured user name and password", async () => {
  await using embedded = new TestBroker({ username: "server", password: "secret" });
  const right = await embedded.start();
  const { connector } = await makeConnector(right);
  await using _car = await new TestCar(connector).start();
  for (const [username, password] of [["server", "wrong"], ["else", "secret"], ["", ""]]) {
    const { connector, lines } = await makeConnector({ ...right, username, password } as never);
    await using car = new TestCar(connector, "car_2");
    car.begin();
    assert.match(await lines.next("the report"), /not authorized: bad user name or password/);
  }
});

Deno.test("EmbeddedBroker.start() says that the port is in use", async () => {
  await using first = new TestBroker();
  const { port } = await first.start();
  await using second = new TestBroker({ port });
  await assert.rejects(second.start(), (error) => {
    assert.ok(error instanceof ListenError);
    assert.equal(
      error.message,
      `Cannot listen on mqtt://127.0.0.1:${port}: the port is in use; ` +
        "end what listens there, or take another",
    );
    return true;
  });
});

Deno.test("EmbeddedBroker sends the last will of a client that vanished", async () => {
  await using embedded = new TestBroker();
  await embedded.start();
  await using gateway = await TestGateway.connect(embedded.broker.port);
  const topic = "acme/car_1/external_server_disconnect";
  const will = { topic, payload: "" as never, qos: 1 as const, retain: false };
  await using other = await TestGateway.connect(embedded.broker.port, "car_2", {
    will,
    reconnectPeriod: 0,
  });
  other.client.stream.destroy();
  assert.equal((await gateway.notifications.next("the last will")).length, 0);
});

Deno.test("EmbeddedBroker closes a connection with an endless message, and goes on", async () => {
  await using embedded = new TestBroker({}, 1_000);
  const { connector } = await makeConnector(await embedded.start());
  await using car = await new TestCar(connector).start();
  await using gateway = await TestGateway.connect(embedded.broker.port);
  await using bad = await TestGateway.connect(embedded.broker.port, "car_2", {
    reconnectPeriod: 0,
  });
  const closed = Promise.withResolvers<void>();
  bad.client.on("close", closed.resolve);
  bad.client.publish("acme/car_1/module_gateway", new Uint8Array(200_000) as never, { qos: 1 });
  await waitFor(closed.promise, "the connection to be closed");
  assert.match(await embedded.lines.next("the report"), /a message over 1000 bytes/);
  await gateway.send("small");
  assert.equal(textOf(await car.messages.next("the small message")), "small");
});

Deno.test("EmbeddedBroker survives clients that send garbage or vanish midway", async () => {
  await using embedded = new TestBroker();
  const { port } = await embedded.start();
  for (let seed = 0; seed < 50; seed++) {
    const conn = await Deno.connect({ hostname: "127.0.0.1", port });
    const bytes = new Uint8Array(1 + seed * 7).map((_, i) => (i * 31 + seed * 17) & 255);
    await conn.write(bytes).catch(() => {});
    conn.close();
  }
  const { connector } = await makeConnector(localBroker(port));
  await using _car = await new TestCar(connector).start(true);
  await using gateway = await TestGateway.connect(port);
  await gateway.send("alive");
  assert.equal(textOf(await gateway.messages.next("the echo")), "alive");
});

Deno.test("EmbeddedBroker.stop() closes connections, also without start()", async () => {
  const embedded = new TestBroker();
  const { connector } = await makeConnector(await embedded.start());
  await using car = await new TestCar(connector).start();
  await waitFor(embedded.broker.stop(), "the broker to stop");
  await car.downs.next("the loss");
  await waitFor(embedded.broker.stop(), "the broker to stop again");
  await waitFor(new TestBroker().broker.stop(), "a broker that never started to stop");
});

Deno.test("PacketLimit.allows() finds a long packet however the bytes are cut", () => {
  const packets = [0x30, 3, 1, 2, 3, 0xc0, 0, 0x32, 0x80 | 5, 1, ...Array(133).fill(7), 0xc0, 0];
  const tooLong = [0x30, 0x80 | 6, 1, 0];
  for (let cut = 1; cut <= packets.length; cut++) {
    const limit = new PacketLimit(133);
    for (let at = 0; at < packets.length; at += cut) {
      assert.ok(limit.allows(new Uint8Array(packets.slice(at, at + cut))));
    }
    assert.ok(!limit.allows(new Uint8Array(tooLong)));
  }
  assert.ok(!new PacketLimit(1e9).allows(new Uint8Array([0x30, 255, 255, 255, 255])));
});
