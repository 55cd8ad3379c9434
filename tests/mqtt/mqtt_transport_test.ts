// The transport against a real Mosquitto [MQTT-SETTINGS] [WAIT-RETRY].
import assert from "node:assert/strict";
import { MAX_OUTSTANDING } from "../../src/transport/mqtt/outgoing_batch.ts";
import { Mosquitto, mosquittoTest } from "../support/mosquitto.ts";
import { localBroker, makeConnector, TestCar, TestGateway, textOf } from "../support/mqtt_peers.ts";
import { Inbox, waitFor } from "../support/wait.ts";

mosquittoTest("MqttTransport carries messages both ways [MQTT-SETTINGS]", async () => {
  await using broker = await Mosquitto.start();
  const { connector } = await makeConnector(localBroker(broker.port));
  await using car = await new TestCar(connector).start();
  await using gateway = await TestGateway.connect(broker.port);
  await gateway.send("hello");
  assert.equal(textOf(await car.messages.next("a message")), "hello");
  car.transport.publish(new TextEncoder().encode("welcome"));
  assert.equal(textOf(await gateway.messages.next("an answer")), "welcome");
  car.transport.notifyDisconnect();
  assert.equal((await gateway.notifications.next("the notification")).length, 0);
  const { connects, disconnects, messagesIn, messagesOut } = car.transport.stats;
  assert.deepEqual({ connects, disconnects, messagesIn, messagesOut }, {
    connects: 1,
    disconnects: 0,
    messagesIn: 1,
    messagesOut: 2,
  });
});

mosquittoTest("MqttTransport echoes 2,000 messages in order, none twice", async () => {
  await using broker = await Mosquitto.start({ lines: ["max_queued_messages 0"] });
  const { connector } = await makeConnector(localBroker(broker.port));
  await using _car = await new TestCar(connector).start(true);
  await using gateway = await TestGateway.connect(broker.port);
  for (let i = 0; i < 2_000; i++) void gateway.send(`message ${i}`);
  for (let i = 0; i < 2_000; i++) {
    assert.equal(textOf(await gateway.messages.next(`echo ${i}`)), `message ${i}`);
  }
  assert.equal(gateway.messages.size, 0);
});

mosquittoTest("MqttTransport carries 10 MiB both ways", async () => {
  await using broker = await Mosquitto.start();
  const { connector } = await makeConnector(localBroker(broker.port));
  const large = new Uint8Array(10 * 1024 * 1024).map((_, i) => i * 7);
  await using car = new TestCar(connector, "car_1", { maxMessageBytes: large.length });
  await car.start(true);
  await using gateway = await TestGateway.connect(broker.port);
  await gateway.send(large);
  const echoed = await gateway.messages.next("the large message", 30_000);
  assert.ok(echoed.length === large.length && large.every((byte, i) => byte === echoed[i]));
});

mosquittoTest("MqttTransport discards a message that is too large, and goes on", async () => {
  await using broker = await Mosquitto.start();
  const { connector } = await makeConnector(localBroker(broker.port));
  await using car = new TestCar(connector, "car_1", { maxMessageBytes: 1_000 });
  await car.start();
  await using gateway = await TestGateway.connect(broker.port);
  await gateway.send(new Uint8Array(10 * 1024 * 1024));
  // More than the broker sends without acknowledgement, so discarded ones must be acknowledged.
  for (let i = 0; i < 30; i++) await gateway.send(new Uint8Array(1_001));
  await gateway.send(new Uint8Array(1_000));
  assert.equal((await car.messages.next("the message after")).length, 1_000);
  assert.equal(await car.oversize.next("the first discarded"), 10 * 1024 * 1024);
  assert.equal(car.transport.stats.oversize, 31);
});

mosquittoTest("publish() drops silently while the broker is away [WAIT-RETRY]", async () => {
  await using broker = await Mosquitto.start();
  const { connector } = await makeConnector(localBroker(broker.port));
  await using car = await new TestCar(connector).start();
  await broker.kill();
  await car.downs.next("the loss");
  for (let i = 0; i < 10_000; i++) car.transport.publish(new Uint8Array(1_000));
  car.transport.notifyDisconnect();
  await broker.restart();
  await using gateway = await TestGateway.connect(broker.port);
  await car.ups.next("the transport to be back");
  car.transport.publish(new TextEncoder().encode("after"));
  assert.equal(textOf(await gateway.messages.next("the message after")), "after");
  assert.equal(gateway.notifications.size, 0);
  assert.equal(car.transport.stats.messagesOut, 1);
});

mosquittoTest("pause() leaves messages at the broker, resume() brings all in order", async () => {
  await using broker = await Mosquitto.start();
  const { connector } = await makeConnector(localBroker(broker.port));
  await using car = await new TestCar(connector).start();
  await using gateway = await TestGateway.connect(broker.port);
  car.transport.pause();
  for (let i = 0; i < 100; i++) await gateway.send(`message ${i}`);
  // An answer to our own message shows that the connection is alive and read meanwhile.
  car.transport.publish(new TextEncoder().encode("paused"));
  await gateway.messages.next("a message while paused");
  assert.equal(car.messages.size, 0);
  car.transport.resume();
  car.transport.resume();
  for (let i = 0; i < 100; i++) {
    assert.equal(textOf(await car.messages.next(`message ${i}`)), `message ${i}`);
  }
});

