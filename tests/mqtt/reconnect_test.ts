// Coming back: brokers that die, many cars, and what must not grow meanwhile [WAIT-RETRY] [WAIT-UNSTABLE].
import assert from "node:assert/strict";
import { MqttTransport, PROVEN_MS } from "../../src/transport/mqtt/mqtt_transport.ts";
import { BrokerConnector } from "../../src/transport/mqtt/broker_connector.ts";
import { describeFailure } from "../../src/transport/mqtt/failure.ts";
import { type Log, silentLog } from "../../src/log/log.ts";
import { type Clock, systemClock } from "../../src/time/clock.ts";
import {
  type BrokerScript,
  closesAfterSuback,
  closesAtPublish,
  sendsAfterSuback,
} from "../adversary/broker.ts";
import { Mosquitto, mosquittoTest } from "../support/mosquitto.ts";
import { PUBLISH_QOS2 } from "../support/mqtt_packets.ts";
import { localBroker, makeConnector, TestCar, TestGateway, textOf } from "../support/mqtt_peers.ts";
import { VirtualClock } from "../support/virtual_clock.ts";
import { waitFor } from "../support/wait.ts";
import { publishPacket, RawBroker } from "./raw_broker.ts";

mosquittoTest(
  "MqttTransport says why it has no broker, how often it tried, and when it tries again",
  async () => {
    await using broker = await Mosquitto.start();
    const { connector } = await makeConnector(localBroker(broker.port));
    await using car = await new TestCar(connector).start();
    assert.equal(car.transport.trouble, null);
    await broker.kill();
    await car.downs.next("the loss");
    const trouble = await waitFor(() => {
      const found = car.transport.trouble;
      return found && found.attempts >= 2 && found.nextAttemptAt !== null ? found : undefined;
    }, "a pause between two attempts");
    assert.match(trouble?.reason ?? "", /refused/i);
    await broker.restart();
    await car.ups.next("the return");
    assert.equal(car.transport.trouble, null);
  },
);

mosquittoTest("MqttTransport comes back after 10 kills, and nothing grows", async () => {
  await using broker = await Mosquitto.start();
  const timers = new Set<unknown>();
  const clock: Clock = {
    now: systemClock.now,
    set(callback, delayMs) {
      const handle = systemClock.set(() => {
        timers.delete(handle);
        callback();
      }, delayMs);
      timers.add(handle);
      return handle;
    },
    clear(handle) {
      timers.delete(handle);
      systemClock.clear(handle);
    },
  };
  const way = { broker: localBroker(broker.port), refusedPauseMs: 1, tls: undefined };
  const connector = new BrokerConnector({ log: silentLog, clock }, way);
  await using car = await new TestCar(connector).start(true);
  assert.equal(await countConnections(broker.port), 1);
  for (let kill = 1; kill <= 10; kill++) {
    await broker.kill();
    const reason = await car.downs.next(`loss ${kill}`);
    assert.match(reason, /^Lost the broker mqtt:\/\/127\.0\.0\.1:\d+: /);
    await broker.restart();
    await car.ups.next(`return ${kill}`);
    await using gateway = await TestGateway.connect(broker.port);
    await gateway.send(`round ${kill}`);
    assert.equal(textOf(await gateway.messages.next("the echo")), `round ${kill}`);
  }
  assert.equal(car.transport.stats.connects, 11);
  assert.equal(car.transport.stats.disconnects, 10);
  await waitFor(() => timers.size === 0, "timers to have ended");
  const isOnly = async () => await countConnections(broker.port) === 1;
  await waitFor(isOnly, "all connections but the last to be closed");
  assert.equal(car.ups.size + car.downs.size, 0);
});

mosquittoTest("BrokerConnector connects 300 cars, and again after a restart", async () => {
  await using broker = await Mosquitto.start();
  const { connector, lines } = await makeConnector(localBroker(broker.port), 500);
  const cars = Array.from({ length: 300 }, (_, i) => new TestCar(connector, `car_${i}`));
  try {
    for (const car of cars) car.begin();
    for (const car of cars) await car.ups.next("every car to be up", 30_000);
    await broker.kill();
    for (const car of cars) await car.downs.next("every loss");
    const said = new Set([await lines.next("the report that the broker is away")]);
    await broker.restart();
    for (const car of cars) await car.ups.next("every car to be back", 30_000);
    let line = "";
    while (!/works again after \d+ s/.test(line)) {
      line = (await lines.next("the report that it is back")).replace(/\(car \w+\)/, "");
      // One for each way in which it was away, not one for each car.
      assert.ok(!said.has(line), line);
      said.add(line);
    }
  } finally {
    await Promise.all(cars.map((car) => car.transport.stop()));
  }
});

