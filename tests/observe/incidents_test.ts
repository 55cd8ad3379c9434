// Incidents: one for each cause, and none for what was intended.
import assert from "node:assert/strict";
import type { Cause } from "../../src/observe/health/health.ts";
import type { Hit, IncidentChange } from "../../src/observe/health/incident.ts";
import { Incidents } from "../../src/observe/health/incidents.ts";
import { DeviceState } from "../../src/protocol/messages.ts";
import { FRONT } from "../car/support.ts";
import { IncidentLog } from "../../src/observe/health/incident_log.ts";
import { ListLog } from "../support/list_log.ts";
import { settled, VirtualClock } from "../support/virtual_clock.ts";
import { Watched } from "./watched.ts";

const FLEET = ["car_a", "car_b", "car_c"] as const;

Deno.test("A broker that is away for 4 s is one incident for the fleet, and ends by itself", async () => {
  const test = new Watched(FLEET);
  for (const name of FLEET) await test.car(name).up().run([FRONT]);
  await test.clock.advance(20_000);
  const at = test.clock.now();
  for (const name of FLEET) test.car(name).transport.down();
  await test.clock.advance(4000);
  assert.deepEqual(test.told, ["began broker_away"]);
  const [incident] = test.watch.incidents.list();
  assert.deepEqual([incident?.cars, incident?.carCount, incident?.beganAt], [FLEET, 3, at]);
  assert.equal(test.watch.incidents.open, 1);
  for (const name of FLEET) {
    test.car(name).brokerUp();
    await test.car(name).run([FRONT], "s2");
  }
  await test.clock.advance(29_000);
  assert.ok(!test.told.includes("ended broker_away"), "it may come back");
  await test.clock.advance(3000);
  assert.ok(test.told.includes("ended broker_away"));
  const [over] = test.watch.incidents.list({ state: "ended" });
  assert.deepEqual([over?.endedAt, over?.times], [at + 4000, 3]);
});

Deno.test("A broker outage that a car has for a day does not take up the next one", async () => {
  const test = new Watched(FLEET);
  for (const name of FLEET) test.car(name).up();
  test.car("car_a").transport.down();
  await test.clock.advance(120_000);
  test.car("car_b").transport.down();
  test.car("car_c").transport.down();
  await test.clock.advance(1000);
  assert.deepEqual(test.watch.incidents.list().map(({ cars }) => cars), [
    ["car_b", "car_c"],
    ["car_a"],
  ]);
});

Deno.test("An outage that was over when the next one began ends, although nobody suffers from it", async () => {
  const test = new Watched(FLEET);
  for (const name of FLEET) await test.car(name).up().run([FRONT]);
  test.car("car_a").transport.down();
  await test.clock.advance(120_000);
  const at = test.clock.now();
  test.car("car_a").brokerUp();
  await test.clock.advance(1000);
  test.car("car_b").transport.down();
  await test.clock.advance(1000);
  test.car("car_b").brokerUp();
  await test.clock.advance(60_000);
  assert.deepEqual(
    test.watch.incidents.list().filter(({ code }) => code === "broker_away")
      .map(({ cars, endedAt }) => [cars, endedAt]),
    [[["car_b"], at + 2000], [["car_a"], at]],
  );
});

Deno.test("An outage that is over before anybody looked is an incident all the same", async () => {
  const test = new Watched();
  const car = await test.car().up().run([FRONT]);
  await test.clock.advance(1000);
  car.transport.down();
  car.brokerUp();
  await test.clock.advance(1000);
  assert.deepEqual(test.told, ["began broker_away"]);
  assert.equal(test.watch.incidents.list()[0]?.quietSince, test.clock.now() - 1000);
});

Deno.test("What is intended is no incident: pause, restart, another session, another broker", async () => {
  const test = new Watched();
  const car = await test.car().up().run([FRONT]);
  car.car.restart();
  await test.clock.advance(10_000);
  await car.run([FRONT], "s2");
  await test.clock.advance(10_000);
  await car.run([FRONT], "s3");
  car.car.releaseModules("Its modules were reconfigured");
  await test.clock.advance(9000);
  car.car.attach(car.context(7));
  car.car.modulesReady();
  await car.run([FRONT], "s4");
  car.transport.leave("The configuration names another broker");
  await test.clock.advance(9000);
  car.brokerUp();
  await car.run([FRONT], "s5");
  car.car.pause();
  await test.clock.advance(1000);
  await car.car.stop();
  await test.clock.advance(1000);
  assert.deepEqual(test.told, []);
});

