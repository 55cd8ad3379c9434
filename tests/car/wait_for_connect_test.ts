// Waiting for a car's gateway [WAIT-CONNECT].
import assert from "node:assert/strict";
import { stateName } from "../../src/session/state.ts";
import { FRONT, runningCar, TestCar, waitingCar } from "./support.ts";

Deno.test("step() waits for a Connect without a timeout [WAIT-CONNECT]", () => {
  const car = waitingCar();
  assert.equal(car.deadline, Infinity);
  assert.deepEqual(car.advance(365 * 24 * 3600 * 1000).lines, []);
  assert.deepEqual(car.connect([FRONT]).lines, ["connect 7/1/front", "ConnectResponse OK"]);
});

Deno.test("stateName() names the states as operators know them [CAR-STATES]", () => {
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

Deno.test("step() discards a stray status [WAIT-STRAY]", () => {
  const car = waitingCar();
  const seen = car.status(FRONT, { session: "old" });
  assert.deepEqual(seen.noteCodes, ["ignored no_session"]);
  assert.equal(car.session.kind, "waiting");
  assert.equal(car.deadline, Infinity);
});

Deno.test("step() takes no message without a broker [SESSION-BROKER]", () => {
  const car = new TestCar();
  car.input({ type: "modules_ready" });
  assert.deepEqual(car.connect([FRONT]).effects, []);
  assert.deepEqual(car.status(FRONT).effects, []);
  assert.equal(car.session.kind, "offline");
});

Deno.test("step() takes up a held Connect as soon as the modules are there [CONNECT-HOLD]", () => {
  const car = new TestCar();
  car.input({ type: "broker_up" });
  assert.deepEqual(car.connect([FRONT]).lines, []);
  car.advance(4499);
  assert.deepEqual(car.input({ type: "modules_ready" }).lines, [
    "connect 7/1/front",
    "ConnectResponse OK",
  ]);
});

Deno.test("step() forgets a held Connect when its gateway has given up [CONNECT-HOLD]", () => {
  const car = new TestCar();
  car.input({ type: "broker_up" });
  car.connect([FRONT]);
  const seen = car.advance(4500);
  assert.deepEqual(seen.noteCodes, ["ignored modules_away"]);
  assert.equal(car.deadline, Infinity);
  assert.deepEqual(car.input({ type: "modules_ready" }).lines, []);
  assert.equal(car.session.kind, "waiting");
});

Deno.test("step() does not answer a held Connect that has expired before its tick [CONNECT-HOLD]", () => {
  const car = new TestCar();
  car.input({ type: "broker_up" });
  car.connect([FRONT]);
  car.now += 4500;
  assert.deepEqual(car.input({ type: "modules_ready" }).lines, []);
  assert.equal(car.deadline, Infinity);
});

Deno.test("step() holds the newest Connect only [CONNECT-HOLD]", () => {
  const car = new TestCar();
  car.input({ type: "broker_up" });
  car.connect([FRONT], "first");
  car.connect([FRONT], "second");
  const seen = car.input({ type: "modules_ready" });
  assert.deepEqual(seen.published, [{ kind: "connect_response", sessionId: "second", type: 0 }]);
});

Deno.test("step() gives a held Connect up for a newer one, also one that cannot be used [CONNECT-HOLD]", () => {
  const car = new TestCar();
  car.input({ type: "broker_up" });
  car.connect([FRONT], "held");
  car.connect([], "empty");
  assert.deepEqual(car.input({ type: "modules_ready" }).lines, []);
  assert.equal(car.session.kind, "waiting");
});

Deno.test("step() drops a held Connect with the broker [CONNECT-HOLD]", () => {
  const car = new TestCar();
  car.input({ type: "broker_up" });
  car.connect([FRONT]);
  car.input({ type: "broker_lost", detail: "gone" });
  assert.equal(car.deadline, Infinity);
  car.input({ type: "modules_ready" });
  assert.deepEqual(car.input({ type: "broker_up" }).lines, []);
});

Deno.test("step() holds a Connect that comes after module contexts were lost [CONNECT-HOLD]", () => {
  const car = runningCar();
  car.input({ type: "module_lost", detail: "Module 7: killed" });
  assert.equal(stateName(car.session), "ERROR");
  assert.deepEqual(car.connect([FRONT], "s2").lines, []);
  assert.deepEqual(car.input({ type: "modules_ready" }).lines, [
    "connect 7/1/front",
    "ConnectResponse OK",
  ]);
});
