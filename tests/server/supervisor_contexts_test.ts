// Contexts of a car are kept alive: opened, reopened with backoff, and closed gracefully.
import assert from "node:assert/strict";
import { ModuleLoadError, type ModuleLoadErrorKind } from "../../src/module/errors.ts";
import { settled } from "../support/virtual_clock.ts";
import { ModulesFixture, specOf } from "./modules_fixture.ts";

/** Advances to the next attempt and returns how long the pause was, in milliseconds. */
function assertPause(pauseMs: number, fullMs: number): void {
  assert.ok(pauseMs > fullMs / 2 - 1 && pauseMs <= fullMs, `${pauseMs} ms, at most ${fullMs}`);
}

Deno.test("Supervisor opens every context and lets gateways connect", async () => {
  const test = new ModulesFixture();
  const { car, started, unusable } = test.add("car_a", [7, 8]);
  assert.equal(car.state, "ERROR");
  await started;
  assert.equal(car.state, "CONNECTED");
  assert.deepEqual(unusable, []);
  assert.deepEqual(test.placement, [{ car_a: 2 }]);
  assert.equal(test.clock.timers, 0);
});

for (const kind of ["library", "symbol", "number"] as const) {
  Deno.test(`Supervisor reports a library of kind "${kind}" at once, and tries again`, async () => {
    const test = new ModulesFixture();
    const slow = Promise.withResolvers<void>();
    test.hosts.init = (spec) =>
      spec.module === 7
        ? Promise.reject(new ModuleLoadError(kind, spec, "it is bad"))
        : slow.promise;
    const { unusable, started, remove } = test.add("car_a", [7, 8]);
    await settled();
    // The other module is still being made: the bad one is known all the same.
    assert.deepEqual(unusable, [
      `Cannot load module 7 of car "car_a" from "/modules/7.so": it is bad`,
    ]);
    assert.deepEqual(test.log.texts("ERROR"), unusable);
    slow.resolve();
    await started;
    assert.equal(test.clock.timers, 1);
    await remove();
    assert.equal(test.clock.timers, 0);
  });
}

Deno.test("Supervisor tries a failing init again: at once, after 1 s, 2 s, ... 60 s", async () => {
  const test = new ModulesFixture();
  let tries = 0;
  test.hosts.init = (spec) => {
    tries++;
    return Promise.reject(new ModuleLoadError("init", spec, "init returned NULL"));
  };
  const { car, unusable, started } = test.add("car_a");
  await started;
  assert.deepEqual(unusable, []);
  assert.equal(await test.clock.next(), 0);
  for (const fullMs of [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]) {
    const announcedMs = test.announced * 1000;
    const pauseMs = await test.clock.next();
    assertPause(pauseMs, fullMs);
    assert.ok(Math.abs(announcedMs - pauseMs) < 52, `${announcedMs} ms were announced`);
    assert.equal(test.clock.timers, 1);
  }
  assert.equal(tries, 10);
  assert.equal(car.state, "ERROR");
  assert.match(test.log.texts("CRITICAL")[0] ?? "", /^Modules failed 2 times in a row, next/);
  test.hosts.init = () => Promise.resolve();
  await test.clock.next();
  assert.equal(car.state, "CONNECTED");
  assert.equal(test.clock.timers, 0);
});

Deno.test("Supervisor opens lost contexts at once, in places other hosts have", async () => {
  const test = new ModulesFixture(2);
  await test.addMany(3);
  assert.deepEqual(test.placement, [{ car_0: 1, car_1: 1 }, { car_2: 1 }]);
  test.hosts.of("car_0").die();
  await test.clock.advance(0);
  // One takes the spare place, the other gets a new host.
  assert.deepEqual(test.placement, [{ car_2: 1, car_0: 1 }, { car_1: 1 }]);
  assert.equal(test.clock.timers, 0);
});

Deno.test("Supervisor backs off while losses continue, and starts over after a minute without one", async () => {
  const test = new ModulesFixture();
  const { started } = test.add("car_a");
  await started;
  for (const fullMs of [0, 1000, 2000, 4000]) {
    await test.clock.advance(59_999);
    test.hosts.of("car_a").die();
    assertPause(await test.clock.next(), fullMs);
  }
  await test.clock.advance(60_000);
  for (const fullMs of [0, 1000]) {
    test.hosts.of("car_a").die();
    assertPause(await test.clock.next(), fullMs);
  }
});

