// The transport against brokers that do what the standard allows but few do, or what it forbids.
import assert from "node:assert/strict";
import { localBroker, makeConnector, TestCar, textOf } from "../support/mqtt_peers.ts";
import { PUBLISH_QOS0 } from "../support/mqtt_packets.ts";
import { packetType, publishPacket, RawBroker, type RawPeer } from "./raw_broker.ts";

const MEBIBYTE = 1_048_576;

async function meet(script: (peer: RawPeer) => Promise<void>, greeting?: string) {
  const broker = new RawBroker(script);
  const { connector, lines } = await makeConnector(localBroker(broker.port));
  const car = new TestCar(connector, "car_1", { maxMessageBytes: MEBIBYTE });
  car.greeting = greeting;
  car.begin();
  return { broker, car, lines };
}

Deno.test("MqttTransport connects without a will, and publishes before SUBSCRIBE [WAIT-NO-WILL] [TELL-START]", async () => {
  const packets: Uint8Array[] = [];
  const { broker, car } = await meet(async (peer) => {
    const connect = await peer.packet();
    await peer.send(new Uint8Array([0x20, 2, 0, 0]));
    const publish = await peer.packet();
    const subscribe = await peer.packet();
    packets.push(connect, publish, subscribe);
    const id = publish.slice(4 + (publish[3] as number));
    await peer.send(new Uint8Array([0x40, 2, ...id.slice(0, 2)]));
    await peer.grant(subscribe);
    await peer.drain();
  }, "hello");
  await using _broker = broker;
  await using _car = car;
  await car.ups.next("the transport to be up");
  const [connect, publish, subscribe] = packets;
  assert.ok(connect && publish && subscribe);
  const WILL = 0x04;
  assert.equal((connect[9] as number) & WILL, 0);
  assert.equal(publish[0], 0x32);
  assert.equal(textOf(publish.slice(-5)), "hello");
  assert.equal(subscribe[0], 0x82);
  // No two packets that await an answer have the same id.
  const topicBytes = publish[3] as number;
  assert.notDeepEqual(publish.slice(4 + topicBytes, 6 + topicBytes), subscribe.slice(2, 4));
});

for (
  const [first, second] of [[MEBIBYTE, MEBIBYTE], [MEBIBYTE - 9, 9], [MEBIBYTE - 10, 9]] as const
) {
  const sum = first + second;
  Deno.test(`MqttTransport subscribes though ${sum} bytes come before the SUBACK, and keeps less than a mebibyte`, async () => {
    const { broker, car } = await meet(async (peer) => {
      await peer.acceptConnect();
      await peer.send(publishPacket(new Uint8Array(first).fill(1)));
      await peer.send(publishPacket(new Uint8Array(second).fill(2)));
      await peer.acceptSubscribe();
      await peer.drain();
    });
    await using _broker = broker;
    await using _car = car;
    await car.ups.next("the transport to be up");
    // The oldest is forgotten: its gateway will connect again.
    if (sum < MEBIBYTE) assert.equal((await car.messages.next("the oldest"))[0], 1);
    assert.equal((await car.messages.next("the newest"))[0], 2);
    assert.equal(car.messages.size, 0);
  });
}

Deno.test("MqttTransport subscribes though thousands of messages come before the SUBACK", async () => {
  const { broker, car } = await meet(async (peer) => {
    await peer.acceptConnect();
    for (let i = 0; i < 3_000; i++) {
      await peer.send(publishPacket(new Uint8Array([i >> 8, i & 255]), 0x30));
    }
    await peer.acceptSubscribe();
    await peer.drain();
  });
  await using _broker = broker;
  await using _car = car;
  await car.ups.next("the transport to be up");
  const [high = 0, low = 0] = await car.messages.next("the oldest that was kept");
  const oldest = high << 8 | low;
  // The newest 999 of 3,000 are kept.
  assert.equal(oldest, 2_001);
  for (let i = oldest + 1; i < 3_000; i++) {
    assert.deepEqual([...await car.messages.next(`message ${i}`)], [i >> 8, i & 255]);
  }
});

Deno.test("MqttTransport names a return code of CONNACK that the standard does not know", async () => {
  const { broker, car, lines } = await meet(async (peer) => {
    await peer.acceptConnect(9);
    await peer.drain();
  });
  await using _broker = broker;
  await using _car = car;
  assert.match(await lines.next("the report"), /: refused by the broker with return code 9 \(/);
});

Deno.test("MqttTransport reconnects when the broker goes away in the middle of a message", async () => {
  const { broker, car } = await meet(async (peer) => {
    await peer.acceptConnect();
    await peer.acceptSubscribe();
    await peer.send(publishPacket(new Uint8Array(1_000)).subarray(0, 500));
  });
  await using _broker = broker;
  await using _car = car;
  await car.ups.next("the transport to be up");
  assert.match(await car.downs.next("the loss"), /closed by the broker/);
  await car.ups.next("the transport to be up again");
  assert.equal(car.messages.size, 0);
});

Deno.test("MqttTransport skips a message of 256 MiB, and takes the next", async () => {
  const { broker, car } = await meet(async (peer) => {
    await peer.acceptConnect();
    await peer.acceptSubscribe();
    const begin = publishPacket(new Uint8Array(0)).subarray(2);
    await peer.send(new Uint8Array([0x32, 0xff, 0xff, 0xff, 0x7f, ...begin]));
    const piece = new Uint8Array(MEBIBYTE);
    for (let left = 268_435_455 - begin.length; left > 0; left -= piece.length) {
      await peer.send(piece.subarray(0, Math.min(left, piece.length)));
    }
    await peer.send(publishPacket(new Uint8Array([1, 2, 3])));
    await peer.drain();
  });
  await using _broker = broker;
  await using _car = car;
  await car.ups.next("the transport to be up");
  assert.deepEqual([...await car.messages.next("the message after")], [1, 2, 3]);
  assert.equal(await car.oversize.next("the size"), 268_435_455 - 29);
});

Deno.test("MqttTransport takes messages for an answer to its pings, and gives up when none comes", async () => {
  const PINGREQ = 12;
  let pings = 0;
  await using broker = new RawBroker(async (peer) => {
    await peer.acceptConnect();
    await peer.acceptSubscribe();
    while (true) {
      if (packetType(await peer.packet()) !== PINGREQ) continue;
      if (++pings <= 3) await peer.send(publishPacket(new Uint8Array(1), PUBLISH_QOS0));
    }
  });
  const { connector } = await makeConnector(localBroker(broker.port), 600_000, 1);
  await using car = await new TestCar(connector).start();
  assert.match(await car.downs.next("the loss"), /the broker does not answer pings/);
  assert.equal(car.messages.size, 3);
  assert.ok(pings > 3, `${pings} pings`);
});
