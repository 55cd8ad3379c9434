// Hosts come and go with their contexts.
import assert from "node:assert/strict";
import { ModuleLoadError } from "../../src/module/errors.ts";
import type { HostLoss } from "../../src/server/host_losses.ts";
import { settled } from "../support/virtual_clock.ts";
import { ModulesFixture, specOf } from "./modules_fixture.ts";

/** Adds a car with this many modules, all opened. */
async function open(test: ModulesFixture, name: string, count: number) {
  const member = test.add(name, Array.from({ length: count }, (_, module) => module));
  await member.started;
  return member;
}

Deno.test("Supervisor starts a host for the first context and stops it after the last", async () => {
  const test = new ModulesFixture();
  const a = await open(test, "car_a", 1);
  const b = await open(test, "car_b", 1);
  assert.deepEqual(test.placement, [{ car_a: 1, car_b: 1 }]);
  await Promise.all([a.remove(), a.remove()]);
  assert.deepEqual(test.placement, [{ car_b: 1 }]);
  assert.equal(test.hosts.all[0]?.state, "active");
  await b.remove();
  assert.deepEqual(test.placement, []);
  await settled();
  assert.equal(test.hosts.all[0]?.state, "exited");
  assert.equal(test.supervisor.hostsLost, 0);
});

Deno.test("Supervisor gives a car with 33 modules three hosts, and others what is left", async () => {
  const test = new ModulesFixture();
  await open(test, "car_a", 33);
  await open(test, "car_b", 4);
  assert.deepEqual(test.placement, [{ car_a: 15 }, { car_a: 15 }, { car_a: 3, car_b: 4 }]);
  for (const host of test.hosts.all) assert.ok(host.freePlaces >= 0);
});

Deno.test("Supervisor counts places of hosts that have not started yet", async () => {
  const test = new ModulesFixture();
  const members = Array.from({ length: 16 }, (_, index) => test.add(`car_${index}`));
  assert.equal(test.hosts.starts, 2);
  assert.equal(Object.keys(test.placement[0] ?? {}).length, 15);
  await Promise.all(members.map(({ started }) => started));
});

Deno.test("Supervisor uses no place of a context that could not be destroyed, until it is free", async () => {
  const test = new ModulesFixture();
  await open(test, "car_a", 1);
  const [host] = test.hosts.all;
  // Their cars have left, but not their threads.
  host?.block(11);
  await open(test, "car_b", 4);
  assert.deepEqual(test.placement, [{ car_a: 1 }, { car_b: 4 }]);
  host?.block(10);
  await open(test, "car_c", 4);
  assert.deepEqual(test.placement, [{ car_a: 1, car_c: 4 }, { car_b: 4 }]);
});

Deno.test("Supervisor counts places of contexts that are being opened or destroyed", async () => {
  const test = new ModulesFixture();
  await open(test, "car_a", 1);
  test.hosts.all[0]?.block(12);
  const slow = Promise.withResolvers<void>();
  test.hosts.init = () => slow.promise;
  const b = test.add("car_b", [1, 2]);
  const c = test.add("car_c", [1, 2]);
  await settled();
  assert.deepEqual(test.placement, [{ car_a: 1, car_b: 2 }, { car_c: 2 }]);
  // What is being made cannot be destroyed before it is there.
  await b.remove();
  assert.deepEqual(test.placement, [{ car_a: 1, car_b: 2 }, { car_c: 2 }]);
  slow.resolve();
  await Promise.all([b.started, c.started]);
  await settled();
  const leaving = Promise.withResolvers<void>();
  test.hosts.context("car_c", 1).destroying = leaving.promise;
  const left = c.remove();
  await open(test, "car_d", 2);
  assert.deepEqual(test.placement, [{ car_a: 1, car_d: 2 }, { car_c: 1 }]);
  leaving.resolve();
  await left;
  assert.deepEqual(test.placement, [{ car_a: 1, car_d: 2 }]);
});

