// What operators are told of a car's health.
import assert from "node:assert/strict";
import type { Health } from "../../src/observe/health/health.ts";
import { bytes, device, FRONT, LAMP, REAR } from "../car/support.ts";
import { settled } from "../support/virtual_clock.ts";
import { Watched } from "./watched.ts";

function codes({ causes }: Health): string[] {
  return causes.map(({ code }) => code);
}

Deno.test("A car is down without broker and modules, waits for its gateway, and is healthy with it", async () => {
  const test = new Watched();
  assert.equal(test.health().state, "down");
  assert.deepEqual(codes(test.health()), ["broker_away", "modules_away"]);
  test.car().up();
  assert.deepEqual([test.health().state, codes(test.health())], ["waiting", []]);
  await test.clock.advance(5000);
  await test.car().run([FRONT]);
  const since = test.clock.now();
  await test.clock.advance(5000);
  assert.deepEqual(test.health(), { state: "healthy", since, causes: [] });
  test.car().car.pause();
  assert.equal(test.health().state, "paused");
  assert.deepEqual(test.told, []);
});

Deno.test("A car whose module refuses statuses is degraded, until it takes them again", async () => {
  const test = new Watched(["car_a"], { windowMs: 4000 });
  const car = await test.car().up().run([FRONT, LAMP]);
  const module = car.context(7);
  module.outcome = () => "not_ok";
  for (let count = 0; count < 5; count++) car.status(FRONT);
  // Those of another module do not hide it.
  for (let count = 0; count < 95; count++) car.status(LAMP);
  await settled();
  await test.clock.advance(1000);
  assert.equal(test.health().state, "degraded");
  const cause = test.cause();
  assert.deepEqual([cause?.code, cause?.module], ["module_refuses_statuses", 7]);
  assert.match(cause?.text ?? "", /^Module 7 refuses statuses: 5 of the last 6$/);
  // Silence is no sign of health.
  await test.clock.advance(10_000);
  assert.equal(test.health().state, "degraded");
  assert.match(test.cause()?.text ?? "", /: 5 of the last 6$/, "what was seen last");
  module.outcome = () => "ok";
  car.status(FRONT);
  await test.clock.advance(1000);
  assert.equal(test.health().state, "healthy");
});

Deno.test("A car is healthy while fewer statuses are refused than the threshold", async () => {
  const test = new Watched();
  const car = await test.car().up().run([FRONT]);
  for (let count = 0; count < 100; count++) {
    car.context(7).outcome = () => count % 20 === 0 ? "not_ok" : "ok";
    car.status(FRONT);
    await settled();
  }
  await test.clock.advance(1000);
  assert.equal(test.health().state, "healthy");
});

Deno.test("A car whose module is slow is degraded before its first late answer, with what waits", async () => {
  const test = new Watched();
  const car = await test.car().up().run([FRONT]);
  const module = car.context(7);
  module.automatic = false;
  for (let count = 0; count < 25; count++) car.status(FRONT);
  await test.clock.advance(4000);
  assert.deepEqual(codes(test.health()), ["growing_backlog"]);
  await test.clock.advance(2000);
  assert.equal(test.health().state, "degraded");
  assert.deepEqual(codes(test.health()).sort(), ["growing_backlog", "slow_responses"]);
  const slow = test.health().causes.find(({ code }) => code === "slow_responses");
  assert.equal(slow?.text, "Responses of module 7 take up to 6.0 s, 25 unanswered");
  assert.equal(slow?.module, 7);
  for (let count = 0; count < 25; count++) module.finish();
  await settled();
  await test.clock.advance(1000);
  assert.deepEqual(codes(test.health()), ["slow_responses"], "the answers were late");
  for (let second = 0; second < 31; second++) {
    module.automatic = true;
    car.status(FRONT);
    await settled();
    await test.clock.advance(1000);
  }
  assert.equal(test.health().state, "healthy");
});

Deno.test("A car's health says why its modules are away, how often they failed, and when they are tried again", () => {
  const test = new Watched();
  test.car().car.start();
  test.car().brokerUp();
  assert.equal(test.cause()?.text, "Its modules are being opened");
  const problem = { module: 7, detail: "init returned NULL" };
  test.missing.set("car_a", { attempts: 3, nextAttemptAt: 8000, problem });
  assert.equal(test.health().state, "down");
  const { text, module, attempts, nextAttemptAt } = test.cause() ?? {};
  assert.deepEqual({ text, module, attempts, nextAttemptAt }, {
    text: "Module 7 away: init returned NULL",
    module: 7,
    attempts: 3,
    nextAttemptAt: 8000,
  });
});