Deno.test("Supervisor tells the car only when every context is there", async () => {
  const test = new ModulesFixture();
  const bad = new Set([8]);
  test.hosts.init = (spec) =>
    bad.has(spec.module)
      ? Promise.reject(new ModuleLoadError("init", spec, "init returned NULL"))
      : Promise.resolve();
  const { car, started } = test.add("car_a", [7, 8]);
  await started;
  assert.equal(car.state, "ERROR");
  assert.deepEqual(test.placement, [{ car_a: 1 }]);
  bad.clear();
  await test.clock.next();
  assert.equal(car.state, "CONNECTED");
  assert.equal(test.hosts.of("car_a").contexts.length, 2);
});

Deno.test("Supervisor opens only what was lost of a car that is spread over hosts", async () => {
  const test = new ModulesFixture(2);
  const { car, started } = test.add("car_a", [1, 2, 3]);
  await started;
  const [first, second] = test.hosts.all;
  assert.deepEqual(test.placement, [{ car_a: 2 }, { car_a: 1 }]);
  second?.die();
  assert.equal(car.state, "ERROR");
  await test.clock.next();
  assert.equal(car.state, "CONNECTED");
  assert.equal(first?.contexts.length, 2);
  assert.deepEqual(first?.contexts.map(({ destroyed }) => destroyed), [0, 0]);
  assert.equal(test.hosts.all.length, 3);
  assert.equal(test.hosts.of("car_a", 3), test.hosts.all[2]);
});

Deno.test("Supervisor does not forget a loss that comes while other contexts are being opened", async () => {
  const test = new ModulesFixture(1);
  const slow = Promise.withResolvers<void>();
  test.hosts.init = (spec) => spec.module === 8 ? slow.promise : Promise.resolve();
  const { car, started } = test.add("car_a", [7, 8]);
  await settled();
  test.hosts.of("car_a", 7).die();
  assert.equal(test.clock.timers, 0);
  slow.resolve();
  await started;
  assert.equal(car.state, "ERROR");
  assert.equal(await test.clock.next(), 0);
  assert.equal(car.state, "CONNECTED");
  assert.deepEqual(test.placement, [{ car_a: 1 }, { car_a: 1 }]);
});

Deno.test("Supervisor takes no context that was lost before it had it", async () => {
  const test = new ModulesFixture();
  test.hosts.created = (host) => {
    test.hosts.created = () => {};
    host.die();
  };
  const { car, started } = test.add("car_a");
  await started;
  assert.equal(car.state, "ERROR");
  assert.deepEqual(test.placement, []);
  await test.clock.next();
  assert.equal(car.state, "CONNECTED");
  assert.deepEqual(test.placement, [{ car_a: 1 }]);
});

Deno.test("Supervisor does not count time without a context as time without a loss", async () => {
  const test = new ModulesFixture(1);
  const { started } = test.add("car_a", [7, 8]);
  await started;
  test.hosts.init = (spec) => Promise.reject(new ModuleLoadError("init", spec, "away"));
  test.hosts.of("car_a", 8).die();
  while (test.clock.now() < 100_000) await test.clock.next();
  // The other context goes as well, long after all was well for the last time.
  test.hosts.of("car_a", 7).die();
  await test.clock.next();
  assertPause(await test.clock.next(), 60_000);
});

Deno.test("Supervisor survives a host that dies while it makes the context", async () => {
  const test = new ModulesFixture();
  test.hosts.init = (_, host) => {
    test.hosts.init = () => Promise.resolve();
    host.die();
    return new Promise(() => {});
  };
  const { car, started, unusable } = test.add("car_a");
  await started;
  assert.deepEqual(unusable, []);
  assert.match(test.log.texts("ERROR").join("\n"), /the host died: it was ended by SIGSEGV/);
  await test.clock.next();
  assert.equal(car.state, "CONNECTED");
  assert.deepEqual(test.placement, [{ car_a: 1 }]);
});