Deno.test("Supervisor puts no context on a host that its last context is leaving", async () => {
  const test = new ModulesFixture();
  const a = await open(test, "car_a", 1);
  test.hosts.context("car_a", 0).destroying = new Promise(() => {});
  void a.remove();
  await open(test, "car_b", 1);
  assert.deepEqual(test.placement, [{ car_a: 1 }, { car_b: 1 }]);
});

Deno.test("Supervisor puts no context on a host that has died, and stops nothing twice", async () => {
  const test = new ModulesFixture();
  const slow = Promise.withResolvers<void>();
  test.hosts.init = ({ module }) => module === 1 ? slow.promise : Promise.resolve();
  const a = test.add("car_a", [0, 1]);
  await settled();
  test.hosts.all[0]?.die();
  assert.deepEqual(test.placement, []);
  assert.deepEqual(test.log.matching(/Module host/).map(({ level, text }) => [level, text]), [
    ["ERROR", "Module host 1 (car_a) is gone: it was ended by SIGSEGV"],
  ]);
  await a.remove();
  await open(test, "car_b", 1);
  assert.deepEqual(test.placement, [{ car_b: 1 }]);
  assert.equal(test.hosts.all.length, 2);
  assert.equal(test.supervisor.hostsLost, 1);
});

Deno.test("Supervisor counts a host whose contexts have all been lost, and does not stop it", async () => {
  const test = new ModulesFixture();
  await Promise.all([open(test, "car_a", 2), open(test, "car_b", 1)]);
  const [host] = test.hosts.all;
  assert.ok(host);
  let stops = 0;
  host.stop = () => Promise.resolve(void stops++);
  host.die();
  assert.deepEqual(test.placement, []);
  await settled();
  assert.deepEqual([test.supervisor.hostsLost, stops], [1, 0]);
  assert.deepEqual(test.log.matching(/Module host/), []);
});

Deno.test("Supervisor tells which contexts a host took along, and who may have caused it", async () => {
  const losses: HostLoss[] = [];
  const test = new ModulesFixture(15, undefined, (loss) => losses.push(loss));
  await Promise.all([open(test, "car_a", 2), open(test, "car_b", 1)]);
  test.hosts.all[0]?.die();
  await settled();
  const reason = "it was ended by SIGSEGV";
  const [loss, ...others] = losses;
  assert.deepEqual([loss?.host, loss?.reason, others], [1, reason, []]);
  assert.deepEqual(loss?.contexts.map(({ car, module }) => `${car} ${module}`), [
    "car_a 0",
    "car_a 1",
    "car_b 0",
  ]);
});

Deno.test("Supervisor tells of a context that was being made when its host was lost, and of no stop", async () => {
  const losses: HostLoss[] = [];
  const test = new ModulesFixture(15, undefined, (loss) => losses.push(loss));
  test.hosts.init = () => new Promise(() => {});
  test.add("car_a", [4]);
  await settled();
  test.hosts.init = () => Promise.resolve();
  test.hosts.all[0]?.die();
  await settled();
  assert.deepEqual(losses.map(({ host, contexts }) => [host, contexts]), [
    [1, [{ car: "car_a", module: 4, blame: "likely" }]],
  ]);
  await test.clock.advance(0);
  await settled();
  assert.equal(test.supervisor.missingModules("car_a"), null, "it was opened again");
  await test.supervisor.stop();
  assert.equal(losses.length, 1);
});

Deno.test("Supervisor says what a car lacks, why, and when that is tried again", async () => {
  const test = new ModulesFixture();
  test.hosts.init = ({ car, module }) => {
    const spec = { ...specOf(car, module) };
    return Promise.reject(new ModuleLoadError("init", spec, "init returned NULL"));
  };
  test.add("car_a", [4]);
  await settled();
  await test.clock.advance(0);
  await settled();
  const missing = test.supervisor.missingModules("car_a");
  assert.deepEqual(missing?.problem, { module: 4, detail: "init returned NULL" });
  assert.equal(missing?.attempts, 2);
  assert.ok((missing?.nextAttemptAt ?? 0) > test.clock.now());
  assert.equal(test.supervisor.missingModules("car_x"), null);
});