mosquittoTest("pause() from within onMessage() holds back the very next message", async () => {
  await using broker = await Mosquitto.start();
  const { connector } = await makeConnector(localBroker(broker.port));
  await using car = new TestCar(connector);
  const seen = new Inbox<string>();
  const up = Promise.withResolvers<void>();
  car.transport.start({
    onConnected() {},
    onUp: up.resolve,
    onLeaving() {},
    onDown() {},
    onMessage(payload) {
      car.transport.pause();
      seen.push(textOf(payload));
    },
  });
  await waitFor(up.promise, "the transport to be up");
  await using gateway = await TestGateway.connect(broker.port);
  for (let i = 0; i < 50; i++) void gateway.send(`message ${i}`);
  for (let i = 0; i < 50; i++) {
    assert.equal(await seen.next(`message ${i}`), `message ${i}`);
    assert.equal(seen.size, 0);
    car.transport.resume();
  }
});

mosquittoTest("stop() delivers what was published, and nothing after it", async () => {
  await using broker = await Mosquitto.start();
  const { connector } = await makeConnector(localBroker(broker.port));
  await using gateway = await TestGateway.connect(broker.port);
  const car = await new TestCar(connector).start();
  for (let i = 0; i < 500; i++) car.transport.publish(new TextEncoder().encode(`message ${i}`));
  await Promise.all([car.transport.stop(), car.transport.stop()]);
  for (let i = 0; i < 500; i++) {
    assert.equal(textOf(await gateway.messages.next(`message ${i}`)), `message ${i}`);
  }
  // Whatever the broker had to say about the car is said before it takes the next subscriber.
  await using _another = await TestGateway.connect(broker.port);
  await using other = await new TestCar(connector).start();
  other.transport.publish(new TextEncoder().encode("end"));
  assert.equal(textOf(await gateway.messages.next("the end")), "end");
  assert.equal(gateway.notifications.size, 0);
});

Deno.test("stop() ends in every phase, also before start() and while nothing answers", async () => {
  const silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepted = silent.accept();
  const { connector } = await makeConnector(localBroker(silent.addr.port));
  const never = new TestCar(connector, "car_0");
  await waitFor(never.transport.stop(), "stop() before start()");
  const car = new TestCar(connector);
  car.begin();
  const conn = await waitFor(accepted, "the connection");
  await waitFor(car.transport.stop(), "stop() while nothing answers");
  conn.close();
  silent.close();
  const refused = await makeConnector(localBroker(1));
  const waiting = new TestCar(refused.connector);
  waiting.begin();
  assert.match(await refused.lines.next("the report"), /connection refused/);
  await waitFor(waiting.transport.stop(), "stop() while waiting");
});

mosquittoTest("publish() gives up a connection on which nothing is acknowledged", async () => {
  await using broker = await Mosquitto.start();
  const { connector } = await makeConnector(localBroker(broker.port));
  await using car = await new TestCar(connector).start();
  const payload = new Uint8Array(10);
  for (let i = 0; i <= MAX_OUTSTANDING; i++) car.transport.publish(payload);
  assert.match(await car.downs.next("the loss"), /8193 messages are unanswered/);
  await car.ups.next("the transport to be back");
});

/** In seconds; short, as tests wait for it to pass, and long enough for a process that gets no turn. */
const KEEP_ALIVE_S = 5;

/** Connects with that keep-alive, stays silent, and resolves when the broker closes. */
async function droppedForSilence(port: number): Promise<void> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const connect = [0, 4, ...new TextEncoder().encode("MQTT"), 4, 2, 0, KEEP_ALIVE_S, 0, 1, 0x77];
  await connection.write(new Uint8Array([0x10, connect.length, ...connect]));
  while (await connection.read(new Uint8Array(16)) !== null);
}

mosquittoTest("pause() outlasts the keep-alive, however much is held back", async () => {
  await using broker = await Mosquitto.start();
  const { connector } = await makeConnector(localBroker(broker.port), 20, KEEP_ALIVE_S);
  await using few = await new TestCar(connector, "car_1").start();
  await using many = await new TestCar(connector, "car_2").start();
  await using fewGateway = await TestGateway.connect(broker.port, "car_1");
  await using manyGateway = await TestGateway.connect(broker.port, "car_2");
  few.transport.pause();
  many.transport.pause();
  await fewGateway.send("small");
  // More than is read while paused, so that pings are not answered to us either.
  for (let i = 0; i < 4; i++) await manyGateway.send(new Uint8Array(500_000));
  // The broker drops who is silent: such a client, later than these, is there no more.
  await waitFor(droppedForSilence(broker.port), "the broker's patience to end");
  few.transport.resume();
  many.transport.resume();
  assert.equal(textOf(await few.messages.next("the small message")), "small");
  for (let i = 0; i < 4; i++) await many.messages.next("a large message");
  assert.equal(few.downs.size + many.downs.size, 0);
});

mosquittoTest("MqttTransport gives up a broker that hangs, by keep-alive", async () => {
  await using broker = await Mosquitto.start();
  const { connector } = await makeConnector(localBroker(broker.port), 20, KEEP_ALIVE_S);
  await using car = await new TestCar(connector).start();
  Deno.kill(broker.pid as number, "SIGSTOP");
  try {
    assert.match(await car.downs.next("the loss"), /the broker does not answer pings/);
  } finally {
    Deno.kill(broker.pid as number, "SIGCONT");
  }
  await car.ups.next("the transport to be back");
});