Deno.test("Supervisor tries again when a host cannot be started", async () => {
  const test = new ModulesFixture();
  test.hosts.broken = true;
  const { car, started, unusable } = test.add("car_a", [7, 8]);
  await started;
  assert.deepEqual(unusable, []);
  assert.deepEqual(test.placement, []);
  assert.match(test.log.texts("ERROR").join("\n"), /Cannot start module host: no memory/);
  await test.clock.next();
  assert.equal(test.hosts.starts, 2);
  test.hosts.broken = false;
  await test.clock.next();
  assert.equal(car.state, "CONNECTED");
});

Deno.test("Supervisor.remove() destroys contexts, gives places back and ends their host", async () => {
  const test = new ModulesFixture();
  const { remove, started } = test.add("car_a", [7, 8]);
  const other = test.add("car_b");
  await Promise.all([started, other.started]);
  const [host] = test.hosts.all;
  await remove();
  assert.deepEqual(host?.contexts.map(({ spec, destroyed }) => [spec.car, destroyed]), [
    ["car_a", 1],
    ["car_a", 1],
    ["car_b", 0],
  ]);
  assert.equal(host?.state, "active");
  await other.remove();
  await settled();
  assert.equal(host?.state, "exited");
  assert.deepEqual(test.placement, []);
  assert.equal(test.clock.timers, 0);
});

Deno.test("Supervisor.remove() while contexts are being opened leaves nothing behind", async () => {
  const test = new ModulesFixture();
  const slow = Promise.withResolvers<void>();
  test.hosts.init = () => slow.promise;
  const { car, remove, started } = test.add("car_a", [7, 8]);
  await settled();
  await remove();
  slow.resolve();
  await started;
  const [host] = test.hosts.all;
  assert.deepEqual(host?.contexts.map(({ destroyed }) => destroyed), [1, 1]);
  assert.equal(host?.state, "exited");
  assert.deepEqual(test.placement, []);
  assert.equal(test.clock.timers, 0);
  assert.notEqual(car.state, "CONNECTED");
});

Deno.test("Supervisor.remove() during a pause or a loss makes no new attempt", async () => {
  const test = new ModulesFixture();
  const { remove, started } = test.add("car_a");
  await started;
  const host = test.hosts.of("car_a");
  host.die();
  assert.equal(test.clock.timers, 1);
  await remove();
  assert.equal(test.clock.timers, 0);
  const second = test.add("car_b");
  await second.started;
  const leaving = Promise.withResolvers<void>();
  test.hosts.context("car_b").destroying = leaving.promise;
  const stopped = second.remove();
  test.hosts.all.at(-1)?.die();
  leaving.resolve();
  await stopped;
  assert.equal(test.clock.timers, 0);
  assert.deepEqual(test.placement, []);
});

Deno.test("Supervisor.remove() is quiet about what hosts refuse while they stop", async () => {
  const test = new ModulesFixture();
  test.hosts.init = () => new Promise(() => {});
  const { remove, started } = test.add("car_a");
  await settled();
  await remove();
  await test.supervisor.stop();
  await started;
  assert.deepEqual(test.log.texts("ERROR"), []);
  assert.equal(test.clock.timers, 0);
});

Deno.test("Supervisor.remove() goes on past a context that cannot be destroyed", async () => {
  const test = new ModulesFixture();
  const { remove, started } = test.add("car_a", [7, 8]);
  await started;
  test.hosts.context("car_a", 7).destroying = Promise.reject(new Error("stuck"));
  await remove();
  assert.deepEqual(test.placement, []);
});

const KINDS: readonly ModuleLoadErrorKind[] = ["init", "host"];
for (const kind of KINDS) {
  Deno.test(`Supervisor does not keep the server from starting for kind "${kind}"`, async () => {
    const test = new ModulesFixture();
    test.hosts.init = () => Promise.reject(new ModuleLoadError(kind, specOf("car_a"), "no"));
    const { unusable, started } = test.add("car_a");
    await started;
    assert.deepEqual(unusable, []);
    assert.equal(test.clock.timers, 1);
  });
}
