// Telling a gateway to connect again [TELL-ONCE]: once for each situation, then silence.
import assert from "node:assert/strict";
import type { Input } from "../../src/session/effects.ts";
import { SILENCE_MS } from "../../src/session/settings.ts";
import { DeviceState } from "../../src/protocol/messages.ts";
import {
  firstStatusesCar,
  FOREIGN,
  FRONT,
  LAMP,
  runningCar,
  TestCar,
  waitingCar,
} from "./support.ts";

const LOST: Input = { type: "broker_lost", detail: "connection reset" };
const LEAVING: Input = { type: "broker_leaving", detail: "another broker" };
const GONE: Input = { type: "module_lost", detail: "Module 7: killed" };

Deno.test("step() asks any gateway to connect again as soon as the broker accepts it, before it listens [TELL-START]", () => {
  const car = new TestCar();
  const seen = car.input({ type: "broker_connected" });
  assert.deepEqual(seen.published, [{ kind: "connect_response", sessionId: "", type: 1 }]);
  assert.equal(car.session.kind, "offline");
  assert.deepEqual(car.input({ type: "broker_up" }).lines, []);
  assert.equal(car.session.kind, "waiting");
});

Deno.test("step() is silent for 5 s after the start, and no timer is set for it [TELL-ONCE]", () => {
  const car = new TestCar();
  car.brokerUp();
  car.now += SILENCE_MS - 1;
  assert.deepEqual(car.status(FRONT, { session: "old" }).lines, []);
  assert.equal(car.deadline, Infinity);
  car.now += 1;
  assert.deepEqual(car.status(FRONT, { session: "old" }).lines, ["ALREADY_LOGGED old"]);
});

Deno.test("step() tells the gateway of an unknown session under its own session id, once in 5 s [TELL-STRAY]", () => {
  const car = waitingCar();
  assert.deepEqual(car.status(FRONT, { session: "old" }).lines, ["ALREADY_LOGGED old"]);
  car.now += SILENCE_MS - 1;
  assert.deepEqual(car.respond(5, 0, "old").lines, []);
  assert.deepEqual(car.status(FRONT, { session: "other" }).lines, []);
  car.now += 1;
  assert.deepEqual(car.respond(6, 0, "other").lines, ["ALREADY_LOGGED other"]);
});

Deno.test("step() tells a gateway whose session failed once, and its straggler nothing [TELL-FAILURE]", () => {
  const car = runningCar([FRONT]);
  assert.deepEqual(car.input(GONE).linesOf("ALREADY_LOGGED", "notify"), ["ALREADY_LOGGED s1"]);
  // Sent while the gateway closed its link.
  car.now += 300;
  assert.deepEqual(car.status(FRONT).lines, []);
  car.now += SILENCE_MS;
  assert.deepEqual(car.status(FRONT).lines, ["ALREADY_LOGGED s1"]);
});

Deno.test("step() tells a gateway at once when its next session fails within the 5 s [TELL-ANSWERED]", () => {
  const car = runningCar([FRONT]);
  car.input(GONE);
  car.input({ type: "modules_ready" });
  car.run([FRONT], "s2");
  // With its Connect it has answered what it was told: this is news.
  assert.deepEqual(car.input(GONE).linesOf("ALREADY_LOGGED"), ["ALREADY_LOGGED s2"]);
});

Deno.test("step() says nothing when the broker comes and goes while a gateway was told just now [TELL-ONCE]", () => {
  const car = runningCar([FRONT]);
  car.input(GONE);
  car.input(LOST);
  car.now += SILENCE_MS - 1;
  assert.deepEqual(car.brokerUp().lines, []);
  car.input(LOST);
  car.now += 1;
  assert.deepEqual(car.brokerUp().lines, ["ALREADY_LOGGED"]);
});

Deno.test("step() tells a gateway at once when the broker is back, also within 5 s of the last time [TELL-ANSWERED]", () => {
  const car = new TestCar();
  car.brokerUp();
  car.input({ type: "modules_ready" });
  car.run([FRONT]);
  assert.deepEqual(car.input(LOST).linesOf("ALREADY_LOGGED", "notify"), []);
  assert.deepEqual(car.brokerUp().lines, ["ALREADY_LOGGED"]);
});

Deno.test("step() says nothing to a gateway that has come with a new session [TELL-NOTHING]", () => {
  const car = runningCar([FRONT]);
  const { lines } = car.connect([FRONT], "s2");
  assert.deepEqual(lines.filter((line) => /ALREADY_LOGGED|notify/.test(line)), []);
});

