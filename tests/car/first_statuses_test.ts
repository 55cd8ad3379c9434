// The first statuses of the connect sequence [CONNECT-FIRST-STATUSES].
import assert from "node:assert/strict";
import { DeviceState } from "../../src/protocol/messages.ts";
import {
  connectingCar,
  firstCommandsCar,
  firstStatusesCar,
  FOREIGN,
  FRONT,
  LAMP,
  REAR,
  runningCar,
  type Seen,
} from "./support.ts";

Deno.test("step() expects a status of every listed device, in any order [CONNECT-FIRST-STATUSES]", () => {
  const car = firstStatusesCar([FRONT, REAR, FOREIGN]);
  assert.deepEqual(car.status(FOREIGN).lines, ["StatusResponse 0"]);
  assert.deepEqual(car.status(REAR).lines, ["StatusResponse 1"]);
  assert.deepEqual(car.status(FRONT).linesOf("StatusResponse", "Command"), [
    "StatusResponse 2",
    "Command 0 7/1/front",
    "Command 1 7/1/rear",
    "Command 2 3/1/foreign",
  ]);
});

Deno.test("step() matches first statuses by device, not by name or priority [CONNECT-FIRST-STATUSES] [DEVICE-IDENTITY]", () => {
  const car = firstStatusesCar([FRONT]);
  const seen = car.status({ ...FRONT, deviceName: "another", priority: 7 });
  assert.deepEqual(seen.answers, [0]);
  const forward = seen.effects.find(({ type }) => type === "forward");
  assert.ok(forward?.type === "forward" && forward.device.priority === 0);
});

Deno.test("step() fails when a first status is not CONNECTING [CONNECT-FIRST-STATUSES]", () => {
  for (const state of [DeviceState.RUNNING, DeviceState.ERROR, DeviceState.DISCONNECT, 99]) {
    for (const one of [FRONT, FOREIGN]) {
      const car = firstStatusesCar([FRONT, FOREIGN]);
      assert.deepEqual(car.status(one, { state }).lines, [
        "disconnect timeout 7/1/front",
        "ALREADY_LOGGED s1",
        "ended protocol_violation",
      ]);
    }
  }
});

Deno.test("step() ignores first statuses of another session or device [CONNECT-FIRST-STATUSES]", () => {
  const car = firstStatusesCar();
  assert.deepEqual(car.status(FRONT, { session: "other", counter: 0 }).lines, []);
  const seen = car.status(REAR);
  assert.deepEqual(seen.lines, []);
  assert.deepEqual(seen.noteCodes, ["ignored device_not_listed"]);
  assert.deepEqual(car.respond(0).lines, []);
});

Deno.test("step() forwards first statuses in counter order, across the wrap [CONNECT-STATUS-FORWARD] [STATUS-WRAP]", () => {
  const car = firstStatusesCar([FRONT, REAR, FOREIGN, LAMP]);
  car.status(LAMP, { counter: 1 });
  car.status(FOREIGN, { counter: 0 });
  car.status(REAR, { counter: 0xffffffff });
  assert.deepEqual(car.status(FRONT, { counter: 0xfffffffe }).linesOf("forward"), [
    "forward 4294967294 7/1/front",
    "forward 4294967295 7/1/rear",
    "forward 1 8/1/lamp",
  ]);
});

Deno.test("step() does not wait for slow modules in the sequence [CONNECT-STATUS-FORWARD]", () => {
  const car = connectingCar([FRONT]);
  car.modulesReturn();
  assert.deepEqual(car.status(FRONT).linesOf("Command"), ["Command 0 7/1/front"]);
  car.respond(0);
  assert.equal(car.session.kind, "running");
  assert.deepEqual(car.modulesReturn().lines, []);
});

Deno.test("step() answers a first status once [CONNECT-STATUS-RESPONSE]", () => {
  const car = firstStatusesCar();
  assert.deepEqual(car.status(FRONT, { counter: 0 }).answers, [0]);
  assert.deepEqual(car.status(FRONT, { counter: 0 }).lines, []);
  assert.deepEqual(car.status(LAMP, { counter: 1 }).answers, [1]);
  assert.deepEqual(car.status(FRONT, { counter: 0, state: DeviceState.CONNECTING }).lines, []);
  car.respond(0);
  assert.deepEqual(car.respond(1).lines, []);
  assert.deepEqual(car.status(LAMP, { counter: 1, state: DeviceState.CONNECTING }).lines, []);
  assert.deepEqual(car.status(LAMP, { counter: 2 }).answers, [2]);
});

Deno.test("step() hears every device though all first statuses have the same counter [CONNECT-FIRST-STATUSES]", () => {
  const car = firstStatusesCar([FRONT, REAR, LAMP]);
  assert.deepEqual(car.status(FRONT, { counter: 1, data: "a" }).answers, [1]);
  // Delivered twice, it is not one of another device.
  assert.deepEqual(car.status(FRONT, { counter: 1, data: "a" }).lines, []);
  assert.deepEqual(car.status(REAR, { counter: 1, data: "b" }).answers, [1]);
  const seen = car.status(LAMP, { counter: 1, data: "c" });
  assert.deepEqual(seen.answers, [1]);
  assert.deepEqual(seen.linesOf("forward"), [
    "forward 1 7/1/front a",
    "forward 1 7/1/rear b",
    "forward 1 8/1/lamp c",
  ]);
  for (const counter of [0, 1, 2]) car.respond(counter);
  assert.deepEqual(car.status(REAR, { counter: 2 }).answers, [2]);
});

