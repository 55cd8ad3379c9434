// What operators see of cars, over real HTTP.
import assert from "node:assert/strict";
import type { CarSnapshot } from "../../src/car/car.ts";
import type { CarDetail, CarList, Health, Readiness } from "../../src/http/api/schemas.ts";
import { readinessOf } from "../../src/http/readiness.ts";
import { device, FRONT, REAR } from "../car/support.ts";
import { settled } from "../support/virtual_clock.ts";
import { Fixture, TestGateway } from "./fixture.ts";

const FOREIGN = device(9, "foreign");

Deno.test("GET /healthz says that the process is alive, without a key", async () => {
  await using fixture = await Fixture.start();
  const answer = await fixture.bare("/healthz");
  assert.equal(answer.status, 200);
  const health = await answer.json() as Health;
  assert.deepEqual(Object.keys(health), ["status", "uptimeMs", "eventLoopLagMs"]);
  assert.equal(health.status, "ok");
  assert.ok(health.eventLoopLagMs.max >= health.eventLoopLagMs.last);
});

Deno.test("GET /readyz gives reasons until broker and hosts are there, without a key", async () => {
  await using fixture = await Fixture.start();
  const ask = async () => {
    const answer = await fixture.bare("/readyz");
    return [answer.status, await answer.json() as Readiness] as const;
  };
  assert.deepEqual(await ask(), [503, {
    ready: false,
    reasons: ["2 of 2 cars have no connection to the broker"],
    degraded: [],
  }]);
  fixture.up();
  assert.deepEqual(await ask(), [200, { ready: true, reasons: [], degraded: [] }]);
  fixture.hosts.broken = true;
  fixture.hosts.of("car_a").die();
  assert.deepEqual(await ask(), [503, {
    ready: false,
    reasons: ["2 of 2 cars wait for a module host"],
    degraded: [],
  }]);
});

Deno.test("readinessOf() lists what a few cars lack, and is not ready for more than half", () => {
  const cars = (count: number, lack: Partial<CarSnapshot>) =>
    Array.from({ length: count }, () => ({ brokerConnected: true, modulesReady: true, ...lack }));
  const judge = (...groups: ReturnType<typeof cars>[]) => {
    const snapshot = { cars: groups.flat() as unknown as CarSnapshot[], hosts: [], hostsLost: 0 };
    return readinessOf(snapshot, 0, { sinks: () => [] });
  };
  const crashing = { modulesReady: false };
  const offline = { brokerConnected: false };
  assert.deepEqual(judge(cars(499, {}), cars(1, crashing)), {
    ready: true,
    reasons: [],
    degraded: ["1 of 500 cars wait for a module host"],
  });
  assert.equal(judge(cars(1, {}), cars(1, crashing)).ready, true);
  assert.equal(judge(cars(1, {}), cars(2, crashing)).ready, false);
  assert.equal(judge(cars(1, crashing)).ready, false);
  assert.deepEqual(judge(cars(3, offline), cars(1, crashing)), {
    ready: false,
    reasons: ["3 of 4 cars have no connection to the broker"],
    degraded: ["1 of 4 cars wait for a module host"],
  });
  assert.equal(judge().ready, true);
});

Deno.test("readinessOf() stays ready however many cars are degraded", () => {
  const cars = [{ brokerConnected: true, modulesReady: true } as CarSnapshot];
  assert.deepEqual(readinessOf({ cars, hosts: [], hostsLost: 0 }, 1, { sinks: () => [] }), {
    ready: true,
    reasons: [],
    degraded: ["1 of 1 cars are degraded"],
  });
});

Deno.test("GET /api/v1/cars lists the cars in the order of the configuration", async () => {
  await using fixture = await Fixture.start({ cars: { car_z: {}, car_a: {} } });
  fixture.transport("car_a").up();
  await new TestGateway(fixture, "car_a").run([FRONT, REAR]);
  const list = await fixture.json<CarList>("/api/v1/cars");
  assert.equal(list.company, "company");
  assert.deepEqual(
    list.cars.map((
      { car, state, brokerConnected, sessionId, connectedDevices, modules },
    ) => [car, state, brokerConnected, sessionId, connectedDevices, modules]),
    [
      ["car_z", "UNINITIALIZED", false, null, 0, [7]],
      ["car_a", "RUNNING", true, "s1", 2, [7]],
    ],
  );
});