/** A transport at a scripted broker, on a clock that stands still. */
async function suffering(script: BrokerScript, cars = 1) {
  const clock = new VirtualClock();
  const broker = new RawBroker(script);
  const { connector, lines } = await makeConnector(localBroker(broker.port), 500, 15, clock);
  const scope = new AsyncDisposableStack();
  scope.use(broker);
  const all = Array.from(
    { length: cars },
    (_, i) => scope.use(new TestCar(connector, `car_${i + 1}`)),
  );
  return { clock, broker, lines, cars: all, [Symbol.asyncDispose]: () => scope.disposeAsync() };
}

const ENDED = "the connection ended soon after it was accepted";
const BAD_BROKERS: readonly (readonly [string, BrokerScript, reason: string])[] = [
  ["closes at the first PUBLISH", closesAtPublish, `${ENDED}: closed by the broker`],
  ["closes after SUBACK", closesAfterSuback, `${ENDED}: closed by the broker`],
  [
    "sends a QoS 2 message after SUBACK",
    sendsAfterSuback(publishPacket(new Uint8Array(1), PUBLISH_QOS2)),
    `${ENDED}: Cannot take a message: QoS 2 was not asked for`,
  ],
  [
    "sends a malformed packet after SUBACK",
    sendsAfterSuback(new Uint8Array([0x30, 0xff, 0xff, 0xff, 0xff, 0xff])),
    `${ENDED}: Cannot read a packet: its length is endless`,
  ],
];

for (const [what, script, reason] of BAD_BROKERS) {
  Deno.test(`MqttTransport backs off when a broker ${what}, and logs it`, async () => {
    await using scene = await suffering(script);
    const { clock, broker, lines, cars: [car] } = scene;
    assert.ok(car);
    car.begin();
    let longestMs = 500;
    for (let round = 1; round <= 9; round++) {
      await car.ups.next("the transport to be up");
      // A message of the gateway is no proof: the answer to it is what such brokers close at.
      car.transport.publish(new Uint8Array(1));
      await car.downs.next("the loss");
      assert.equal(broker.connections, round);
      const pauseMs = await clock.next();
      assert.ok(
        pauseMs > longestMs / 2 - 1 && pauseMs <= longestMs,
        `Pause ${round}: ${pauseMs} ms`,
      );
      longestMs = Math.min(2 * longestMs, 30_000);
    }
    const line = await lines.next("the warning");
    assert.ok(line.includes(`: ${reason} (car car_1)`), line);
    // At most one more for each minute that has passed; none that it works again.
    for (; lines.size > 0;) {
      assert.match(await lines.next("more"), /attempts since the last report/);
    }
  });
}

Deno.test("MqttTransport waits out its pause though others are connected", async () => {
  await using scene = await suffering(closesAtPublish, 10);
  const { broker, cars: [bad, ...good] } = scene;
  assert.ok(bad);
  await bad.start();
  bad.transport.publish(new Uint8Array(1));
  await bad.downs.next("the loss");
  for (const car of good) await car.start();
  assert.equal(broker.connections, 10);
  assert.equal(bad.ups.size, 0);
});

Deno.test("MqttTransport pauses no longer once a connection has lasted, and says that it works", async () => {
  await using scene = await suffering(closesAtPublish);
  const { clock, lines, cars: [car] } = scene;
  assert.ok(car);
  const lose = async () => {
    car.transport.publish(new Uint8Array(1));
    await car.downs.next("the loss");
  };
  await car.start();
  for (let round = 0; round < 4; round++) {
    await lose();
    await clock.next();
    await car.ups.next("the transport to be up");
  }
  assert.match(await lines.next("the warning"), /Cannot use the broker/);
  await clock.advance(PROVEN_MS - 1);
  assert.equal(lines.size, 0);
  await clock.advance(1);
  assert.match(await lines.next("the news"), /works again after \d+ s: the connection ended soon/);
  await lose();
  // At once: the clock stands still.
  await car.ups.next("the transport to be up");
  await lose();
  assert.ok(await clock.next() <= 500, "The pauses had not started over");
});

