// One car changes hands between instances, on a real Mosquitto: its gateway must not notice.
import assert from "node:assert/strict";
import { DeviceState } from "../../src/protocol/messages.ts";
import { Gateway } from "../../src/simulator/gateway.ts";
import type { GatewayOptions } from "../../src/simulator/gateway_options.ts";
import { Certificates } from "../support/certificates.ts";
import { ScriptedGateway } from "../support/scripted_gateway.ts";
import { localBroker } from "../support/mqtt_peers.ts";
import { Mosquitto, mosquittoTest } from "../support/mosquitto.ts";
import { TempFolder } from "../support/temp.ts";
import { Inbox, waitFor } from "../support/wait.ts";
import { Ownerships } from "./owners.ts";

/** The broker's own delays are not the server's. */
const LINES = ["set_tcp_nodelay true"];
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Patient, as no gateway is to come back by itself while a test runs. */
const CLOCKS = { retryMs: 600_000, sequenceMs: 600_000, responseMs: 600_000 } as const;

function gatewayAt(port: number, more: Partial<GatewayOptions> = {}): Gateway {
  return new Gateway({
    company: "acme",
    car: "car_1",
    broker: { host: "127.0.0.1", port },
    clocks: CLOCKS,
    payload: (_device, counter) => encoder.encode(`${counter}`),
    ...more,
  }).start();
}

/** Resolves when so many more statuses were answered. */
async function answers(gateway: Gateway, count: number): Promise<void> {
  const wanted = gateway.stats.answered + count;
  await waitFor(() => gateway.stats.answered >= wanted, `${count} answers`);
}

/** Resolves when the broker has everything that was published before. */
async function settled(port: number): Promise<void> {
  const car = "other_car";
  const broker = { host: "127.0.0.1", port };
  await using _other = await new ScriptedGateway({ company: "acme", car, broker }).open();
}

/** The gateway has been in one session all the time, and every status was handled. */
async function assertUnnoticed(gateway: Gateway, world: Ownerships): Promise<void> {
  assert.ok(await gateway.drain(), "every status is answered");
  const { sessions, failedSequences, notifications, sent, answered } = gateway.stats;
  assert.deepEqual(gateway.violations, []);
  assert.deepEqual({ sessions, failedSequences, notifications }, {
    sessions: 1,
    failedSequences: 0,
    notifications: 0,
  });
  assert.equal(answered, sent);
  // A module may see a status again, which was not answered; but none is missing or late.
  const [, first = 0, ...rest] = new Set(world.forwarded.map(Number));
  assert.equal(first, gateway.devices.length + 1);
  assert.deepEqual(rest, rest.map((_, index) => first + 1 + index));
}

mosquittoTest(
  "a car is handed over 20 times as planned, under load, and nobody notices",
  async () => {
    await using broker = await Mosquitto.start({ lines: LINES });
    await using world = new Ownerships(localBroker(broker.port));
    const [one, two] = [await world.instance(), await world.instance()];
    await world.take(one);
    await using gateway = gatewayAt(broker.port, { rate: 200, devices: 2 });
    await gateway.running();
    for (let round = 0; round < 10; round++) {
      for (const [from, to] of [[one, two], [two, one]] as const) {
        await answers(gateway, 5);
        await from.release();
        await world.takeExactly(to);
      }
    }
    await answers(gateway, 5);
    await assertUnnoticed(gateway, world);
    // Planned, so that not even modules see anything twice.
    const statuses = world.forwarded.slice(gateway.devices.length);
    assert.equal(new Set(statuses).size, statuses.length);
  },
);

mosquittoTest("a car is taken 20 times from owners that are gone, and nobody notices", async () => {
  await using broker = await Mosquitto.start({ lines: LINES });
  await using world = new Ownerships(localBroker(broker.port));
  const [one, two] = [await world.instance(), await world.instance()];
  await world.take(one);
  await using gateway = gatewayAt(broker.port, { rate: 200, devices: 2 });
  await gateway.running();
  for (let round = 0; round < 10; round++) {
    for (const [from, to] of [[one, two], [two, one]] as const) {
      await answers(gateway, 5);
      await from.die();
      await world.takeExactly(to);
    }
  }
  await answers(gateway, 5);
  await assertUnnoticed(gateway, world);
});

