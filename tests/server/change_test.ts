// A server goes over to another configuration and touches only what differs.
import assert from "node:assert/strict";
import { ModuleLoadError } from "../../src/module/errors.ts";
import { ChangeRefusedError } from "../../src/server/errors.ts";
import { settled } from "../support/virtual_clock.ts";
import { waitFor } from "../support/wait.ts";
import { ChangeFixture, fleet, withModule8 } from "./change_fixture.ts";

Deno.test("Server.change() adds cars: contexts first, then the broker", async () => {
  const test = await ChangeFixture.serve(fleet({ car_a: {} }));
  const slow = Promise.withResolvers<void>();
  test.hosts.init = () => slow.promise;
  const changing = test.change(fleet({ car_b: {}, car_a: {} }));
  await settled();
  assert.equal(test.transport("car_b").started, false);
  assert.deepEqual(Object.keys(test.sessions), ["car_a"]);
  slow.resolve();
  await changing;
  assert.equal(test.transport("car_b").started, true);
  await test.connect("car_b");
  assert.deepEqual(test.sessions, { car_b: "session of car_b", car_a: "session of car_a" });
  assert.equal(test.clock.timers, 2);
  await test.server.stop();
  assert.equal(test.clock.timers, 0);
});

Deno.test("Server.change() removes cars gracefully, frees their places and ends empty hosts", async () => {
  const test = await ChangeFixture.serve(fleet({ car_a: {}, car_b: {} }), 1);
  const host = test.hosts.of("car_b");
  const context = test.hosts.context("car_b");
  await test.change(fleet({ car_a: {} }));
  assert.deepEqual(test.transport("car_b").told, ["", "session of car_b"]);
  assert.deepEqual(context.calls.slice(-1), ["disconnect 1 7/0/front"]);
  assert.equal(context.destroyed, 1);
  assert.equal(host.state, "exited");
  assert.equal(test.transport("car_b").stopped, true);
  assert.deepEqual(test.sessions, { car_a: "session of car_a" });
  assert.equal(test.hosts.living.length, 1);
  assert.equal(test.server.car("car_b"), undefined);
  await test.server.stop();
});

Deno.test("Server.change() brings a paused car back paused, before any gateway can connect", async () => {
  const test = await ChangeFixture.serve(fleet({ car_a: {}, car_b: {} }));
  test.paused.add("car_b");
  await test.change(fleet({ car_a: {} }));
  await test.change(fleet({ car_a: {}, car_b: {} }));
  await test.connect("car_b", "again");
  assert.deepEqual(test.sessions, { car_a: "session of car_a", car_b: null });
  assert.deepEqual(test.server.snapshot().cars.map(({ paused }) => paused), [false, true]);
  // A gateway that still believes in its session is sent away.
  assert.equal(test.transport("car_b").notifications, 1);
  await test.server.stop();
});

Deno.test("Server.change() replaces only those contexts of a car that differ", async () => {
  const test = await ChangeFixture.serve(fleet({ car_a: withModule8(), car_b: withModule8() }));
  const [old7, old8] = [test.hosts.context("car_a", 7), test.hosts.context("car_a", 8)];
  await test.change(fleet({ car_a: withModule8({ url: "other" }), car_b: withModule8() }));
  assert.deepEqual(test.sessions, { car_a: null, car_b: "session of car_b" });
  assert.deepEqual(test.failures("car_a"), ["module_lost"]);
  assert.deepEqual(test.failures("car_b"), []);
  assert.deepEqual(test.transport("car_a").told, ["", "session of car_a"]);
  // The module that stays has heard that the device left, and serves it again.
  assert.equal(old7.calls.at(-2), "disconnect 1 7/0/front");
  assert.deepEqual([old7.destroyed, old8.destroyed], [0, 1]);
  assert.equal(test.hosts.context("car_a", 7), old7);
  const { parameters } = test.hosts.context("car_a", 8).spec;
  assert.deepEqual(parameters.at(-1), ["url", "other"]);
  await test.connect("car_a", "again");
  assert.equal(test.sessions.car_a, "again");
  assert.equal(test.log.texts("ERROR").length, 0);
  await test.server.stop();
  assert.deepEqual(test.hosts.living, []);
});