Deno.test("step() counts a first status whose counter an unlisted device used [CONNECT-FIRST-STATUSES]", () => {
  const car = firstStatusesCar([FRONT]);
  assert.deepEqual(car.status(REAR, { counter: 1 }).lines, []);
  assert.deepEqual(car.status(FRONT, { counter: 1 }).answers, [1]);
  assert.equal(car.respond(0).noteCodes.at(-1), "running");
});

Deno.test("step() forwards first statuses without data like any other [CONNECT-STATUS-FORWARD]", () => {
  const car = firstStatusesCar([FRONT]);
  const { effects } = car.status(FRONT);
  const forwarded = effects.flatMap((one) => one.type === "forward" ? [one.data.length] : []);
  assert.deepEqual(forwarded, [0]);
});

Deno.test("step() says of first statuses that they are answered, of others that they are not [CONNECT-STATUS-FORWARD]", () => {
  const answered = (seen: Seen) =>
    seen.effects.flatMap((effect) => effect.type === "forward" ? [effect.answered] : []);
  const car = firstStatusesCar([FRONT]);
  assert.deepEqual(answered(car.status(FRONT)), [true]);
  car.respond(0);
  assert.deepEqual(answered(car.status(FRONT)), [false]);
  const failed = firstStatusesCar([FRONT, LAMP]);
  failed.status(FRONT);
  assert.deepEqual(answered(failed.input({ type: "restart" })), [true]);
});

Deno.test("step() checks the first status of normal communication, too [CONNECT-COUNTER]", () => {
  const car = firstCommandsCar();
  car.respond(0);
  car.respond(1);
  assert.deepEqual(car.status(FRONT, { counter: 3 }).lines, []);
  assert.deepEqual(car.status(FRONT, { counter: 2 }).answers, [2, 3]);
});

Deno.test("step() lets statuses of devices that are not listed count [CONNECT-COUNTER]", () => {
  const car = firstStatusesCar([FRONT]);
  car.status(REAR, { counter: 0 });
  car.status(FRONT, { counter: 1 });
  car.respond(0);
  assert.deepEqual(car.status(FRONT, { counter: 2 }).answers, [2]);
});

Deno.test("step() does not mistake a redelivery of such a status for a restarted counter [CONNECT-COUNTER]", () => {
  const car = firstStatusesCar([FRONT, LAMP]);
  car.status(REAR, { counter: 0, state: DeviceState.RUNNING });
  car.status(FRONT, { counter: 1 });
  assert.deepEqual(
    car.status(REAR, { counter: 0, state: DeviceState.RUNNING }).noteCodes,
    ["ignored counter_handled"],
  );
  car.status(LAMP, { counter: 2 });
  car.status(REAR, { counter: 0, state: DeviceState.RUNNING });
  car.respond(0);
  assert.deepEqual(car.respond(1).noteCodes, ["running"]);
  assert.deepEqual(car.status(FRONT, { counter: 3 }).answers, [3]);
});

Deno.test("step() sets aside no more than a gap of statuses of unlisted devices [STATUS-GAP]", () => {
  const car = firstStatusesCar([FRONT]);
  for (let counter = 1; counter <= 2000; counter++) car.status(REAR, { counter });
  assert.ok(car.session.kind === "connecting" && car.session.step.name === "statuses");
  assert.ok(car.session.step.skipped.length <= 1000);
});

Deno.test("step() keeps further statuses of a device for later [CONNECT-OTHER-MESSAGES]", () => {
  const car = firstStatusesCar();
  car.status(FRONT, { counter: 0 });
  assert.deepEqual(car.status(FRONT, { counter: 1, state: DeviceState.RUNNING }).lines, []);
  assert.deepEqual(car.status(LAMP, { counter: 2 }).answers, [2]);
  car.respond(0);
  assert.deepEqual(car.respond(1).lines, ["forward 1 7/1/front", "StatusResponse 1"]);
  assert.deepEqual(car.status(LAMP, { counter: 3 }).answers, [3]);
});

Deno.test("step() follows a gateway whose counter restarts [CONNECT-COUNTER]", () => {
  const car = firstStatusesCar();
  car.status(FRONT, { counter: 100 });
  car.status(LAMP, { counter: 101 });
  car.respond(0);
  car.respond(1);
  const seen = car.status(FRONT, { counter: 5 });
  assert.deepEqual(seen.answers, [5]);
  assert.ok(seen.noteCodes.includes("counter_restarted"));
  assert.deepEqual(car.status(FRONT, { counter: 6 }).answers, [6]);
  // Only the very first status may do so.
  assert.deepEqual(car.status(FRONT, { counter: 0 }).lines, []);
});