Deno.test("A car is degraded when its gateway refuses commands", async () => {
  const test = new Watched();
  const car = await test.car().up().run([FRONT]);
  for (const response of [0, 3]) {
    const before = car.published.length;
    car.context(7).listener.onCommand({ device: FRONT, data: bytes("go") });
    await settled();
    const [command] = car.published.slice(before);
    assert.ok(command?.kind === "command");
    car.respond(command.messageCounter, response);
  }
  await test.clock.advance(1000);
  assert.deepEqual(codes(test.health()), ["gateway_refuses_commands"]);
  assert.equal(test.cause()?.text, "The gateway refuses commands: 1 of the last 2");
});

Deno.test("A car is degraded while a module has to keep its commands", async () => {
  const test = new Watched();
  const car = await test.car().up().run([FRONT]);
  for (let count = 0; count < 10_600; count++) {
    car.context(7).listener.onCommand({ device: FRONT, data: bytes("go") });
  }
  await test.clock.advance(1000);
  assert.deepEqual(codes(test.health()), ["commands_kept"]);
  assert.equal(test.cause()?.module, 7);
});

Deno.test("A car is degraded while listed devices are not connected, but not for one that has left", async () => {
  const test = new Watched();
  const car = test.car().up();
  await car.run([FRONT, device(9, "foreign")]);
  await test.clock.advance(1000);
  assert.equal(test.cause()?.text, "1 listed device is not connected");
  assert.match(test.cause()?.advice ?? "", /^The gateway lists module 9; this server has none/);

  await car.run([FRONT, REAR], "s2");
  car.status(REAR, { state: 2 });
  await settled();
  await test.clock.advance(1000);
  assert.equal(test.health().state, "healthy");
});

Deno.test("A device stays connected when a status of it has an unknown state", async () => {
  const test = new Watched();
  const car = await test.car().up().run([FRONT]);
  car.status(FRONT, { state: 77 });
  await test.clock.advance(1000);
  const [[, seen] = []] = test.watch.record("car_a").devices.list();
  assert.deepEqual([seen?.connectedSince === null, seen?.why], [false, "unknown_state"]);
  assert.equal(test.health().state, "healthy");
});

Deno.test("A car that lost its gateway waits, and says since when and why until it is back", async () => {
  const test = new Watched();
  const car = await test.car().up().run([FRONT]);
  await test.clock.advance(30_000);
  assert.equal(test.health().state, "waiting");
  const cause = test.cause();
  assert.deepEqual([cause?.code, cause?.severity, cause?.since], [
    "session_timeout",
    "waiting",
    test.clock.now(),
  ]);
  await car.run([FRONT], "s2");
  assert.deepEqual(test.health().causes, []);
});

Deno.test("The age of the last message grows as soon as a gateway falls silent", async () => {
  const test = new Watched();
  const car = await test.car().up().run([FRONT]);
  const record = test.watch.record("car_a");
  await test.clock.advance(7000);
  assert.equal(test.health().state, "healthy");
  assert.equal(record.health.lastMessageAt, test.clock.now() - 7000);
  car.status(FRONT);
  assert.equal(record.health.lastMessageAt, test.clock.now());
  await test.clock.advance(1000);
  assert.deepEqual([...test.watch.lastSecond.heardAt], [["car_a", test.clock.now() - 1000]]);
  await test.clock.advance(1000);
  assert.equal(test.watch.lastSecond.heardAt.size, 0);
});

Deno.test("A row is told again when its modules were tried again, and figures every 10 s", async () => {
  const test = new Watched(["car_a", "car_b"]);
  const changed: string[] = [];
  test.watch.listen({
    onChanged: (cars) => changed.push(...cars),
    onIncident: () => {},
    onSecond: () => {},
  });
  test.car("car_b").up();
  test.car("car_a").car.start();
  test.car("car_a").brokerUp();
  const problem = { module: 7, detail: "init returned NULL" };
  test.missing.set("car_a", { attempts: 1, nextAttemptAt: 3000, problem });
  await test.clock.advance(2500);
  changed.length = 0;
  test.missing.set("car_a", { attempts: 2, nextAttemptAt: 9000, problem });
  await test.clock.advance(2000);
  assert.deepEqual(changed, ["car_a"]);
  await test.clock.advance(10_000);
  assert.deepEqual(changed, ["car_a", "car_a"]);
});