Deno.test("Server.change() adds a module to a car and removes it again", async () => {
  const test = await ChangeFixture.serve(fleet({ car_a: {} }));
  await test.change(fleet({ car_a: withModule8() }));
  const added = test.hosts.context("car_a", 8);
  await test.connect("car_a", "second");
  assert.equal(test.sessions.car_a, "second");
  await test.change(fleet({ car_a: {} }));
  assert.equal(added.destroyed, 1);
  await test.connect("car_a", "third");
  assert.equal(test.sessions.car_a, "third");
  assert.deepEqual(test.failures("car_a"), ["module_lost", "module_lost"]);
  await test.server.stop();
});

Deno.test("Server.change() changes nothing when a library cannot be loaded", async () => {
  const test = await ChangeFixture.serve(fleet({ car_a: {}, car_b: {} }));
  const hosts = test.hosts.living;
  test.hosts.init = (spec) =>
    spec.module === 8 && spec.car === "car_a"
      ? Promise.reject(new ModuleLoadError("symbol", spec, "pop_command is missing"))
      : Promise.resolve();
  const before = test.server.config;
  await assert.rejects(
    test.change(fleet({ car_a: withModule8(), car_c: withModule8() }, { timeout: 3 })),
    (error) => {
      assert.ok(error instanceof ChangeRefusedError);
      assert.equal(error.problems.length, 1);
      assert.match(error.problems[0] ?? "", /module 8 of car "car_a".*pop_command is missing/);
      return true;
    },
  );
  assert.equal(test.server.config, before);
  assert.deepEqual(test.sessions, { car_a: "session of car_a", car_b: "session of car_b" });
  assert.deepEqual(test.hosts.living, hosts);
  assert.deepEqual(hosts.flatMap(({ cars }) => cars), ["car_a", "car_b"]);
  assert.equal(test.transport("car_c").started, false);
  assert.deepEqual([test.failures("car_a"), test.failures("car_b")], [[], []]);
  // And the next one, which is good, is taken.
  test.hosts.init = () => Promise.resolve();
  await test.change(fleet({ car_a: withModule8(), car_b: {} }));
  assert.equal(test.sessions.car_b, "session of car_b");
  await test.server.stop();
});

for (const kind of ["is added", "gets a module", "gets another configuration"] as const) {
  Deno.test(`Server.change() risks no car in service for a car that ${kind} and whose init crashes`, async () => {
    const served = Object.fromEntries(Array.from({ length: 5 }, (_, i) => [`car_${i}`, {}]));
    const before = kind === "is added"
      ? served
      : { ...served, bad: kind === "gets a module" ? {} : withModule8() };
    // Its library is known: others have it, with another configuration.
    const test = await ChangeFixture.serve(fleet({ ...before, other: withModule8() }));
    test.hosts.init = (spec, host) => {
      if (!spec.parameters.some(([key]) => key === "bad")) return Promise.resolve();
      host.die();
      return new Promise(() => {});
    };
    await test.change(fleet({ ...before, other: withModule8(), bad: withModule8({ bad: 1 }) }));
    for (let attempt = 0; attempt < 4; attempt++) await test.clock.advance(2000);
    for (const car of [...Object.keys(served), "other"]) {
      assert.equal(test.sessions[car], `session of ${car}`);
      assert.deepEqual(test.failures(car), []);
    }
    await test.server.stop();
  });
}