mosquittoTest("Every car is back at once when one has found the broker there", async () => {
  await using broker = await Mosquitto.start();
  const { connector, lines } = await makeConnector(localBroker(broker.port), 600_000);
  await using patient = new TestCar(connector, "car_1");
  await using first = await new TestCar(connector, "car_2").start();
  await broker.kill();
  await first.downs.next("the loss");
  patient.begin();
  await lines.next("the report that the broker is away");
  await broker.restart();
  // Whatever the configuration says, the broker is tried every second in the first half minute.
  await patient.ups.next("the car that waits", 10_000);
  await using _later = await new TestCar(connector, "car_3").start();
});

Deno.test("FailureReporter says the same only once a minute, for all cars, and what to do at first", () => {
  const lines: string[] = [];
  const write = (message: string | (() => string)) => lines.push(String(message));
  const log: Log = { ...silentLog, warning: write, info: write };
  let nowMs = 0;
  const clock: Clock = { ...systemClock, now: () => nowMs };
  const way = { broker: localBroker(1883), refusedPauseMs: 500, tls: undefined };
  const connector = new BrokerConnector({ log, clock }, way);
  const fail = (system: string) => {
    const failure = describeFailure(new Error(system));
    for (let car = 0; car < 100; car++) connector.failed(`car_${car}`, failure);
  };
  fail("Connection refused (os error 111)");
  nowMs = 59_999;
  fail("Connection refused (os error 111)");
  assert.deepEqual(lines.splice(0), [
    "Cannot use the broker mqtt://127.0.0.1:1883: connection refused (car car_0). " +
    "Start the broker, check address and port, and that it listens on more than its own loopback",
  ]);
  nowMs = 60_000;
  fail("Connection refused (os error 111)");
  assert.deepEqual(lines.splice(0), [
    "Cannot use the broker mqtt://127.0.0.1:1883: connection refused (100 cars, 200 attempts since the last report)",
  ]);
  for (let car = 0; car < 100; car++) connector.connected(`car_${car}`);
  assert.deepEqual(lines.splice(0), [
    "The broker mqtt://127.0.0.1:1883 works again after 60 s: connection refused",
  ]);
  // Coming and going within the minute is not worth a line.
  fail("Connection refused (os error 111)");
  for (let car = 0; car < 100; car++) connector.connected(`car_${car}`);
  assert.deepEqual(lines, []);
  fail("failed to lookup address information");
  assert.equal(lines.length, 1);
  // Those that have stopped trying count no more.
  for (let car = 1; car < 100; car++) connector.left(`car_${car}`);
  nowMs = 120_000;
  connector.failed("car_0", describeFailure(new Error("failed to lookup address information")));
  assert.match(lines.at(-1) ?? "", /host name not found \(1 car, 100 attempts/);
});

Deno.test("MqttTransport.start() throws when called twice", async () => {
  const { connector } = await makeConnector(localBroker(1));
  const options = {
    connector,
    company: "acme",
    car: "car_1",
    maxMessageBytes: 1,
    maxMessagesPerSecond: 1,
  };
  const transport = new MqttTransport(options);
  assert.deepEqual(new Set(Object.values(transport.stats)), new Set([0]));
  assert.deepEqual(transport.trouble, { reason: null, attempts: 0, nextAttemptAt: null });
  const listener = { onConnected() {}, onUp() {}, onLeaving() {}, onDown() {}, onMessage() {} };
  transport.start(listener);
  assert.throws(() => transport.start(listener), /Cannot start the transport of car car_1:/);
  await transport.stop();
});

/** The state of a connection that only the system remembers. */
const TIME_WAIT = "06";

/** Connections to a port that are not closed here; other tests may run in this process as well. */
async function countConnections(port: number): Promise<number> {
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  const table = await Deno.readTextFile("/proc/self/net/tcp");
  const rows = table.trim().split("\n").slice(1).map((line) => line.trim().split(/\s+/));
  return rows.filter(([, , remote, state]) => remote?.endsWith(`:${hex}`) && state !== TIME_WAIT)
    .length;
}