mosquittoTest("an owner that does not know of its end yet is cut off, and stays away", async () => {
  await using broker = await Mosquitto.start({ lines: LINES });
  await using world = new Ownerships(localBroker(broker.port));
  const [one, two] = [await world.instance(), await world.instance()];
  await world.take(one);
  await using gateway = gatewayAt(broker.port, { rate: 200, devices: 2 });
  await gateway.running();
  for (let round = 0; round < 10; round++) {
    for (const [from, to] of [[one, two], [two, one]] as const) {
      await answers(gateway, 5);
      await world.takeExactly(to);
      const lost = await from.readopted.next("the loss");
      assert.deepEqual(lost, { kind: "lost", detail: "Another instance owns it" });
    }
  }
  await answers(gateway, 5);
  await assertUnnoticed(gateway, world);
});

mosquittoTest("an owner whose connection was lost goes on where it was", async () => {
  await using broker = await Mosquitto.start({ lines: LINES });
  await using world = new Ownerships(localBroker(broker.port));
  const [one, stranger] = [await world.instance(), await world.instance()];
  await world.take(one);
  await using gateway = gatewayAt(broker.port, { rate: 200, devices: 2 });
  await gateway.running();
  for (let round = 0; round < 5; round++) {
    await answers(gateway, 5);
    // It has no right to the car, and loses it again.
    const taken = await stranger.cars.adopt(stranger.car, {
      epoch: world.epoch,
      minEpoch: 0,
      planned: false,
    });
    assert.equal(taken.kind, "exact");
    const again = await one.readopted.next("to be back");
    assert.equal(again.kind, "exact", JSON.stringify(again));
    assert.equal((await stranger.readopted.next("the loss")).kind, "lost");
  }
  await answers(gateway, 5);
  await assertUnnoticed(gateway, world);
});

mosquittoTest("90 statuses that have waited for an owner are answered in order, once", async () => {
  await using broker = await Mosquitto.start({ lines: LINES });
  await using world = new Ownerships(localBroker(broker.port));
  const [one, two] = [await world.instance(), await world.instance()];
  await world.take(one);
  await using gateway = gatewayAt(broker.port, { devices: 2 });
  await gateway.running();
  const [device] = gateway.devices;
  assert.ok(device);
  await gateway.send(device, "3");
  await one.die();
  const sent = Array.from({ length: 90 }, (_, index) => gateway.send(device, `${index + 4}`));
  // Another session's messages are behind them.
  await settled(broker.port);
  await world.takeExactly(two);
  await Promise.all(sent);
  await assertUnnoticed(gateway, world);
});

mosquittoTest(
  "an owner that dies while it takes over leaves everything to the next one",
  async () => {
    await using broker = await Mosquitto.start({ lines: LINES });
    await using world = new Ownerships(localBroker(broker.port));
    const [one, two, three] = [
      await world.instance(),
      // It gets as far as waiting for its modules, with everything collected.
      await world.instance({ modules: false }),
      await world.instance(),
    ];
    await world.take(one);
    await using gateway = gatewayAt(broker.port, { devices: 2 });
    await gateway.running();
    const [device] = gateway.devices;
    assert.ok(device);
    await one.die();
    const sent = Array.from({ length: 45 }, (_, index) => gateway.send(device, `${index + 3}`));
    await settled(broker.port);
    const lost = world.take(two);
    const outcome = await world.take(three);
    assert.equal(outcome.kind, "exact", JSON.stringify(outcome));
    assert.equal((await lost).kind, "lost");
    await Promise.all(sent);
    await assertUnnoticed(gateway, world);
  },
);