Deno.test("GET /api/v1/cars/{car} shows devices, statuses, commands, modules and events", async () => {
  await using fixture = (await Fixture.start()).up();
  const gateway = await new TestGateway(fixture, "car_a").run([FRONT, FOREIGN]);
  gateway.status(FRONT, '{"speed": 3}', "hot");
  gateway.status(FRONT, new Uint8Array([0, 255, 16]));
  gateway.status(FRONT, "x".repeat(2000));
  fixture.hosts.context("car_a").listener.onCommand({ device: FRONT, data: new Uint8Array(0) });
  await settled();
  gateway.respond(2, 3);
  await settled();
  const car = await fixture.json<CarDetail>("/api/v1/cars/car_a");

  const [front, foreign] = car.devices;
  assert.equal(front?.id, "7/1/front");
  assert.equal(front?.name, "name of front");
  assert.equal(front?.connected, true);
  assert.ok((front?.connectedSince ?? 0) <= (front?.lastStatusAt ?? 0));
  assert.equal(front?.lastStatusCounter, 4);
  assert.equal(front?.problem, null);
  assert.equal(foreign?.connected, false);
  assert.match(
    foreign?.problem ?? "",
    /^The gateway lists module 9; this server has none for the car: add it/,
  );

  const [long, binary, json] = car.statuses;
  assert.deepEqual(json?.data, {
    kind: "json",
    text: '{"speed": 3}',
    bytes: 12,
    truncated: false,
  });
  assert.equal(json?.errorMessage?.text, "hot");
  assert.equal(json?.state, "RUNNING");
  assert.ok((json?.responseMs ?? -1) >= 0);
  assert.deepEqual(binary?.data, { kind: "hex", text: "00ff10", bytes: 3, truncated: false });
  assert.deepEqual([long?.data.bytes, long?.data.truncated, long?.data.text.length], [
    2000,
    true,
    1024,
  ]);

  const [command] = car.commands;
  assert.equal(command?.counter, 2);
  assert.equal(command?.data.kind, "empty");
  assert.equal(command?.response, "INVALID_COMMAND");
  assert.deepEqual(car.moduleContexts, [
    { module: 7, libPath: "/srv/lib.so", host: 1, hostPid: 4711, openCalls: 0 },
  ]);
  assert.ok(car.events.some(({ text }) => text === "State CONNECTED is now RUNNING"));
  assert.equal(car.counts.commandsRefused, 1);
  assert.deepEqual(car.queues, { statuses: 0, commands: 0, unansweredCommands: 0 });
});

Deno.test("GET /api/v1/cars/{car} keeps the newest of what happens, and no more", async () => {
  await using fixture = (await Fixture.start()).up();
  const gateway = await new TestGateway(fixture, "car_a").run([FRONT]);
  for (let index = 0; index < 100; index++) gateway.status(FRONT, `${index}`);
  await settled();
  const { statuses } = await fixture.json<CarDetail>("/api/v1/cars/car_a");
  assert.equal(statuses.length, 20);
  assert.deepEqual(statuses.slice(0, 2).map(({ data }) => data.text), ["99", "98"]);
});

Deno.test("GET /api/v1/cars/{car} has the last status of a quiet device, also in its next session", async () => {
  await using fixture = (await Fixture.start()).up();
  const gateway = await new TestGateway(fixture, "car_a").run([FRONT, REAR]);
  const rear = async () => {
    const { devices } = await fixture.json<CarDetail>("/api/v1/cars/car_a");
    return devices.find(({ role }) => role === "rear");
  };
  const first = await rear();
  assert.deepEqual(
    [first?.lastStatus?.state, first?.lastStatus?.counter, first?.lastStatusCounter],
    [
      "CONNECTING",
      1,
      1,
    ],
  );
  gateway.status(REAR, '{"level": 4}');
  for (let index = 0; index < 30; index++) gateway.status(FRONT, `${index}`);
  await settled();
  const quiet = await rear();
  assert.deepEqual([quiet?.lastStatus?.counter, quiet?.lastStatus?.at], [2, quiet?.lastStatusAt]);
  assert.deepEqual(quiet?.lastStatus?.data, {
    kind: "json",
    text: '{"level": 4}',
    bytes: 12,
    truncated: false,
  });
  await new TestGateway(fixture, "car_a").run([FRONT, REAR], "s2");
  assert.equal((await rear())?.lastStatus?.state, "CONNECTING");
});

Deno.test("GET /api/v1/cars/{car} says of incidents what to do, once for those with one cause", async () => {
  await using fixture = (await Fixture.start()).up();
  const gateway = new TestGateway(fixture, "car_a");
  for (const sessionId of ["s1", "s2", "s3"]) {
    gateway.connect([FOREIGN], sessionId);
    await settled();
  }
  await new TestGateway(fixture, "car_a").run([FRONT], "s4");
  fixture.transport("car_a").down();
  const { incidents, lastIncident, health, state, devices } = await fixture.json<CarDetail>(
    "/api/v1/cars/car_a",
  );
  assert.equal(state, "UNINITIALIZED");
  assert.deepEqual(incidents.map(({ code, quietSince }) => [code, quietSince === null]), [
    ["broker_away", true],
    ["connect_incomplete", false],
  ]);
  assert.equal(lastIncident?.id, incidents[0]?.id);
  assert.deepEqual([health.state, health.causes.map(({ code }) => code)], ["down", [
    "broker_away",
  ]]);
  assert.match(incidents[0]?.advice ?? "", /^The server has lost the broker: check/);
  assert.match(
    incidents[1]?.advice ?? "",
    /^The gateway lists module 9; this server has none for the car: add it/,
  );
  assert.deepEqual(devices.map(({ id, problem }) => [id, problem]), [
    ["7/1/front", "The session is over."],
  ]);
});

Deno.test("GET /api/v1/cars/{car} answers 404 for a car that is not configured", async () => {
  await using fixture = await Fixture.start();
  const answer = await fixture.get("/api/v1/cars/car_x");
  assert.equal(answer.status, 404);
  assert.deepEqual(await answer.json(), {
    type: "about:blank",
    title: "Not Found",
    status: 404,
    detail: 'Expected a car of the configuration: found "car_x"',
    code: "not_found",
  });
});
