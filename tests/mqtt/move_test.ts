// Another way to the broker while transports run: other files, another login, another broker.
import assert from "node:assert/strict";
import { findWay } from "../../src/transport/connector.ts";
import { Certificates } from "../support/certificates.ts";
import { Mosquitto, mosquittoTest } from "../support/mosquitto.ts";
import { localBroker, makeConnector, TestCar, TestGateway, textOf } from "../support/mqtt_peers.ts";
import { Inbox } from "../support/wait.ts";
import { TempFolder } from "../support/temp.ts";

const WHY = "The configuration names another broker";

mosquittoTest(
  "reconnect() lets the car speak, leaves the old broker in order and goes to the new",
  async () => {
    await using before = await Mosquitto.start();
    await using after = await Mosquitto.start();
    const { connector } = await makeConnector(localBroker(before.port));
    await using car = await new TestCar(connector).start(true);
    car.farewell = "goodbye";
    await using old = await TestGateway.connect(before.port);
    connector.take(await findWay({ broker: localBroker(after.port), refusedPauseMs: 20 }));
    // The connection that stands stays where it is until it is asked to move.
    await old.send("still here");
    assert.equal(textOf(await old.messages.next("an echo")), "still here");

    car.transport.reconnect(WHY, 20);
    car.transport.reconnect(WHY, 0);
    assert.equal(await car.downs.next("the end of the old connection"), WHY);
    await car.ups.next("the new connection");
    assert.equal(textOf(await old.messages.next("the farewell at the old broker")), "goodbye");
    assert.equal(await car.leavings.next("the announcement"), WHY);
    await using gateway = await TestGateway.connect(after.port);
    await gateway.send("hello");
    assert.equal(textOf(await gateway.messages.next("an echo at the new broker")), "hello");
    await car.transport.stop();
    assert.deepEqual([old.messages.size, old.notifications.size], [0, 0]);
    assert.deepEqual([car.downs.size, car.ups.size, car.leavings.size], [0, 0, 0]);
    const { connects, disconnects } = car.transport.stats;
    assert.deepEqual([connects, disconnects], [2, 1]);
  },
);

Deno.test("take() leaves what is missing as it is", async () => {
  const { connector } = await makeConnector(localBroker(1883, { username: "me" }), 500);
  connector.take({ refusedPauseMs: 7 });
  assert.deepEqual([connector.broker.username, connector.refusedPauseMs], ["me", 7]);
  connector.take({ broker: localBroker(1884) });
  assert.deepEqual([connector.address, connector.refusedPauseMs], ["mqtt://127.0.0.1:1884", 7]);
});

mosquittoTest("reconnect() ends the pause of a transport whose broker is away", async () => {
  await using broker = await Mosquitto.start();
  const { connector, lines } = await makeConnector(localBroker(1), 600_000);
  await using car = new TestCar(connector);
  car.begin();
  await lines.next("the first failure");
  connector.take(await findWay({ broker: localBroker(broker.port), refusedPauseMs: 20 }));
  car.transport.reconnect(WHY, 0);
  // Without it, the pause takes 15 to 30 s.
  await car.ups.next("the connection before the pause is over", 10_000);
  assert.equal(car.downs.size, 0);
  assert.equal(connector.address, `mqtt://127.0.0.1:${broker.port}`);
});

mosquittoTest("reconnect() is cancelled by stop()", async () => {
  await using broker = await Mosquitto.start();
  const { connector } = await makeConnector(localBroker(broker.port));
  await using car = await new TestCar(connector).start();
  car.transport.reconnect(WHY, 600_000);
  await car.transport.stop();
  car.transport.reconnect(WHY, 0);
  assert.deepEqual([car.downs.size, car.ups.size], [0, 0]);
});

mosquittoTest(
  "limitMessages() counts from the next message on, whether larger or smaller",
  async () => {
    await using broker = await Mosquitto.start();
    const { connector } = await makeConnector(localBroker(broker.port));
    const oversize = new Inbox<[size: number, limit: number]>();
    await using car = await new TestCar(connector, "car_1", {
      maxMessageBytes: 10,
      onOversize: (...sizes) => oversize.push(sizes),
    }).start();
    await using gateway = await TestGateway.connect(broker.port);
    const limit = (maxMessageBytes: number) =>
      car.transport.limitMessages({ maxMessageBytes, maxMessagesPerSecond: 1_000 });
    limit(20);
    await gateway.send("more than twenty letters");
    assert.deepEqual(await oversize.next("a discarded message"), [24, 20]);
    await gateway.send("fifteen letters");
    assert.equal(textOf(await car.messages.next("a message")), "fifteen letters");
    limit(5);
    await gateway.send("fifteen letters");
    assert.deepEqual(await oversize.next("a discarded message"), [15, 5]);
    await gateway.send("five!");
    assert.equal(textOf(await car.messages.next("a message")), "five!");
  },
);

mosquittoTest(
  "take() uses other contents of the same TLS files for new connections only",
  async () => {
    await using certificates = await Certificates.make();
    await using folder = await TempFolder.make();
    const { caFile, otherCaFile, server } = certificates;
    const trusted = folder.file("trusted.pem");
    await using broker = await Mosquitto.start({ tls: { caFile, ...server } });
    await Deno.copyFile(caFile, trusted);
    const target = localBroker(broker.port, { protocol: "mqtts", tls: { caFile: trusted } });
    const way = () => findWay({ broker: target, refusedPauseMs: 20 });
    const { connector, lines } = await makeConnector(target);
    await using stays = await new TestCar(connector).start(true);
    assert.equal(connector.hasOtherTls(await way()), false);

    await Deno.copyFile(otherCaFile, trusted);
    const rotated = await way();
    assert.equal(connector.hasOtherTls(rotated), true);
    connector.take(rotated);
    assert.equal(connector.hasOtherTls(rotated), false);
    await using comes = new TestCar(connector, "car_2");
    comes.begin();
    assert.match(await lines.next("the report"), /not signed by the authority/);
    assert.deepEqual([stays.downs.size, stays.transport.stats.connects], [0, 1]);

    await Deno.copyFile(caFile, trusted);
    connector.take(await way());
    await comes.ups.next("the new connection");
    assert.deepEqual([stays.downs.size, stays.transport.stats.connects], [0, 1]);
  },
);