mosquittoTest("unanswered commands, waiting ones and their responses follow the car", async () => {
  await using broker = await Mosquitto.start({ lines: LINES });
  await using world = new Ownerships(localBroker(broker.port));
  const [one, two] = [await world.instance(), await world.instance()];
  await world.take(one);
  await using gateway = gatewayAt(broker.port, { devices: 1, answers: "connecting" });
  await gateway.running();
  const [device] = gateway.devices;
  assert.ok(device);
  const where = ({ commandData }: { commandData: Uint8Array }) => commandData.length > 0;
  const send = (owner: typeof one, from: number) => {
    for (const data of ["a", "b", "c"]) owner.command(device, `${data}${from}`);
  };
  send(one, 1);
  const before = [];
  for (let i = 0; i < 3; i++) before.push(await gateway.nextCommand({ where }));
  await one.release();
  // Answered while nobody is there.
  for (const command of before) gateway.answer(command);
  await world.takeExactly(two);
  await waitFor(() => world.acknowledged.length === 3, "the acknowledgments");
  send(two, 2);
  for (let i = 0; i < 3; i++) before.push(await gateway.nextCommand({ where }));
  await two.die();
  await world.takeExactly(one);
  for (const command of before.slice(3)) gateway.answer(command);
  await waitFor(() => world.acknowledged.length === 6, "the acknowledgments");
  assert.deepEqual(
    before.map(({ commandData }) => decoder.decode(commandData)),
    ["a1", "b1", "c1", "a2", "b2", "c2"],
  );
  assert.deepEqual(world.acknowledged, ["a1", "b1", "c1", "a2", "b2", "c2"]);
  assert.deepEqual(gateway.violations, []);
  assert.equal(gateway.stats.sessions, 1);
});

mosquittoTest("a connect sequence goes on with another owner after any message", async () => {
  await using broker = await Mosquitto.start({ lines: LINES });
  await using world = new Ownerships(localBroker(broker.port));
  const owners = [await world.instance(), await world.instance()];
  let turn = 0;
  const [first] = owners;
  assert.ok(first);
  await world.take(first);
  const next = async () => {
    const [from, to] = [owners[turn % 2], owners[++turn % 2]];
    assert.ok(from && to);
    // Planned or not, in turn.
    if (turn % 3 === 0) await from.release();
    else await from.die();
    await world.takeExactly(to);
  };
  await using gateway = new ScriptedGateway({
    company: "acme",
    car: "car_1",
    broker: { host: "127.0.0.1", port: broker.port },
    devices: 3,
  });
  await gateway.open();
  for (let round = 0; round < 3; round++) {
    gateway.connect();
    await gateway.expect("connect_response");
    await next();
    for (const device of gateway.devices) {
      gateway.status(device, "{}", { state: DeviceState.CONNECTING });
      await gateway.expect("status_response");
      await next();
    }
    const commands = [];
    for (const _ of gateway.devices) commands.push(await gateway.expect("command"));
    for (const command of commands) {
      gateway.answer(command);
      // Nothing tells when a response has been handled: this may be before or after it.
      await next();
    }
    for (let i = 0; i < 3; i++) {
      const [device] = gateway.devices;
      assert.ok(device);
      const counter = gateway.status(device, `${round} ${i}`);
      assert.equal((await gateway.expect("status_response")).messageCounter, counter);
      await next();
    }
  }
  assert.deepEqual([gateway.told, gateway.notifications, gateway.unread], [[], 0, []]);
  const statuses = world.forwarded.filter((data) => data !== "{}");
  assert.equal(new Set(statuses).size, 9);
});

mosquittoTest("a status that is missing may come when another owner has the car", async () => {
  await using broker = await Mosquitto.start({ lines: LINES });
  await using world = new Ownerships(localBroker(broker.port));
  const [one, two] = [await world.instance(), await world.instance()];
  await world.take(one);
  await using gateway = new ScriptedGateway({
    company: "acme",
    car: "car_1",
    broker: { host: "127.0.0.1", port: broker.port },
  });
  await gateway.open();
  await gateway.connectSequence();
  const [device] = gateway.devices;
  assert.ok(device);
  const missing = gateway.counter;
  gateway.status(device, "second", { counter: missing + 1 });
  gateway.status(device, "third", { counter: missing + 2 });
  await waitFor(() => one.car.snapshot().queues.statuses === 2, "the two");
  await one.release();
  await world.takeExactly(two);
  gateway.status(device, "fourth", { counter: missing + 3 });
  await waitFor(() => two.car.snapshot().queues.statuses === 3, "the three");
  await two.die();
  await world.takeExactly(one);
  gateway.status(device, "first", { counter: missing });
  for (let i = 0; i < 4; i++) {
    assert.equal((await gateway.expect("status_response")).messageCounter, missing + i);
  }
  assert.deepEqual(world.forwarded.slice(1), ["first", "second", "third", "fourth"]);
  assert.deepEqual([gateway.told, gateway.unread], [[], []]);
});

