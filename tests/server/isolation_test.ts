// A module that crashes takes its neighbors down once or twice, and then only its own car.
import assert from "node:assert/strict";
import { settled } from "../support/virtual_clock.ts";
import { ModulesFixture, specOf } from "./modules_fixture.ts";
import { FRONT } from "../car/support.ts";

/** Cars that live on the same host as this one, in order. */
function neighbors(test: ModulesFixture, car: string): string[] {
  return test.hosts.of(car).cars.filter((other) => other !== car);
}

/** Makes a call of the car's module that does not come back. */
function keepBusy(test: ModulesFixture, car: string): void {
  const context = test.hosts.context(car);
  context.automatic = false;
  context.forwardStatus(FRONT, new Uint8Array(), () => {});
}

Deno.test("A car whose module was busy when its host died gets a host of its own", async () => {
  const test = new ModulesFixture();
  await test.addMany(4);
  const host = test.hosts.of("car_0");
  keepBusy(test, "car_2");
  host.die();
  await test.clock.advance(0);
  assert.deepEqual(neighbors(test, "car_2"), []);
  assert.deepEqual(neighbors(test, "car_0"), ["car_1", "car_3"]);
});

Deno.test("A car that keeps crashing takes down no other, and only its own pauses grow", async () => {
  const test = new ModulesFixture();
  await test.addMany(4);
  keepBusy(test, "car_2");
  test.hosts.of("car_2").die();
  await test.clock.advance(0);
  const calm = test.hosts.of("car_0");
  for (let crash = 0; crash < 8; crash++) {
    test.hosts.of("car_2").die();
    assert.equal(test.clock.timers, 1);
    await test.clock.next();
    assert.deepEqual(neighbors(test, "car_2"), []);
  }
  assert.equal(calm.state, "active");
  assert.deepEqual(calm.cars, ["car_0", "car_1", "car_3"]);
  const concerned = test.log.lines.slice(-16).map(({ car }) => car);
  assert.deepEqual([...new Set(concerned)], ["car_2"]);
});

Deno.test("Cars whose host keeps crashing while none is busy are split up, then get hosts of their own", async () => {
  const test = new ModulesFixture();
  await test.addMany(15);
  const sizes = () => test.hosts.living.map(({ cars }) => cars.length);
  test.hosts.of("car_0").die();
  await test.clock.advance(0);
  assert.deepEqual(sizes(), [15]);
  test.hosts.of("car_0").die();
  await test.clock.advance(1000);
  assert.deepEqual(sizes(), [4, 4, 4, 3]);
  // Who is trusted does not share with them, for the time being.
  await test.add("car_15").started;
  assert.deepEqual(neighbors(test, "car_15"), []);
  const { cars: divided } = test.hosts.of("car_0");
  test.hosts.of("car_0").die();
  await test.clock.advance(3000);
  for (const car of divided) assert.deepEqual(neighbors(test, car), []);
  assert.equal(test.hosts.living.length, 3 + 1 + divided.length);
});

Deno.test("A car whose init crashes its host does not keep its neighbors from coming back", async () => {
  const test = new ModulesFixture();
  test.hosts.init = (spec, host) => {
    if (spec.car !== "car_2") return Promise.resolve();
    queueMicrotask(() => host.state === "active" && host.die());
    return new Promise(() => {});
  };
  const members = Array.from({ length: 15 }, (_, index) => test.add(`car_${index}`));
  await Promise.all(members.map(({ started }) => started));
  assert.equal(test.hosts.all.length, 1);
  for (let attempt = 0; attempt < 6; attempt++) await test.clock.advance(10_000);
  for (const { car } of members) {
    assert.equal(car.state, car.name === "car_2" ? "ERROR" : "CONNECTED", car.name);
  }
  // The others have lost their host once or twice, not with each new attempt of the bad one.
  const lost = test.log.matching(/context lost/).filter(({ car }) => car === "car_0");
  assert.ok(lost.length <= 2, `lost ${lost.length} times`);
});

Deno.test("Hosts that are killed from outside, again and again, do not multiply", async () => {
  const test = new ModulesFixture();
  const members = await test.addMany(30);
  const killAll = async () => {
    for (const host of test.hosts.living) host.kill();
    await settled();
  };
  /** Lets every car make attempts until its contexts are there, or are being made. */
  const attempt = async () => {
    while (test.clock.timers > 0) await test.clock.next();
  };
  for (let round = 0; round < 10; round++) {
    keepBusy(test, "car_3");
    await killAll();
    // Those that are being made are killed as well.
    test.hosts.init = () => new Promise(() => {});
    await attempt();
    await killAll();
    test.hosts.init = () => Promise.resolve();
    await attempt();
    assert.deepEqual(test.hosts.living.map(({ cars }) => cars.length), [15, 15]);
  }
  for (const { car } of members) assert.equal(car.state, "CONNECTED");
});