Deno.test("step() misses no counter of before when a gateway counts anew [CONNECT-COUNTER]", () => {
  const car = firstStatusesCar([FRONT, LAMP]);
  car.status(FRONT, { counter: 100 });
  car.status(LAMP, { counter: 102 });
  car.respond(0);
  car.respond(1);
  assert.deepEqual(car.status(FRONT, { counter: 5 }).answers, [5]);
  assert.deepEqual(car.advance(29_999).failures, []);
});

Deno.test("step() does not mistake CONNECTING below the expected counter for a restarted counter [CONNECT-COUNTER]", () => {
  const car = runningCar([FRONT, LAMP]);
  assert.deepEqual(car.status(LAMP, { counter: 1, state: DeviceState.CONNECTING }).lines, []);
  assert.deepEqual(car.status(FRONT, { counter: 2 }).answers, [2]);
});

Deno.test("step() does not mistake a first status above the expected counter for a restarted one [CONNECT-COUNTER]", () => {
  const car = runningCar([FRONT]);
  assert.deepEqual(car.status(FRONT, { counter: 2 }).lines, []);
  assert.deepEqual(car.status(FRONT, { counter: 0 }).lines, []);
  assert.deepEqual(car.status(FRONT, { counter: 1 }).answers, [1, 2]);
});

Deno.test("step() distinguishes the sequence's forwards from those after a restarted counter [CONNECT-COUNTER]", () => {
  const car = firstStatusesCar([FRONT]);
  car.automatic = false;
  car.status(FRONT, { counter: 0 });
  car.respond(0);
  assert.deepEqual(car.status(FRONT, { counter: 0, data: "anew" }).lines, [
    "forward 0 7/1/front anew",
  ]);
  assert.deepEqual(car.moduleReturns(0).lines, []);
  assert.deepEqual(car.moduleReturns(0).answers, [0]);
});

Deno.test("step() waits `timeout` for each next first status [CONNECT-TIMEOUT]", () => {
  const car = firstStatusesCar([FRONT, REAR, LAMP]);
  car.advance(9999);
  car.status(FRONT);
  car.advance(9999);
  car.status(REAR);
  assert.deepEqual(car.advance(9999).lines, []);
  const seen = car.advance(1);
  assert.deepEqual(seen.lines, [
    "forward 0 7/1/front",
    "forward 1 7/1/rear",
    "disconnect timeout 7/1/front",
    "disconnect timeout 7/1/rear",
    "disconnect timeout 8/1/lamp",
    "ended status_missing",
  ]);
  assert.equal(seen.failures[0]?.waitedMs, 10_000);
  assert.match(seen.failures[0]?.detail ?? "", /8\/1\/lamp/);
});

Deno.test("step() does not let ignored messages prolong the sequence [CONNECT-TIMEOUT]", () => {
  const car = firstStatusesCar();
  car.advance(9999);
  car.status(FRONT, { session: "other" });
  car.status(REAR);
  car.respond(0);
  assert.deepEqual(car.advance(1).failures.map(({ reason }) => reason), ["status_missing"]);
});

Deno.test("step() fails a session whose first statuses hold too many bytes [STATUS-GAP]", () => {
  const car = firstStatusesCar([FRONT, REAR], { maxWaitingBytes: 5_000 });
  car.status(FRONT, { data: "x".repeat(4_000) });
  const [failure] = car.status(REAR, { data: "x".repeat(4_000) }).failures;
  assert.equal(failure?.reason, "protocol_violation");
  assert.match(failure.detail, /^First statuses have 8\d\d\d bytes, at most 5000 are kept$/);
});

Deno.test("step() takes exactly as many bytes in the connect sequence as it may [STATUS-GAP]", () => {
  const limit = 1000;
  /** Of role, name and session id. */
  const rest = "front".length + "name of front".length + "s1".length;
  const state = DeviceState.RUNNING;
  const taken = [limit, limit + 1].map((bytes) => {
    const data = "x".repeat(bytes - rest);
    const first = firstStatusesCar([FRONT], { maxWaitingBytes: limit });
    const later = firstCommandsCar([FRONT], { maxWaitingBytes: limit });
    const early = connectingCar([FRONT]);
    early.settings = { ...early.settings, maxWaitingBytes: limit };
    return [
      first.status(FRONT, { data }).failures.length === 0,
      !later.status(FRONT, { data, state }).noteCodes.includes("ignored no_room"),
      !early.status(FRONT, { data }).noteCodes.includes("ignored no_room"),
    ];
  });
  assert.deepEqual(taken, [[true, true, true], [false, false, false]]);
});

Deno.test("step() keeps statuses for after the connect sequence up to the limit of bytes [CONNECT-OTHER-MESSAGES]", () => {
  const car = firstCommandsCar([FRONT], { maxWaitingBytes: 5_000 });
  const state = DeviceState.RUNNING;
  car.status(FRONT, { state, data: "x".repeat(4_000) });
  const second = car.status(FRONT, { state, data: "x".repeat(4_000) });
  assert.deepEqual(second.noteCodes, ["ignored no_room"]);
});