mosquittoTest("a paused car is paused with whoever takes it", async () => {
  await using broker = await Mosquitto.start({ lines: LINES });
  await using world = new Ownerships(localBroker(broker.port));
  const [one, two] = [await world.instance(), await world.instance()];
  await world.take(one);
  await using gateway = new ScriptedGateway({
    company: "acme",
    car: "car_1",
    broker: { host: "127.0.0.1", port: broker.port },
  });
  await gateway.open();
  await gateway.connectSequence();
  one.car.pause();
  await gateway.expectNotification();
  await one.die();
  await world.takeExactly(two);
  assert.equal(two.car.snapshot().paused, true);
  gateway.connect();
  await settled(broker.port);
  await two.release();
  await world.takeExactly(one);
  assert.equal(one.car.snapshot().paused, true);
  one.car.resume();
  await gateway.connectSequence();
  assert.deepEqual([gateway.told, gateway.unread], [[], []]);
});

for (const way of ["TLS", "WebSocket"] as const) {
  mosquittoTest(`a car changes hands over ${way}, and nobody notices`, async () => {
    await using certificates = await Certificates.make();
    const { caFile, server, client } = certificates;
    const isTls = way === "TLS";
    await using broker = await Mosquitto.start(
      isTls
        ? { lines: LINES, tls: { caFile, ...server, clientCertificates: true } }
        : { lines: LINES, websockets: true },
    );
    const tls = { caFile, ...client };
    const way_ = isTls ? { protocol: "mqtts", tls } as const : { protocol: "ws" } as const;
    await using world = new Ownerships(localBroker(broker.port, way_));
    const [one, two] = [await world.instance(), await world.instance()];
    await world.take(one);
    const at = { host: "127.0.0.1", port: isTls ? broker.port : broker.plainPort };
    const gatewayBroker = isTls ? { ...at, ...way_ } : at;
    await using gateway = gatewayAt(broker.port, { rate: 100, devices: 2, broker: gatewayBroker });
    await gateway.running();
    for (const [from, to] of [[one, two], [two, one], [one, two], [two, one]] as const) {
      await answers(gateway, 5);
      if (to === two) await from.release();
      else await from.die();
      await world.takeExactly(to);
    }
    await answers(gateway, 5);
    await assertUnnoticed(gateway, world);
  });
}

mosquittoTest(
  "a car whose session was lost with the broker connects again, and its gateway is told",
  async () => {
    await using broker = await Mosquitto.start({ lines: LINES });
    await using world = new Ownerships(localBroker(broker.port));
    const one = await world.instance();
    const first = await world.take(one);
    assert.ok(first.kind === "connect_again" && first.reason === "no_checkpoint");
    await using gateway = new Gateway({
      company: "acme",
      car: "car_1",
      broker: { host: "127.0.0.1", port: broker.port },
      clocks: { ...CLOCKS, retryMs: 10 },
      rate: 100,
    }).start();
    await gateway.running();
    const next = gateway.nextSession();
    await broker.restart();
    const again = await one.readopted.next("the car to be back");
    assert.ok(again.kind === "connect_again", JSON.stringify(again));
    assert.equal(again.reason, "no_checkpoint");
    await next;
    await answers(gateway, 5);
    assert.deepEqual(gateway.violations, []);
  },
);