Deno.test("All contexts of a car that are lost with one host are one crash", async () => {
  const test = new ModulesFixture();
  await Promise.all([test.add("car_a", [7, 8, 9]).started, test.add("car_b").started]);
  test.hosts.of("car_a").die();
  await test.clock.advance(0);
  assert.deepEqual(test.placement, [{ car_a: 3, car_b: 1 }]);
});

Deno.test("A crash while other contexts of the car are being opened counts as well", async () => {
  const test = new ModulesFixture(3);
  const slow = Promise.withResolvers<void>();
  test.hosts.init = ({ module }) => module === 1 ? slow.promise : Promise.resolve();
  const { started } = test.add("car_a", [1, 2, 3, 4, 5]);
  await settled();
  test.hosts.of("car_a", 5).die();
  slow.resolve();
  await started;
  await test.clock.next();
  test.hosts.of("car_a", 5).die();
  await test.clock.next();
  // That was the second crash: the host has room, but no car shares it.
  await test.add("car_b").started;
  assert.deepEqual(test.placement, [{ car_a: 3 }, { car_a: 2 }, { car_b: 1 }]);
});

Deno.test("A car shares a host again after a minute without a loss", async () => {
  const test = new ModulesFixture();
  await test.addMany(2);
  keepBusy(test, "car_1");
  test.hosts.of("car_1").die();
  await test.clock.advance(0);
  assert.deepEqual(neighbors(test, "car_1"), []);
  await test.clock.advance(60_000);
  test.hosts.of("car_1").die("it was killed");
  await test.clock.advance(0);
  assert.deepEqual(neighbors(test, "car_1"), ["car_0"]);
});

Deno.test("Others move in with a car that had no loss for a minute, and it stays where it is", async () => {
  const test = new ModulesFixture();
  await test.addMany(2);
  keepBusy(test, "car_1");
  test.hosts.of("car_1").die();
  await test.clock.advance(0);
  const own = test.hosts.of("car_1");
  const [context] = own.contexts;
  await test.clock.advance(59_999);
  await test.add("car_2").started;
  assert.deepEqual(test.placement, [{ car_0: 1, car_2: 1 }, { car_1: 1 }]);
  await test.clock.advance(1);
  // Both hosts have room; the fuller one is filled first, then the one that was kept for a suspect.
  await Promise.all(Array.from({ length: 14 }, (_, i) => test.add(`car_${i + 3}`).started));
  assert.deepEqual(neighbors(test, "car_1"), ["car_16"]);
  assert.equal(test.hosts.living.length, 2);
  assert.equal(own.contexts[0], context);
  assert.equal(context?.destroyed, 0);
  assert.equal(test.clock.timers, 0);
});

Deno.test("A car that crashes again is alone again, and cars that had moved in are not suspect for that", async () => {
  const test = new ModulesFixture(2);
  await test.addMany(2);
  keepBusy(test, "car_1");
  test.hosts.of("car_1").die();
  await test.clock.advance(0);
  await test.clock.advance(60_000);
  await test.add("car_2").started;
  await test.add("car_3").started;
  assert.deepEqual(test.placement, [{ car_0: 1, car_2: 1 }, { car_1: 1, car_3: 1 }]);
  keepBusy(test, "car_1");
  test.hosts.of("car_1").die();
  await test.clock.advance(0);
  await test.add("car_4").started;
  assert.deepEqual(neighbors(test, "car_1"), []);
  assert.deepEqual(neighbors(test, "car_3"), ["car_4"]);
});

Deno.test("A car whose modules are reconfigured is no longer suspect, even where it stays", async () => {
  const test = new ModulesFixture(2);
  const [, member] = await test.addMany(2);
  assert.ok(member);
  keepBusy(test, "car_1");
  test.hosts.of("car_1").die();
  await test.clock.advance(0);
  await test.supervisor.prepare(member.car, [specOf("car_1")]);
  member.car.releaseModules("Its modules were reconfigured");
  await test.supervisor.takeOver(member.car);
  for (const other of ["car_2", "car_3"]) await test.add(other).started;
  assert.deepEqual(test.placement, [{ car_0: 1, car_2: 1 }, { car_1: 1, car_3: 1 }]);
});

Deno.test("At most 32 hosts are kept for cars that do not share", async () => {
  const test = new ModulesFixture();
  await test.addMany(45);
  for (let index = 0; index < 45; index++) keepBusy(test, `car_${index}`);
  for (const host of test.hosts.living) host.die();
  await test.clock.advance(0);
  await settled();
  assert.deepEqual(test.hosts.living.map(({ cars }) => cars.length), [...Array(32).fill(1), 13]);
  // Who has not crashed is not put together with those who have, alone or not.
  await test.add("car_45").started;
  assert.deepEqual(neighbors(test, "car_45"), []);
  // After a minute the 33 hosts are like any other, and no more of them are needed.
  await test.clock.advance(60_000);
  await Promise.all(Array.from({ length: 18 }, (_, i) => test.add(`car_${i + 46}`).started));
  assert.equal(test.hosts.living.length, 34);
  keepBusy(test, "car_0");
  test.hosts.of("car_0").die();
  await test.clock.advance(0);
  assert.deepEqual(neighbors(test, "car_0"), []);
});