Deno.test("Server.change() keeps libraries that are tried for the first time away from cars in service", async () => {
  const test = await ChangeFixture.serve(fleet({ car_a: {}, car_b: {} }));
  test.hosts.init = (spec, host) => {
    if (spec.module !== 8) return Promise.resolve();
    host.die();
    return new Promise(() => {});
  };
  await test.change(fleet({ car_a: {}, car_b: withModule8(), car_c: withModule8() }));
  assert.equal(test.sessions.car_a, "session of car_a");
  // They come when init works; the places beside others are taken again then.
  test.hosts.init = () => Promise.resolve();
  while (test.clock.timers > 1) await test.clock.next();
  for (const car of ["car_b", "car_c"]) {
    test.transport(car).up();
    await test.connect(car, "again");
    assert.equal(test.sessions[car], "again");
  }
  await test.server.stop();
});

Deno.test("Server.change() waits 10 s for a slow init, then goes on without it", async () => {
  const test = await ChangeFixture.serve(fleet({ car_a: {} }));
  const slow = Promise.withResolvers<void>();
  test.hosts.init = (spec) => spec.module === 8 ? slow.promise : Promise.resolve();
  let done = false;
  const changing = test.change(fleet({ car_a: withModule8(), car_b: {} })).then(() => done = true);
  await settled();
  await test.clock.advance(9999);
  assert.equal(done, false);
  assert.equal(test.server.snapshot().cars.length, 1);
  await test.clock.advance(1);
  await waitFor(changing, "the change");
  test.transport("car_b").up();
  const states = () => test.server.snapshot().cars.map(({ state }) => state);
  assert.deepEqual(states(), ["ERROR", "CONNECTED"]);
  slow.resolve();
  await settled();
  assert.deepEqual(states(), ["CONNECTED", "CONNECTED"]);
  await test.server.stop();
});

Deno.test("Server.change() asks a module for commands when it serves the car, not before", async () => {
  const test = await ChangeFixture.serve(fleet({ car_a: {} }));
  const slow = Promise.withResolvers<void>();
  test.hosts.init = (spec) => spec.module === 8 ? slow.promise : Promise.resolve();
  const next = fleet({ car_a: withModule8() }, {
    common_modules: { "7": { lib_path: "lib.so", config: { url: "other" } } },
  });
  const changing = test.change(next);
  await settled();
  const [old, fresh] = test.hosts.living.flatMap(({ contexts }) => contexts)
    .filter(({ spec }) => spec.module === 7);
  assert.deepEqual(fresh?.calls, []);
  const device = { module: 7, deviceType: 0, deviceRole: "front", deviceName: "", priority: 0 };
  const command = (text: string) => ({ device, data: new TextEncoder().encode(text) });
  assert.equal(test.sessions.car_a, "session of car_a");
  slow.resolve();
  await changing;
  assert.deepEqual(fresh?.calls, ["release"]);
  assert.equal(old?.destroyed, 1);
  fresh?.listener.onCommand(command("early"));
  // It waits for the car, as there is no session: the next one supersedes it.
  fresh?.listener.onCommand(command("newer"));
  assert.equal(test.log.matching(/newer one waits/).length, 1);
  await test.server.stop();
});

Deno.test("Server.change() gives running cars their settings and ends no session", async () => {
  const test = await ChangeFixture.serve(fleet({ car_a: {}, car_b: {} }));
  await test.change(fleet({ car_a: {}, car_b: {} }, {
    mqtt_timeout: 5,
    module_call_timeout: 3,
    limits: { max_message_bytes: 1000 },
  }));
  assert.deepEqual(test.sessions, { car_a: "session of car_a", car_b: "session of car_b" });
  assert.equal(test.transport("car_a").limit, 1000);
  await test.clock.advance(5000);
  assert.deepEqual(test.failures("car_a"), ["session_timeout"]);
  assert.deepEqual(test.callTimeouts, [30_000]);
  test.hosts.of("car_a").die();
  await test.clock.next();
  assert.equal(test.callTimeouts.at(-1), 3000);
  await test.server.stop();
});

Deno.test("Server.change() with another company stops all cars and starts others", async () => {
  const test = await ChangeFixture.serve(fleet({ car_a: {} }));
  const [old, context] = [test.transport("car_a"), test.hosts.context("car_a")];
  await test.change(fleet({ car_a: {} }, { company_name: "other" }));
  assert.equal(old.stopped, true);
  assert.equal(context.destroyed, 1);
  assert.equal(test.hosts.context("car_a").spec.company, "other");
  await test.connect("car_a", "new");
  assert.equal(test.sessions.car_a, "new");
  await test.server.stop();
});