Deno.test("What was intended and takes too long becomes an incident", async () => {
  const test = new Watched();
  const car = await test.car().up().run([FRONT]);
  car.transport.leave("The configuration names another broker");
  await test.clock.advance(9000);
  assert.deepEqual(test.told, []);
  await test.clock.advance(2000);
  assert.deepEqual(test.told, ["began broker_away"]);
});

Deno.test("A crash names the module that caused it, apart from the cars it took along", async () => {
  const test = new Watched(FLEET);
  for (const name of FLEET) await test.car(name).up().run([FRONT]);
  const reason = "it was ended by SIGSEGV";
  const crash = (host: number) => {
    for (const name of FLEET) test.car(name).lose(7, reason);
    const contexts = FLEET.map((car) => {
      return { car, module: 7, blame: car === "car_b" ? "likely" : "possible" } as const;
    });
    test.watch.onHostLost({ host, reason, signal: "SIGSEGV", contexts });
  };
  crash(1);
  assert.equal(test.cause("car_a")?.text, "Lost with car_b, whose module 7 crashed with SIGSEGV");
  assert.equal(test.cause("car_b")?.text, "Module 7 crashed with SIGSEGV");
  assert.deepEqual([test.cause("car_a")?.module, test.cause("car_b")?.module], [null, 7]);
  for (const name of FLEET) {
    test.car(name).context(7);
    test.car(name).car.modulesReady();
  }
  crash(2);
  await test.clock.advance(1000);
  assert.deepEqual(test.told, ["began modules_away"]);
  const [incident, ...others] = test.watch.incidents.list();
  assert.deepEqual(others, []);
  assert.deepEqual(incident?.culprit, { car: "car_b", module: 7 });
  assert.equal(incident?.text, "Module 7 crashed with SIGSEGV");
  assert.deepEqual(incident?.cars, FLEET);
  assert.match(test.watch.incidents.lastOf("car_c")?.text ?? "", /^Lost with car_b, whose/);
});

Deno.test("A host that was killed from outside has no culprit", async () => {
  const test = new Watched(FLEET);
  for (const name of FLEET) await test.car(name).up().run([FRONT]);
  for (const name of FLEET) test.car(name).lose(7, "it was ended by SIGKILL");
  const contexts = FLEET.map((car) => ({ car, module: 7, blame: "none" }) as const);
  test.watch.onHostLost({
    host: 4,
    reason: "it was ended by SIGKILL",
    signal: "SIGKILL",
    contexts,
  });
  await test.clock.advance(1000);
  const incidents = test.watch.incidents.list();
  assert.deepEqual(incidents.map(({ culprit, text, carCount }) => [culprit, text, carCount]), [
    [null, "Lost with module host 4: it was ended by SIGKILL", 3],
  ]);
});

Deno.test("A context that was being made says later who crashed its host", async () => {
  const test = new Watched(FLEET);
  for (const name of FLEET) await test.car(name).up().run([FRONT]);
  const loss = { host: 1, reason: "it was ended by SIGSEGV", signal: "SIGSEGV" };
  test.car("car_a").lose(7, loss.reason);
  const contexts = [{ car: "car_a", module: 7, blame: "possible" }] as const;
  test.watch.onHostLost({ ...loss, contexts: [...contexts, { ...contexts[0], car: "car_c" }] });
  const late = { car: "car_b", module: 8, blame: "likely" } as const;
  test.watch.onHostLost({ ...loss, contexts: [late] });
  assert.equal(test.cause("car_a")?.text, "Lost with car_b, whose module 8 crashed with SIGSEGV");
});

Deno.test("Modules that cannot be opened for the same reason are one incident", async () => {
  const test = new Watched(FLEET);
  const problem = { module: 7, detail: "init returned NULL" };
  for (const name of FLEET) {
    test.car(name).car.start();
    test.car(name).brokerUp();
    test.missing.set(name, { attempts: 1, nextAttemptAt: 8000, problem });
  }
  await test.clock.advance(1000);
  const [incident, ...others] = test.watch.incidents.list();
  assert.deepEqual([incident?.text, incident?.carCount, others], [
    "Module 7 away: init returned NULL",
    3,
    [],
  ]);
});