for (const how of ["rejects", "throws"] as const) {
  Deno.test(`Supervisor survives a start of a host that ${how}: its cars learn why`, async () => {
    const test = new ModulesFixture(15, () => {
      if (how === "throws") throw new Error("no memory");
      return Promise.reject(new Error("no memory"));
    });
    const { started, remove } = test.add("car_a");
    await started;
    assert.deepEqual(test.log.texts("ERROR"), [
      "Module host 1 (car_a) is gone: it could not be started",
      "no memory",
    ]);
    assert.deepEqual(test.placement, []);
    assert.equal(test.supervisor.hostsLost, 1);
    await remove();
    assert.equal(test.clock.timers, 0);
    await test.supervisor.stop();
  });
}

Deno.test("Supervisor.stop() waits for hosts that start or stop, and goes on past one that fails to", async () => {
  const test = new ModulesFixture();
  await open(test, "car_a", 15);
  const b = await open(test, "car_b", 1);
  const [first] = test.hosts.all;
  Object.defineProperty(first, "stop", { value: () => Promise.reject(new Error("stuck")) });
  test.hosts.init = () => new Promise(() => {});
  const c = test.add("car_c", Array.from({ length: 15 }, (_, module) => module));
  const second = test.hosts.all[1];
  assert.ok(second);
  const ending = Promise.withResolvers<void>();
  const stop = second.stop.bind(second);
  second.stop = () => ending.promise.then(stop);
  void b.remove();
  let isStopped = false;
  const stopped = test.supervisor.stop().then(() => isStopped = true);
  await settled();
  assert.equal(isStopped, false);
  ending.resolve();
  await stopped;
  await c.started;
  assert.deepEqual(test.hosts.all.map(({ state }) => state), ["active", "exited", "exited"]);
  assert.deepEqual(test.placement, []);
  // What hosts refused because they stop is not tried again.
  assert.equal(test.clock.timers, 0);
  assert.deepEqual(test.log.texts("ERROR"), []);
});

Deno.test("Supervisor hands on what libraries print, with the car when there is only one", async () => {
  const test = new ModulesFixture();
  const only = await open(test, "car_a", 1);
  const [host] = test.hosts.all;
  host?.print("hello");
  for (const car of ["car_b", "car_c", "car_d", "car_e"]) await open(test, car, 1);
  host?.print("oops", "stderr");
  await only.remove();
  assert.deepEqual(test.log.matching(/module std/).map(({ car, text }) => [car, text]), [
    ["car_a", "[module stdout] hello"],
    [undefined, "[module stderr] Module host 1 (car_a, car_b, car_c and 2 more): oops"],
  ]);
});

Deno.test("Supervisor shows no secret that it gave to a library, though that prints it [CONFIG-SECRETS]", async () => {
  const test = new ModulesFixture();
  const { car, remove } = test.add("car_a", []);
  const parameters = [["car_name", "car_a"], ["api_key", "S3CRET-VALUE"], ["pin", "1"]] as const;
  await test.supervisor.prepare(car, [{ ...specOf("car_a"), parameters }]);
  await test.supervisor.takeOver(car);
  const [host] = test.hosts.all;
  host?.print("setting api_key is S3CRET-VALUE, car_a is 1, password=hidden");
  const leaving = remove();
  host?.print("S3CRET-VALUE again");
  await leaving;
  host?.print("S3CRET-VALUE at last");
  assert.deepEqual(test.log.matching(/module std/).map(({ text }) => text), [
    "[module stdout] setting api_key is ***, car_a is 1, password=***",
    "[module stdout] *** again",
    "[module stdout] Module host 1: *** at last",
  ]);
});

Deno.test("Supervisor.snapshot() shows each host with its own view of itself", async () => {
  const test = new ModulesFixture();
  const { started } = test.add("car_a");
  assert.deepEqual(test.supervisor.snapshot(), [{ id: 1, cars: { car_a: 1 }, facts: null }]);
  await started;
  await open(test, "car_b", 2);
  const facts = { pid: 4711, residentBytes: 0, contexts: [] };
  assert.deepEqual(test.supervisor.snapshot(), [{ id: 1, cars: { car_a: 1, car_b: 2 }, facts }]);
});
