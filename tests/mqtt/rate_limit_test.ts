// Cars that send too much: how much that is, and what comes of it.
import assert from "node:assert/strict";
import { RateLimit } from "../../src/time/rate_limit.ts";
import { PUBLISH_QOS0 } from "../support/mqtt_packets.ts";
import { localBroker, makeConnector, TestCar } from "../support/mqtt_peers.ts";
import { VirtualClock } from "../support/virtual_clock.ts";
import { Inbox } from "../support/wait.ts";
import { publishPacket, RawBroker } from "./raw_broker.ts";

/** A limit of 1,000 messages a second, and what it has done. */
function limited() {
  const clock = new VirtualClock();
  const did: string[] = [];
  const rate = new RateLimit(1_000, {
    clock,
    pause: () => void did.push(`pause ${clock.now()}`),
    resume: () => void did.push(`resume ${clock.now()}`),
  });
  const arrive = (messages: number) => {
    for (let i = 0; i < messages; i++) rate.count();
    rate.check();
  };
  return { clock, did, rate, arrive };
}

Deno.test("RateLimit takes messages at the limit forever, in bursts of a tenth of a second, too", async () => {
  const { clock, did, arrive } = limited();
  for (let second = 0; second < 3; second++) {
    for (let burst = 0; burst < 10; burst++) {
      arrive(100);
      await clock.advance(100);
    }
  }
  for (let i = 0; i < 200; i++) {
    arrive(1);
    await clock.advance(1);
  }
  assert.deepEqual(did, []);
});

Deno.test("RateLimit pauses for as long as the messages should have taken", async () => {
  const { clock, did, rate, arrive } = limited();
  await clock.advance(50);
  // As far ahead as may be: what should take 150 ms has come within 50.
  arrive(150);
  assert.ok(!rate.pausing);
  arrive(101);
  assert.ok(rate.pausing);
  await clock.advance(200);
  assert.ok(rate.pausing);
  await clock.advance(1);
  assert.ok(!rate.pausing);
  arrive(500);
  await clock.advance(500);
  assert.deepEqual(did, ["pause 50", "resume 251", "pause 251", "resume 751"]);
  assert.equal(clock.timers, 0);
});

Deno.test("RateLimit lets a burst pass after silence, once, and takes another limit", async () => {
  const { clock, did, rate, arrive } = limited();
  await clock.advance(3_600_000);
  arrive(5_000);
  assert.deepEqual(did, []);
  arrive(101);
  assert.equal(did.length, 1);
  rate.stop();
  assert.equal(clock.timers, 0);
  await clock.advance(1_000);
  rate.maxPerSecond = 100;
  arrive(11);
  arrive(11);
  assert.equal(did.length, 2);
  await clock.advance(220);
  assert.equal(did.length, 3);
});

Deno.test("RateLimit pauses once, and longer, when more comes that was read already", async () => {
  const { clock, did, arrive } = limited();
  arrive(200);
  arrive(200);
  assert.equal(clock.timers, 1);
  await clock.advance(399);
  assert.ok(!did.some((each) => each.startsWith("resume")));
  await clock.advance(1);
  assert.equal(did.at(-1), "resume 400");
});

Deno.test("MqttTransport slows down, too, when what comes is too large to be taken", async () => {
  await using broker = new RawBroker(async (peer) => {
    await peer.acceptConnect();
    await peer.acceptSubscribe();
    for (let i = 0; i < 1_000; i++) await peer.send(publishPacket(new Uint8Array(2), PUBLISH_QOS0));
    await peer.drain();
  });
  const clock = new VirtualClock();
  const { connector } = await makeConnector(localBroker(broker.port), 20, 15, clock);
  const floods = new Inbox<true>();
  await using car = new TestCar(connector, "car_1", {
    maxMessageBytes: 1,
    maxMessagesPerSecond: 100,
    onFlood: () => floods.push(true),
  });
  car.begin();
  await floods.next("the car to be slowed down");
  assert.equal(car.messages.size, 0);
});

Deno.test("MqttTransport reads a flood at the limit's pace, loses nothing, and stops in the middle", async () => {
  const clock = new VirtualClock();
  const messages = 20_000;
  await using broker = new RawBroker(async (peer) => {
    await peer.acceptConnect();
    await peer.acceptSubscribe();
    for (let i = 0; i < messages; i++) {
      await peer.send(publishPacket(new Uint8Array([i >> 8, i & 255]), PUBLISH_QOS0));
    }
    await peer.drain();
  });
  const { connector } = await makeConnector(localBroker(broker.port), 20, 15, clock);
  const floods = new Inbox<number>();
  let arrived = 0;
  await using car = new TestCar(connector, "car_1", {
    maxMessagesPerSecond: 1_000,
    onFlood: () => floods.push(clock.now()),
  });
  car.transport.start({
    onUp() {},
    onConnected() {},
    onLeaving() {},
    onDown() {},
    onMessage(payload) {
      const [high = 0, low = 0] = payload;
      assert.equal(high << 8 | low, arrived++ & 0xffff);
    },
  });
  while (arrived < messages / 2) {
    await floods.next("the car to be slowed down");
    await clock.next();
  }
  // What one read brings is as much as it may be ahead.
  assert.ok(arrived <= clock.now() + 2_000, `${arrived} messages in ${clock.now()} ms`);
});