Deno.test("A gateway whose Connect fails again and again is one incident that counts how often", async () => {
  const test = new Watched();
  const car = test.car().up();
  for (let index = 0; index < 5; index++) {
    car.connect([]);
    await test.clock.advance(index < 3 ? 0 : 1000);
  }
  const [incident, ...others] = test.watch.incidents.list();
  assert.deepEqual([incident?.code, incident?.times, others], ["connect_incomplete", 5, []]);
  assert.equal(incident?.carCount, 1);
});

Deno.test("A gateway that comes and goes is one incident until it has stayed", async () => {
  const test = new Watched();
  const car = test.car().up();
  for (const session of ["s1", "s2", "s3"]) {
    await car.run([FRONT], session);
    await test.clock.advance(31_000);
  }
  const [incident, ...others] = test.watch.incidents.list();
  assert.deepEqual([incident?.code, incident?.times, others], ["session_timeout", 3, []]);
  await car.run([FRONT], "s4");
  const at = test.clock.now();
  for (let second = 0; second < 32; second++) {
    await test.clock.advance(1000);
    car.status(FRONT);
    await settled();
  }
  assert.deepEqual(test.told, ["began session_timeout", "ended session_timeout"]);
  assert.equal(test.watch.incidents.list()[0]?.endedAt, at);
});

Deno.test("A gateway that leaves in order is no incident", async () => {
  const test = new Watched();
  const car = await test.car().up().run([FRONT]);
  car.status(FRONT, { state: DeviceState.DISCONNECT });
  await settled();
  assert.deepEqual(car.lastFailures.map(({ reason }) => reason), ["all_devices_gone"]);
  await test.clock.advance(7200_000);
  assert.deepEqual([test.told, test.health().state], [[], "waiting"]);
});

Deno.test("A gateway that falls silent is an incident, until it counts as switched off", async () => {
  const test = new Watched(["car_a"], { switchedOffMs: 600_000 });
  const car = await test.car().up().run([FRONT]);
  await test.clock.advance(31_000);
  const at = test.clock.now();
  await test.clock.advance(500_000);
  // It is heard once more, so it is not switched off.
  car.connect([]);
  await test.clock.advance(500_000);
  assert.ok(!test.told.includes("ended session_timeout"));
  assert.equal(test.health().causes.length, 2);
  await test.clock.advance(140_000);
  assert.deepEqual(test.health().causes, []);
  assert.equal(test.health().state, "waiting");
  const silent = test.watch.incidents.list({ state: "ended" }).at(-1);
  assert.deepEqual([silent?.code, silent?.switchedOff], ["session_timeout", true]);
  assert.ok((silent?.endedAt ?? 0) >= at + 1_100_000 - 2000);
  assert.equal(test.watch.incidents.open, 0);

  // In the morning it is back, and what fails now is another incident.
  await car.run([FRONT], "s2");
  assert.equal(test.health().state, "healthy");
  await test.clock.advance(31_000);
  assert.deepEqual(test.told.slice(-1), ["began session_timeout"]);
  await test.clock.advance(1000);
  await car.run([FRONT], "s3");
  for (let seconds = 0; seconds < 32; seconds++) {
    await test.clock.advance(1000);
    car.status(FRONT);
    await settled();
  }
  const [back] = test.watch.incidents.list({ state: "ended" });
  assert.deepEqual([back?.code, back?.switchedOff], ["session_timeout", false]);
});

Deno.test("A gateway that cannot be heard, or of which that is not wanted, does not count as switched off", async () => {
  const test = new Watched(["car_a"], { switchedOffMs: 600_000 });
  const car = await test.car().up().run([FRONT]);
  await test.clock.advance(31_000);
  car.transport.down();
  await test.clock.advance(1200_000);
  assert.ok(!test.told.includes("ended session_timeout"));
  const never = new Watched(["car_a"], { switchedOffMs: 0 });
  await never.car().up().run([FRONT]);
  await never.clock.advance(86_400_000);
  assert.deepEqual(never.told, ["began session_timeout"]);
});

const CAUSE: Cause = {
  code: "session_timeout",
  severity: "waiting",
  since: 1000,
  text: "Gateway silent",
  advice: "Look",
  module: null,
  attempts: null,
  nextAttemptAt: null,
};