mosquittoTest(
  "a session goes on where it was when the broker has kept it over a restart",
  async () => {
    await using folder = await TempFolder.make();
    const lines = [...LINES, "persistence true", `persistence_location ${folder.path}/`];
    await using broker = await Mosquitto.start({ lines });
    await using world = new Ownerships(localBroker(broker.port));
    const one = await world.instance();
    await world.take(one);
    const gateway = await new ScriptedGateway({
      company: "acme",
      car: "car_1",
      broker: { host: "127.0.0.1", port: broker.port },
    }).open();
    await gateway.connectSequence();
    const { sessionId, counter, devices: [device] } = gateway;
    assert.ok(device);
    await gateway.close();
    await broker.restart();
    const again = await one.readopted.next("the car to be back");
    assert.equal(again.kind, "exact", JSON.stringify(again));
    await using later = await new ScriptedGateway({
      company: "acme",
      car: "car_1",
      broker: { host: "127.0.0.1", port: broker.port },
    }).open();
    Object.assign(later, { sessionId, counter });
    later.status(device, "after the restart");
    assert.equal((await later.expect("status_response")).messageCounter, counter);
    assert.equal(world.forwarded.at(-1), "after the restart");
  },
);

mosquittoTest("a car waits for its modules, and its gateway's messages with it", async () => {
  await using broker = await Mosquitto.start({ lines: LINES });
  await using world = new Ownerships(localBroker(broker.port));
  const [one, two] = [await world.instance(), await world.instance({ modules: false })];
  await world.take(one);
  await using gateway = gatewayAt(broker.port, { devices: 2 });
  await gateway.running();
  const [device] = gateway.devices;
  assert.ok(device);
  await gateway.send(device, "3");
  await one.die();
  const taking = world.take(two);
  const sent = Array.from({ length: 30 }, (_, index) => gateway.send(device, `${index + 4}`));
  await settled(broker.port);
  two.makeContexts();
  assert.equal((await taking).kind, "exact");
  await Promise.all(sent);
  await assertUnnoticed(gateway, world);
});

mosquittoTest("nothing is handed over before answers are sent that wait for the disk", async () => {
  await using broker = await Mosquitto.start({ lines: LINES });
  await using world = new Ownerships(localBroker(broker.port));
  const waiting = new Inbox<() => void>();
  let isSlow = false;
  const beforeAnswer = (send: () => void) => isSlow ? waiting.push(send) : send();
  const [one, two] = [await world.instance({ beforeAnswer }), await world.instance()];
  await world.take(one);
  await using gateway = gatewayAt(broker.port, { devices: 1 });
  await gateway.running();
  const [device] = gateway.devices;
  assert.ok(device);
  isSlow = true;
  const first = gateway.send(device, "2");
  const send = await waiting.next("an answer");
  const releasing = one.release();
  send();
  await releasing;
  await first;
  await world.takeExactly(two);
  await two.release();
  await world.takeExactly(one);
  const second = gateway.send(device, "3");
  await waiting.next("an answer");
  // The disk never has it: it was not sent, and the next owner answers.
  await one.die();
  await world.takeExactly(two);
  await second;
  await assertUnnoticed(gateway, world);
});

mosquittoTest(
  "a command that is being popped while its car is handed over is not lost",
  async () => {
    await using broker = await Mosquitto.start({ lines: LINES });
    await using world = new Ownerships(localBroker(broker.port));
    const [one, two] = [await world.instance(), await world.instance()];
    await world.take(one);
    await using gateway = gatewayAt(broker.port, { devices: 1 });
    await gateway.running();
    const [device] = gateway.devices;
    const { context } = one;
    assert.ok(device && context);
    await gateway.send(device, "2");
    context.automatic = false;
    const releasing = one.release();
    await settled(broker.port);
    one.command(device, "late");
    context.finish();
    await releasing;
    await world.takeExactly(two);
    const where = ({ commandData }: { commandData: Uint8Array }) => commandData.length > 0;
    assert.equal(decoder.decode((await gateway.nextCommand({ where })).commandData), "late");
    await waitFor(() => world.acknowledged.length === 1, "the acknowledgment");
    await assertUnnoticed(gateway, world);
  },
);
