// One attempt to connect, and leaving: what is said, and how long an answer is awaited
// [MQTT-SETTINGS].
import assert from "node:assert/strict";
import { localBroker, makeConnector, TestCar } from "../support/mqtt_peers.ts";
import { settled, VirtualClock } from "../support/virtual_clock.ts";
import { Inbox, waitFor } from "../support/wait.ts";
import { packetType, publishPacket, RawBroker, type RawPeer, SUBSCRIBE } from "./raw_broker.ts";

const DISCONNECT = 14;

/** A car on a clock that stands still, at a broker that plays a script. */
async function meet(
  script: (peer: RawPeer) => Promise<void>,
  more: Parameters<typeof localBroker>[1] = {},
) {
  const scope = new AsyncDisposableStack();
  const broker = scope.use(new RawBroker(script));
  const clock = new VirtualClock();
  const { connector, lines } = await makeConnector(localBroker(broker.port, more), 500, 15, clock);
  const car = scope.use(new TestCar(connector));
  return { broker, clock, car, lines, [Symbol.asyncDispose]: () => scope.disposeAsync() };
}

/** The text at `at` of a packet, and where it ends. */
function textAt(packet: Uint8Array, at: number): [text: string, end: number] {
  const end = at + 2 + ((packet[at] ?? 0) << 8 | (packet[at + 1] ?? 0));
  return [new TextDecoder().decode(packet.subarray(at + 2, end)), end];
}

Deno.test("MqttTransport connects with MQTT 3.1.1, a clean session, 15 s and an id of its own", async () => {
  const connects = new Inbox<Uint8Array>();
  await using scene = await meet(async (peer) => {
    connects.push(await peer.packet());
    await peer.send(new Uint8Array([0x20, 2, 0, 0]));
    await peer.acceptSubscribe();
  }, { username: "server", password: "secret" });
  scene.car.begin();
  const ids: string[] = [];
  for (let round = 0; round < 2; round++) {
    const connect = await connects.next("CONNECT");
    // MQTT, level 4; user name, password and clean session; 15 s.
    const head = [0, 4, 77, 81, 84, 84, 4, 0xc2, 0, 15];
    assert.deepEqual([...connect.subarray(2, 12)], head);
    const [id, idEnd] = textAt(connect, 12);
    const [user, userEnd] = textAt(connect, idEnd);
    const [password, end] = textAt(connect, userEnd);
    assert.deepEqual([user, password, end], ["server", "secret", connect.length]);
    // Brokers must take 23 characters, and no more.
    assert.match(id, /^es-[0-9a-f-]{18}$/);
    ids.push(id);
    await scene.car.downs.next("the end of the connection");
    await scene.clock.next();
  }
  assert.notEqual(ids[0], ids[1]);
});

for (const stage of ["CONNECT", "SUBSCRIBE"] as const) {
  Deno.test(`MqttTransport gives up a broker that does not answer ${stage} within 10 s`, async () => {
    const waiting = new Inbox<true>();
    await using scene = await meet(async (peer) => {
      if (stage === "SUBSCRIBE") {
        await peer.acceptConnect();
        assert.equal(packetType(await peer.packet()), SUBSCRIBE);
      } else await peer.packet();
      waiting.push(true);
      await peer.drain();
    });
    const { clock, car, lines } = scene;
    car.begin();
    await waiting.next("the packet without an answer");
    await clock.advance(9_999);
    assert.equal(lines.size, 0);
    await clock.advance(1);
    const reason = `no answer to ${stage} within 10 s`;
    assert.match(await lines.next("the report"), new RegExp(reason));
    assert.deepEqual([car.ups.size, car.downs.size], [0, 0]);
    // And tries again.
    if (clock.timers > 0) await clock.next();
    await waiting.next("another attempt");
    const stopping = car.transport.stop();
    await settled();
    await clock.advance(1_000);
    await waitFor(stopping, "the transport to stop");
  });
}

Deno.test("MqttTransport awaits nothing any more once it is subscribed", async () => {
  await using scene = await meet(async (peer) => {
    await peer.acceptConnect();
    await peer.acceptSubscribe();
    await peer.drain();
  });
  await scene.car.start();
  assert.equal(scene.clock.timers, 0);
});

Deno.test("stop() closes after a second what the broker leaves open, and leaves no timer", async () => {
  const said = new Inbox<number>();
  const over = Promise.withResolvers<void>();
  await using scene = await meet(async (peer) => {
    await peer.acceptConnect();
    await peer.acceptSubscribe();
    await peer.send(publishPacket(new Uint8Array(1)));
    for (let type = 0; type !== DISCONNECT;) said.push(type = packetType(await peer.packet()));
    await over.promise;
  });
  // Before the scene, which waits for its broker.
  using _end = { [Symbol.dispose]: over.resolve };
  const { clock, car } = scene;
  await car.start();
  await car.messages.next("a message");
  let stopped = false;
  const stopping = car.transport.stop().then(() => stopped = true);
  const PUBACK = 4;
  assert.equal(await said.next("the acknowledgement"), PUBACK);
  assert.equal(await said.next("DISCONNECT"), DISCONNECT);
  await settled();
  await clock.advance(999);
  assert.equal(stopped, false);
  await clock.advance(1);
  await waitFor(stopping, "the transport to stop");
  assert.equal(clock.timers, 0);
});

Deno.test("pause() before there is a connection holds for the first one, too", async () => {
  await using scene = await meet(async (peer) => {
    await peer.acceptConnect();
    await peer.acceptSubscribe();
    await peer.send(publishPacket(new Uint8Array([1])));
    await peer.drain();
  });
  const { car } = scene;
  car.transport.pause();
  await car.start();
  await waitFor(() => car.transport.stats.bytesIn > 20, "the message to be read");
  await settled();
  assert.equal(car.messages.size, 0);
  car.transport.resume();
  assert.deepEqual([...await car.messages.next("the message")], [1]);
});

Deno.test("reconnect() closes a connection that was not established yet", async () => {
  const closed = new Inbox<true>();
  const waiting = new Inbox<true>();
  await using scene = await meet(async (peer) => {
    await peer.packet();
    waiting.push(true);
    await peer.drain();
    closed.push(true);
  });
  const { clock, car } = scene;
  car.begin();
  // More often than there may be attempts at a time: each gives its place back.
  for (let round = 0; round < 12; round++) {
    await waiting.next(`attempt ${round}`);
    car.transport.reconnect("why not", 0);
    await clock.next();
    await closed.next(`the end of attempt ${round}`);
    await clock.advance(1_000);
  }
  assert.deepEqual([car.downs.size, car.leavings.size], [0, 0]);
});

Deno.test("reconnect() forgets how often the broker that is left had closed", async () => {
  await using scene = await meet(async (peer) => {
    await peer.acceptConnect();
    await peer.acceptSubscribe();
  });
  const { clock, car } = scene;
  car.begin();
  let pauseMs = 0;
  for (let round = 0; round < 6; round++) {
    await car.downs.next("the loss");
    pauseMs = await clock.next();
  }
  assert.ok(pauseMs > 500, `${pauseMs} ms`);
  await car.downs.next("the loss");
  car.transport.reconnect("why not", 0);
  await clock.next();
  await car.downs.next("the loss of the new connection");
  assert.ok(await clock.next() <= 500, "The pauses did not start over");
});