Deno.test("Server.change() reconnects all cars, spread out, when the broker changes", async () => {
  const cars = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`car_${i}`, {}]));
  const test = await ChangeFixture.serve(fleet(cars));
  const next = fleet({ ...cars, added: {} }, { mqtt_address: "other.host" });
  await test.change(next);
  for (const car of Object.keys(cars)) {
    const { moves } = test.transport(car);
    assert.deepEqual(moves.map(({ withinMs }) => withinMs), [600]);
  }
  assert.deepEqual(test.transport("added").moves, []);
  await test.server.stop();
});

Deno.test("Server.change() is refused while the server starts, stops, or changes already", async () => {
  const next = fleet({ car_a: {}, car_b: {} });
  const test = new ChangeFixture(fleet({ car_a: {} }));
  const refused = (pattern: RegExp) => assert.rejects(test.change(next), pattern);
  await refused(/The server is starting/);
  await test.server.start();
  test.hosts.init = () => new Promise(() => {});
  const first = assert.rejects(test.change(next), /The server is stopping/);
  await refused(/Another change is in progress/);
  await settled();
  // The change under way is given up, and leaves nothing behind.
  await waitFor(test.server.stop(), "the stop");
  await first;
  await refused(/The server is stopping/);
  assert.deepEqual(test.hosts.living, []);
  assert.equal(test.transport("car_b").started, false);
  assert.equal(test.clock.timers, 0);
});

Deno.test("Server.change() includes a car whose contexts are lost meanwhile", async () => {
  const test = await ChangeFixture.serve(fleet({ car_a: withModule8() }), 1);
  const slow = Promise.withResolvers<void>();
  test.hosts.init = (spec) => spec.parameters.length > 2 ? slow.promise : Promise.resolve();
  const changing = test.change(fleet({ car_a: withModule8({ url: "other" }) }));
  await settled();
  test.hosts.of("car_a", 7).die();
  slow.resolve();
  await changing;
  while (test.server.snapshot().cars[0]?.state !== "CONNECTED") await test.clock.next();
  await test.connect("car_a", "again");
  assert.equal(test.sessions.car_a, "again");
  assert.equal(test.hosts.context("car_a", 8).spec.parameters.length, 3);
  await test.server.stop();
  assert.equal(test.clock.timers, 0);
});

Deno.test("A host that a change has left is emptied when its cars have had no session for five minutes", async () => {
  const test = await ChangeFixture.serve(fleet({ car_a: {} }));
  await test.change(fleet({ car_a: {}, car_b: {} }));
  await test.connect("car_b");
  const [shared, apart] = test.hosts.living;
  assert.deepEqual([shared?.cars, apart?.cars], [["car_a"], ["car_b"]]);
  // Sessions that hear nothing end after 30 s.
  await test.clock.advance(30_000);
  assert.deepEqual(test.sessions, { car_a: null, car_b: null });
  await test.clock.advance(299_999);
  assert.deepEqual(test.hosts.living, [shared, apart]);
  const leaving = Promise.withResolvers<void>();
  for (const car of ["car_a", "car_b"]) test.hosts.context(car).destroying = leaving.promise;
  await test.clock.advance(1);
  const moving = shared?.cars.length === 0 ? "car_a" : "car_b";
  leaving.resolve();
  await settled();
  await test.connect(moving, "after");
  assert.equal(test.sessions[moving], "after");
  assert.deepEqual(test.hosts.living.map(({ cars }) => cars), [["car_a", "car_b"]]);
  assert.deepEqual(test.log.matching(/has room/).map(({ level, car }) => [level, car]), [
    ["INFO", moving],
  ]);
  assert.ok(!test.failures(moving).includes("module_lost"));
  await test.server.stop();
});