function hit(group: string, different: Partial<Hit> = {}): Hit {
  return {
    cause: CAUSE,
    group,
    culprit: null,
    endedAt: null,
    switchedOff: false,
    times: 1,
    ...different,
  };
}

Deno.test("Incidents keep the newest 500, and those that go on, and name at most 100 cars", () => {
  const changes: IncidentChange[] = [];
  const incidents = new Incidents((change) => changes.push(change));
  incidents.update("constant", [hit("constant")], 0);
  for (let index = 0; index < 700; index++) {
    incidents.update("car", [hit(`group ${index}`)], index);
    incidents.update("car", [], index);
    incidents.settle(index, 0);
  }
  const all = incidents.list({ limit: 1000 });
  assert.equal(all.length, 500);
  assert.equal(all.at(-1)?.cars[0], "constant");
  for (let index = 0; index < 150; index++) incidents.update(`car_${index}`, [hit("wide")], 1000);
  assert.equal(incidents.list({ limit: 1 })[0]?.cars.length, 150);
  for (let index = 0; index < 150; index++) incidents.update(`car_${index}`, [], 1000);
  incidents.settle(1000, 0);
  const [wide] = incidents.list({ limit: 1 });
  assert.deepEqual([wide?.cars.length, wide?.carCount, wide?.endedAt], [100, 150, 1000]);
  incidents.flush();
  assert.equal(changes.filter(({ kind }) => kind === "began").length, 702);
});

Deno.test("Incidents are listed by state, car and number, and forgotten cars suffer no more", () => {
  const incidents = new Incidents(() => {});
  incidents.update("car_a", [hit("one")], 0);
  incidents.update("car_b", [hit("two")], 0);
  incidents.update("car_a", [], 5);
  incidents.settle(5, 0);
  const ids = (filter: Parameters<Incidents["list"]>[0]) =>
    incidents.list(filter).map(({ id }) => id);
  assert.deepEqual(ids({}), [2, 1]);
  assert.deepEqual(ids({ limit: 1 }), [2]);
  assert.deepEqual([ids({ state: "open" }), ids({ state: "ended" })], [[2], [1]]);
  assert.deepEqual([ids({ car: "car_a" }), ids({ car: "car_x" })], [[1], []]);
  incidents.forget("car_b", 9);
  incidents.settle(9, 0);
  assert.deepEqual([ids({ state: "open" }), incidents.lastOf("car_b")], [[], undefined]);
});

Deno.test("Incidents tell who takes care, at once", () => {
  const changes: IncidentChange[] = [];
  const incidents = new Incidents((change) => changes.push(change));
  incidents.update("car_a", [hit("one")], 0);
  const by = { name: "Ann", note: "drives there", at: 7 };
  assert.deepEqual(incidents.acknowledge(1, by)?.acknowledged, by);
  assert.deepEqual(changes.map(({ kind }) => kind), ["acknowledged"]);
  assert.equal(incidents.acknowledge(2, by), undefined);
});

Deno.test("IncidentLog writes at most 30 lines of one code a minute, to the log of the car if there is one", async () => {
  const clock = new VirtualClock();
  const log = new ListLog();
  const lines = new IncidentLog(log, clock);
  const incidents = new Incidents((change) => lines.onIncident(change));
  incidents.update("car_a", [hit("one")], 2000);
  incidents.flush();
  incidents.update("car_a", [], 5000);
  incidents.settle(5000, 0);
  incidents.flush();
  assert.deepEqual(log.lines.map(({ level, car, text }) => [level, car, text]), [
    ["WARNING", "car_a", "Incident 1: waiting: Gateway silent"],
    ["INFO", "car_a", "Incident 1 is over after 4.0 s: Gateway silent"],
  ]);
  incidents.update("car_a", [hit("one", { endedAt: 6000, switchedOff: true })], 6000);
  incidents.settle(6000, 0);
  incidents.flush();
  assert.equal(
    log.lines.at(-1)?.text,
    "Incident 2 is over after 5.0 s, as the gateway counts as switched off: Gateway silent",
  );
  for (let index = 0; index < 100; index++) incidents.update(`car_${index}`, [hit(`${index}`)], 0);
  incidents.flush();
  assert.equal(log.matching(/waiting: Gateway silent$/).length, 30);
  await clock.advance(60_000);
  incidents.update("car_x", [hit("x")], 0);
  incidents.flush();
  assert.equal(log.matching(/and 72 more like this/).length, 1);
});