Deno.test("step() sends the notification, and is silent, when the last device has left [TELL-LAST-DEVICE]", () => {
  const car = runningCar([FRONT]);
  const seen = car.status(FRONT, { state: DeviceState.DISCONNECT });
  assert.deepEqual(seen.linesOf("notify", "ALREADY_LOGGED", "ended"), [
    "notify",
    "ended all_devices_gone",
  ]);
  assert.deepEqual(car.status(FRONT).lines, []);
});

Deno.test("step() says nothing when the server stops, and tells a gateway whose car is removed [TELL-STOP] [TELL-RELOAD]", () => {
  const words = (car: TestCar, input: Input) =>
    car.input(input).linesOf("ALREADY_LOGGED", "notify");
  assert.deepEqual(words(runningCar([FRONT]), { type: "stop" }), []);
  assert.deepEqual(words(waitingCar(), { type: "stop" }), []);
  const removed: Input = { type: "stop", detail: "The configuration no longer has the car" };
  assert.deepEqual(words(runningCar([FRONT]), removed), ["ALREADY_LOGGED s1"]);
  assert.deepEqual(words(firstStatusesCar(), removed), ["ALREADY_LOGGED s1"]);
  assert.deepEqual(words(waitingCar(), removed), []);
});

Deno.test("step() tells a gateway through the connection that is about to be left [TELL-RELOAD]", () => {
  const car = runningCar([FRONT]);
  assert.deepEqual(car.input(LEAVING).lines, [
    "disconnect timeout 7/1/front",
    "ALREADY_LOGGED s1",
    "ended broker_lost",
  ]);
  assert.deepEqual(car.input(LOST).effects, []);
  // It is on its way already.
  assert.deepEqual(car.brokerUp().lines, []);
  const idle = waitingCar();
  assert.deepEqual(idle.input(LEAVING).effects, []);
  assert.equal(idle.session.kind, "offline");
});

Deno.test("step() tells a gateway that asks for no device to come back, under its own id [GATEWAY-EMPTY-CONNECT]", () => {
  const car = waitingCar();
  assert.deepEqual(car.connect([], "empty").lines, [
    "ended connect_incomplete",
    "ALREADY_LOGGED empty",
  ]);
  assert.deepEqual(car.connect([], "empty too").lines, ["ended connect_incomplete"]);
  car.now += SILENCE_MS;
  assert.deepEqual(car.connect([], "again").linesOf("ALREADY_LOGGED"), ["ALREADY_LOGGED again"]);
});

Deno.test("step() accepts, then fails, a Connect of which no device can be connected [CONNECT-RESPONSE] [TELL-SEQUENCE]", () => {
  const car = waitingCar();
  assert.deepEqual(car.connect([FOREIGN]).lines, [
    "ConnectResponse OK",
    "ALREADY_LOGGED s1",
    "ended connect_incomplete",
  ]);
});

Deno.test("step() lets no straggler fail the Connect it holds [TELL-HELD]", () => {
  const car = new TestCar();
  car.brokerUp();
  car.now += SILENCE_MS;
  car.connect([FRONT], "new");
  assert.deepEqual(car.status(FRONT, { session: "old" }).lines, []);
  assert.deepEqual(car.input({ type: "modules_ready" }).linesOf("ConnectResponse"), [
    "ConnectResponse OK",
  ]);
});

Deno.test("step() sends gateways of a paused car away, once, and discards their messages [TELL-PAUSED]", () => {
  const car = runningCar([FRONT, LAMP]);
  assert.deepEqual(car.input({ type: "pause" }).linesOf("notify", "ALREADY_LOGGED"), ["notify"]);
  car.now += 10 * SILENCE_MS;
  const seen = car.status(FRONT);
  assert.deepEqual([seen.lines, seen.noteCodes], [[], ["ignored paused"]]);
  // Also one that was not there to hear it.
  car.input(LOST);
  assert.deepEqual(car.brokerUp().lines, ["notify"]);
  assert.deepEqual(car.input({ type: "resume" }).lines, []);
  car.now += SILENCE_MS;
  assert.deepEqual(car.status(FRONT).lines, ["ALREADY_LOGGED s1"]);
});

Deno.test("step() keeps the silence when a car is paused in it [TELL-PAUSE]", () => {
  const car = runningCar([FRONT]);
  car.input(GONE);
  assert.deepEqual(car.input({ type: "pause" }).lines, []);
  assert.deepEqual(waitingCar().input({ type: "pause" }).lines, ["notify"]);
});
