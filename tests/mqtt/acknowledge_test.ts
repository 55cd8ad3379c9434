// Acknowledgements both ways, counted to the last one.
import assert from "node:assert/strict";
import { MAX_OUTSTANDING } from "../../src/transport/mqtt/outgoing_batch.ts";
import { localBroker, makeConnector, TestCar } from "../support/mqtt_peers.ts";
import { settled, VirtualClock } from "../support/virtual_clock.ts";
import { Inbox, waitFor } from "../support/wait.ts";
import { packetType, PUBLISH, publishPacket, RawBroker, type RawPeer } from "./raw_broker.ts";

const PUBACK = 4;
const DISCONNECT = 14;

/** A car, on a clock that stands still, at a broker that answers only on request. */
class Scene implements AsyncDisposable {
  readonly clock = new VirtualClock();
  /** What the car has sent after it subscribed. */
  readonly packets = new Inbox<Uint8Array>();
  readonly peers = new Inbox<RawPeer>();
  readonly broker = new RawBroker(async (peer) => {
    await peer.acceptConnect();
    await peer.acceptSubscribe();
    this.peers.push(peer);
    while (true) {
      const packet = await peer.packet();
      if (packetType(packet) === DISCONNECT) return;
      this.packets.push(packet);
    }
  });
  readonly #scope = new AsyncDisposableStack();

  async car(): Promise<{ car: TestCar; peer: RawPeer }> {
    this.#scope.use(this.broker);
    const broker = localBroker(this.broker.port);
    const { connector } = await makeConnector(broker, 20, 15, this.clock);
    const car = this.#scope.use(new TestCar(connector));
    await car.start();
    return { car, peer: await this.peers.next("the connection") };
  }

  /** Takes this many messages of the car; returns their packet ids. */
  async published(count: number): Promise<number[]> {
    const ids: number[] = [];
    while (ids.length < count) {
      const packet = await this.packets.next(`message ${ids.length}`);
      assert.equal(packetType(packet), PUBLISH);
      const topicEnd = 4 + ((packet[2] ?? 0) << 8 | (packet[3] ?? 0));
      ids.push((packet[topicEnd] ?? 0) << 8 | (packet[topicEnd + 1] ?? 0));
    }
    return ids;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scope.disposeAsync();
  }
}

function pubacks(ids: readonly number[]): Uint8Array {
  return new Uint8Array(ids.flatMap((id) => [PUBACK << 4, 2, id >> 8, id & 255]));
}

Deno.test("publish() goes on forever while the broker acknowledges", async () => {
  await using scene = new Scene();
  const { car, peer } = await scene.car();
  const payload = new Uint8Array(1);
  let last = 0;
  for (let round = 0; round < 9; round++) {
    for (let i = 0; i < MAX_OUTSTANDING; i++) car.transport.publish(payload);
    const ids = await scene.published(MAX_OUTSTANDING);
    // 0 is no id, and the last one is that of SUBSCRIBE.
    for (const id of ids) assert.equal(id, last = last === 65_534 ? 1 : last + 1);
    await peer.send(pubacks(ids));
    // A message behind them shows that they have been read.
    await peer.send(publishPacket(new Uint8Array(1), 0x30));
    await car.messages.next("the message behind the acknowledgements");
  }
  assert.equal(car.downs.size, 0);
});

Deno.test("publish() takes exactly as many messages without acknowledgement as may be", async () => {
  await using scene = new Scene();
  const { car } = await scene.car();
  for (let i = 0; i < MAX_OUTSTANDING; i++) car.transport.publish(new Uint8Array(1));
  await scene.published(MAX_OUTSTANDING);
  assert.equal(car.downs.size, 0);
  car.transport.publish(new Uint8Array(1));
  assert.match(await car.downs.next("the loss"), /8193 messages are unanswered/);
});

Deno.test("publish() gives up a connection that no longer takes anything", async () => {
  const over = Promise.withResolvers<void>();
  await using broker = new RawBroker(async (peer) => {
    await peer.acceptConnect();
    await peer.acceptSubscribe();
    await over.promise;
  });
  const { connector } = await makeConnector(localBroker(broker.port), 20, 15, new VirtualClock());
  await using car = await new TestCar(connector).start();
  const payload = new Uint8Array(1024 * 1024);
  let sent = 0;
  for (; car.downs.size === 0 && sent < 200; sent++) {
    car.transport.publish(payload);
    await settled();
  }
  assert.match(await car.downs.next("the loss"), /Cannot send any more: \d+ messages .* \d+ bytes/);
  assert.ok(sent > 64, `Given up after ${sent} MiB`);
  over.resolve();
});

Deno.test("stop() waits for the last acknowledgement, and no longer", async () => {
  await using scene = new Scene();
  const { car, peer } = await scene.car();
  car.transport.publish(new Uint8Array(1));
  car.transport.publish(new Uint8Array(1));
  const [first = 0, last = 0] = await scene.published(2);
  await peer.send(pubacks([first]));
  let stopped = false;
  const stopping = car.transport.stop().then(() => stopped = true);
  await settled();
  assert.equal(stopped, false);
  await peer.send(pubacks([last]));
  // The clock stands still: nothing but the acknowledgement can end this.
  await waitFor(stopping, "the transport to stop");
});

Deno.test("stop() waits 2 s for a message that is never acknowledged", async () => {
  await using scene = new Scene();
  const { car } = await scene.car();
  car.transport.publish(new Uint8Array(1));
  await scene.published(1);
  const stopping = car.transport.stop();
  assert.equal(await scene.clock.next(), 2_000);
  await waitFor(stopping, "the transport to stop");
});

Deno.test("MqttTransport acknowledges a lone message a moment later, and sixteen at once", async () => {
  await using scene = new Scene();
  const { car, peer } = await scene.car();
  const message = publishPacket(new Uint8Array(1));
  const send = async (count: number) => {
    for (let i = 0; i < count; i++) await peer.send(message);
    for (let i = 0; i < count; i++) await car.messages.next("a message");
  };
  for (const count of [1, 15]) {
    await send(count);
    await settled();
    assert.equal(scene.packets.size, 0);
    assert.equal(await scene.clock.next(), 20);
    for (let i = 0; i < count; i++) {
      assert.deepEqual([...await scene.packets.next("PUBACK")], [PUBACK << 4, 2, 0, 7]);
    }
  }
  await send(16);
  for (let i = 0; i < 16; i++) await scene.packets.next("PUBACK, on a clock that stands still");
});

Deno.test("MqttTransport acknowledges together with what it publishes", async () => {
  await using scene = new Scene();
  const { car, peer } = await scene.car();
  await peer.send(publishPacket(new Uint8Array(1)));
  await car.messages.next("the message");
  car.transport.publish(new Uint8Array(1));
  assert.equal(packetType(await scene.packets.next("PUBACK")), PUBACK);
  await peer.send(pubacks(await scene.published(1)));
  await car.transport.stop();
  assert.equal(scene.clock.timers, 0);
});
