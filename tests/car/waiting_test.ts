// Waiting for a car's gateway (section 4.1).
import assert from "node:assert/strict";
import { stateName } from "../../src/car/state.ts";
import { nextDeadline } from "../../src/car/session.ts";
import { FRONT, runningCar, TestCar, waitingCar } from "./support.ts";

Deno.test("step() waits for a Connect as long as it takes (section 4.1)", () => {
  const car = waitingCar();
  assert.equal(nextDeadline(car.session), Infinity);
  assert.deepEqual(car.advance(365 * 24 * 3600 * 1000).lines, []);
  assert.deepEqual(car.connect([FRONT]).lines, ["connect 7/1/front", "ConnectResponse OK"]);
});

Deno.test("stateName() names the states as operators know them (section 4)", () => {
  const car = new TestCar();
  assert.equal(stateName(car.session), "UNINITIALIZED");
  car.input({ type: "broker_up" });
  assert.equal(stateName(car.session), "ERROR");
  car.input({ type: "modules_ready" });
  assert.equal(stateName(car.session), "CONNECTED");
  car.connect([FRONT]);
  assert.equal(stateName(car.session), "CONNECTED");
  assert.equal(stateName(runningCar().session), "RUNNING");
  car.input({ type: "stop" });
  assert.equal(stateName(car.session), "STOPPED");
});

Deno.test("step() discards a status nobody waits for and tells its gateway (section 4.1)", () => {
  const car = waitingCar();
  const seen = car.status(FRONT, { session: "old" });
  assert.deepEqual(seen.lines, ["notify"]);
  assert.deepEqual(seen.noteCodes, ["ignored no_session"]);
  assert.equal(car.session.kind, "waiting");
});

Deno.test("step() tells a gateway about its lost session at most once a second (section 4.1)", () => {
  const car = waitingCar();
  assert.deepEqual(car.status(FRONT, { session: "old" }).lines, ["notify"]);
  assert.deepEqual(car.advance(999).lines, []);
  assert.deepEqual(car.respond(5, 0, "old").lines, []);
  assert.deepEqual(car.status(FRONT, { session: "old" }).lines, []);
  // It spoke after it was told: once more, if it does not connect.
  assert.deepEqual(car.advance(1).lines, ["notify"]);
  assert.deepEqual(car.advance(600_000).lines, []);
  assert.deepEqual(car.respond(6, 0, "old").lines, ["notify"]);
});

Deno.test("step() tells no gateway again that has connected (section 4.1)", () => {
  const car = waitingCar();
  car.status(FRONT, { session: "old" });
  car.status(FRONT, { session: "old" });
  car.run([FRONT]);
  assert.deepEqual(car.advance(1000).lines, []);
  const modulesAway = new TestCar();
  modulesAway.input({ type: "broker_up" });
  modulesAway.status(FRONT, { session: "old" });
  modulesAway.connect([FRONT]);
  assert.deepEqual(modulesAway.advance(1000).lines, []);
});

Deno.test("step() counts the notification of a failure as one of the second (section 4.1)", () => {
  const car = runningCar();
  assert.deepEqual(car.advance(30_000).linesOf("notify"), ["notify"]);
  assert.deepEqual(car.status(FRONT).lines, []);
  assert.deepEqual(car.advance(1000).lines, ["notify"]);
});

Deno.test("step() tells a gateway at once when the broker is back (section 4.1)", () => {
  const car = runningCar();
  car.input({ type: "broker_lost", detail: "connection reset" });
  assert.deepEqual(car.input({ type: "broker_up" }).lines, ["notify"]);
  // It may have sent this before it heard.
  assert.deepEqual(car.status(FRONT).lines, []);
  assert.deepEqual(car.advance(999).lines, []);
  assert.deepEqual(car.advance(1).lines, ["notify"]);
});

Deno.test("step() tells a gateway whose Connect may have been lost to ask again (section 4.1)", () => {
  const car = new TestCar();
  car.input({ type: "modules_ready" });
  assert.deepEqual(car.input({ type: "broker_up" }).lines, ["notify"]);
  // Once: a car without a gateway is left alone.
  car.advance(600_000);
  assert.deepEqual(car.input({ type: "broker_up" }).lines, []);
});

Deno.test("step() takes no message without a broker (section 4.1)", () => {
  const car = new TestCar();
  car.input({ type: "modules_ready" });
  assert.deepEqual(car.connect([FRONT]).effects, []);
  assert.deepEqual(car.status(FRONT).effects, []);
  assert.equal(car.session.kind, "offline");
});

Deno.test("step() takes up a held Connect as soon as the modules are there (section 4.1)", () => {
  const car = new TestCar();
  car.input({ type: "broker_up" });
  assert.deepEqual(car.connect([FRONT]).lines, []);
  car.advance(4999);
  assert.deepEqual(car.input({ type: "modules_ready" }).lines, [
    "connect 7/1/front",
    "ConnectResponse OK",
  ]);
});

Deno.test("step() forgets a held Connect when its gateway has given up (section 4.5)", () => {
  const car = new TestCar();
  car.input({ type: "broker_up" });
  car.connect([FRONT]);
  const seen = car.advance(5000);
  assert.deepEqual(seen.noteCodes, ["ignored modules_away"]);
  assert.equal(nextDeadline(car.session), Infinity);
  assert.deepEqual(car.input({ type: "modules_ready" }).lines, []);
  assert.equal(car.session.kind, "waiting");
});

Deno.test("step() does not answer a held Connect whose time is over before its tick (section 4.5)", () => {
  const car = new TestCar();
  car.input({ type: "broker_up" });
  car.connect([FRONT]);
  car.now += 5000;
  assert.deepEqual(car.input({ type: "modules_ready" }).lines, []);
  assert.equal(nextDeadline(car.session), Infinity);
});

Deno.test("step() holds the newest Connect only (section 4.1)", () => {
  const car = new TestCar();
  car.input({ type: "broker_up" });
  car.connect([FRONT], "first");
  car.connect([FRONT], "second");
  const seen = car.input({ type: "modules_ready" });
  assert.deepEqual(seen.published, [{ kind: "connect_response", sessionId: "second", type: 0 }]);
});

Deno.test("step() drops a held Connect with the broker (section 4.1)", () => {
  const car = new TestCar();
  car.input({ type: "broker_up" });
  car.connect([FRONT]);
  car.input({ type: "broker_lost", detail: "gone" });
  assert.equal(nextDeadline(car.session), Infinity);
  car.input({ type: "modules_ready" });
  // Nothing but the word to connect again.
  assert.deepEqual(car.input({ type: "broker_up" }).lines, ["notify"]);
});

Deno.test("step() holds a Connect that comes after module contexts were lost (section 4.1)", () => {
  const car = runningCar();
  car.input({ type: "module_lost", detail: "Module 7: killed" });
  assert.equal(stateName(car.session), "ERROR");
  assert.deepEqual(car.connect([FRONT], "s2").lines, []);
  assert.deepEqual(car.input({ type: "modules_ready" }).lines, [
    "connect 7/1/front",
    "ConnectResponse OK",
  ]);
});
