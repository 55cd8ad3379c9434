// What operators do to a car: restart, pause and resume, wherever it is.
import assert from "node:assert/strict";
import { stateName } from "../../src/session/state.ts";
import { FRONT, LAMP, runningCar, TestCar, waitingCar } from "./support.ts";

Deno.test("step() ends the session on a restart, tells the gateway and takes its Connect", () => {
  const car = runningCar([FRONT]);
  assert.deepEqual(car.input({ type: "restart" }).lines, [
    "disconnect timeout 7/1/front",
    "ALREADY_LOGGED s1",
    "ended stopped",
  ]);
  assert.deepEqual(car.connect([FRONT]).lines, ["connect 7/1/front", "ConnectResponse OK"]);
});

Deno.test("step() ends a connect sequence on a restart, and does nothing without a session", () => {
  const car = waitingCar();
  const { session } = car;
  assert.deepEqual(car.input({ type: "restart" }).effects, []);
  assert.equal(car.session, session);
  car.connect([FRONT, LAMP]);
  assert.deepEqual(car.input({ type: "restart" }).linesOf("ALREADY_LOGGED", "notify", "ended"), [
    "ALREADY_LOGGED s1",
    "ended stopped",
  ]);
  assert.equal(car.session.kind, "waiting");
});

Deno.test("step() answers no Connect of a paused car, and the next one when it is resumed", () => {
  const car = runningCar([FRONT]);
  assert.deepEqual(car.input({ type: "pause" }).lines, [
    "disconnect timeout 7/1/front",
    "notify",
    "ended stopped",
  ]);
  const ignored = car.connect([FRONT]);
  assert.deepEqual(ignored.lines, []);
  assert.deepEqual(ignored.noteCodes, ["ignored paused"]);
  assert.equal(car.session.base.paused, true);
  assert.equal(stateName(car.session), "CONNECTED");
  assert.deepEqual(car.input({ type: "resume" }).lines, []);
  assert.deepEqual(car.connect([FRONT]).lines, ["connect 7/1/front", "ConnectResponse OK"]);
});

Deno.test("step() does nothing when a car is paused or resumed twice", () => {
  const car = runningCar([FRONT]);
  assert.deepEqual(car.input({ type: "resume" }).lines, []);
  assert.equal(car.session.kind, "running");
  car.input({ type: "pause" });
  assert.deepEqual(car.input({ type: "pause" }).lines, []);
  car.input({ type: "resume" });
  assert.deepEqual(car.input({ type: "resume" }).lines, []);
});

Deno.test("step() keeps a car paused while its broker and modules come and go", () => {
  const car = new TestCar();
  assert.deepEqual(car.input({ type: "pause" }).lines, []);
  assert.deepEqual(car.input({ type: "restart" }).lines, []);
  car.input({ type: "broker_up" });
  car.input({ type: "modules_ready" });
  assert.deepEqual(car.connect([FRONT]).lines, []);
  car.input({ type: "module_lost", detail: "gone" });
  car.input({ type: "modules_ready" });
  car.input({ type: "broker_lost", detail: "gone" });
  car.input({ type: "broker_up" });
  assert.deepEqual(car.connect([FRONT]).lines, []);
  car.input({ type: "broker_lost", detail: "gone" });
  assert.deepEqual(car.input({ type: "resume" }).lines, []);
  car.input({ type: "broker_up" });
  assert.deepEqual(car.connect([FRONT]).lines, ["connect 7/1/front", "ConnectResponse OK"]);
});

Deno.test("step() keeps a Connect that waits for modules through a restart", () => {
  const car = new TestCar();
  car.input({ type: "broker_up" });
  car.connect([FRONT]);
  assert.deepEqual(car.input({ type: "restart" }).lines, []);
  assert.deepEqual(car.input({ type: "modules_ready" }).linesOf("ConnectResponse"), [
    "ConnectResponse OK",
  ]);
});

Deno.test("step() gives up a Connect that waits for modules when its car is paused", () => {
  const car = new TestCar();
  car.input({ type: "broker_up" });
  car.connect([FRONT]);
  car.input({ type: "pause" });
  assert.deepEqual(car.input({ type: "modules_ready" }).lines, []);
  assert.equal(car.session.kind, "waiting");
});

Deno.test("step() notes how many published commands a session left without an answer", () => {
  for (const count of [0, 1, 2]) {
    const car = runningCar([FRONT]);
    for (let i = 0; i < count; i++) car.command(FRONT, `${i}`);
    const { notes } = car.input({ type: "restart" });
    const left = notes.flatMap((note) => note.code === "commands_unanswered" ? [note.count] : []);
    assert.deepEqual(left, count === 0 ? [] : [count]);
  }
});
