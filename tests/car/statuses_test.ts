// Statuses in normal communication (section 4.3), and the session's timer.
import assert from "node:assert/strict";
import { isSaturated } from "../../src/car/session.ts";
import { CommandResponseType, DeviceState } from "../../src/protocol/messages.ts";
import {
  device,
  FOREIGN,
  FRONT,
  LAMP,
  REAR,
  runningCar,
  type TestCar,
  waitingCar,
} from "./support.ts";

const { CONNECTING, RUNNING, ERROR, DISCONNECT } = DeviceState;

/** A running car whose status counters begin anywhere. */
function countingFrom(first: number): TestCar {
  const car = waitingCar();
  car.connect([FRONT]);
  car.status(FRONT, { counter: first });
  car.respond(0);
  car.counter = (first + 1) >>> 0;
  return car;
}

function reasons(seen: { failures: readonly { reason: string }[] }): string[] {
  return seen.failures.map(({ reason }) => reason);
}

// Session

Deno.test("step() fails a session nobody speaks in for mqtt_timeout (section 4.3)", () => {
  const car = runningCar([FRONT]);
  assert.deepEqual(car.advance(29_999).lines, []);
  const seen = car.advance(1);
  assert.deepEqual(seen.lines, [
    "disconnect timeout 7/1/front",
    "notify",
    "ended session_timeout",
  ]);
  assert.equal(seen.failures[0]?.waitedMs, 30_000);
});

Deno.test("step() restarts the session's timer with statuses and responses only (section 4.3)", () => {
  const car = runningCar([FRONT]);
  car.advance(20_000);
  car.status(FRONT);
  car.advance(20_000);
  // Also with those that are handled already, or answer nothing.
  car.status(FRONT, { counter: 0 });
  car.advance(20_000);
  car.respond(99);
  car.advance(29_000);
  car.connect([FRONT]);
  car.status(FRONT, { counter: 2, session: "other" });
  car.respond(99, 0, "other");
  car.command(device(7, "x"), "y", 8);
  assert.deepEqual(reasons(car.advance(1000)), ["session_timeout"]);
});

Deno.test("step() ignores messages of another session (section 4.3)", () => {
  const car = runningCar([FRONT]);
  const before = car.session;
  const seen = car.status(FRONT, { counter: 1, session: "other" });
  assert.deepEqual(seen.noteCodes, ["ignored other_session"]);
  assert.deepEqual(car.respond(0, 0, "other").noteCodes, ["ignored other_session"]);
  assert.equal(car.session, before);
});

Deno.test("step() answers a Connect with the current id with ALREADY_LOGGED (section 4.3)", () => {
  const car = runningCar([FRONT]);
  const seen = car.connect([FRONT], "s1");
  assert.deepEqual(seen.published, [{ kind: "connect_response", sessionId: "s1", type: 1 }]);
  assert.deepEqual(seen.lines, ["ConnectResponse ALREADY_LOGGED"]);
  assert.deepEqual(car.status(FRONT, { counter: 1 }).answers, [1]);
});

// Order

Deno.test("step() forwards and answers a status when its module has returned (section 4.3)", () => {
  const car = runningCar([FRONT]);
  car.automatic = false;
  assert.deepEqual(car.status(FRONT, { data: "now", error: "bad" }).lines, [
    "forward 1 7/1/front now bad",
  ]);
  assert.deepEqual(car.modulesReturn().published, [
    { kind: "status_response", sessionId: "s1", messageCounter: 1 },
  ]);
});

Deno.test("step() ignores a counter below the expected one (section 4.3)", () => {
  const car = runningCar([FRONT]);
  car.status(FRONT);
  assert.deepEqual(car.status(FRONT, { counter: 1 }).noteCodes, ["ignored counter_handled"]);
  assert.deepEqual(car.status(FRONT, { counter: 0 }).lines, []);
});

Deno.test("step() answers once when a status comes again before its module returned (section 4.3)", () => {
  const car = runningCar([FRONT]);
  car.automatic = false;
  car.status(FRONT, { counter: 1 });
  assert.deepEqual(car.status(FRONT, { counter: 1 }).lines, []);
  assert.deepEqual(car.modulesReturn().answers, [1]);
});

Deno.test("step() keeps early statuses, each once, until the gap closes (section 4.3)", () => {
  const car = runningCar([FRONT]);
  assert.deepEqual(car.status(FRONT, { counter: 3, data: "c" }).lines, []);
  assert.deepEqual(car.status(FRONT, { counter: 2, data: "b" }).lines, []);
  assert.deepEqual(car.status(FRONT, { counter: 3, data: "again" }).noteCodes, [
    "ignored counter_handled",
  ]);
  assert.deepEqual(car.status(FRONT, { counter: 1, data: "a" }).only("forward"), [
    "forward 1 7/1/front a",
    "forward 2 7/1/front b",
    "forward 3 7/1/front c",
  ]);
  assert.deepEqual(car.status(FRONT, { counter: 4 }).answers, [4]);
});

Deno.test("step() orders statuses across the wrap of uint32 (section 4.3)", () => {
  const car = countingFrom(0xfffffffd);
  assert.deepEqual(car.status(FRONT, { counter: 0 }).lines, []);
  assert.deepEqual(car.status(FRONT, { counter: 0xffffffff }).lines, []);
  assert.deepEqual(car.status(FRONT, { counter: 0xfffffffe }).answers, [
    0xfffffffe,
    0xffffffff,
    0,
  ]);
  assert.deepEqual(car.status(FRONT, { counter: 0xffffffff }).lines, []);
  assert.deepEqual(car.status(FRONT, { counter: 1 }).answers, [1]);
});

Deno.test("step() gives the oldest missing counter `timeout` to come (section 4.3)", () => {
  const car = runningCar([FRONT]);
  car.status(FRONT, { counter: 3 });
  car.advance(9000);
  // Neither another early one nor one handled before moves that clock.
  car.status(FRONT, { counter: 2 });
  car.status(FRONT, { counter: 0 });
  assert.deepEqual(car.advance(999).lines, []);
  const seen = car.advance(1);
  assert.deepEqual(seen.lines, ["disconnect timeout 7/1/front", "notify", "ended status_gap"]);
  assert.equal(seen.failures[0]?.waitedMs, 10_000);
  assert.match(seen.failures[0]?.detail ?? "", /counter 1\b/);
});

Deno.test("step() gives the next missing counter its own time (section 4.3)", () => {
  const car = runningCar([FRONT]);
  car.status(FRONT, { counter: 2 });
  car.status(FRONT, { counter: 4 });
  car.advance(9000);
  assert.deepEqual(car.status(FRONT, { counter: 1 }).answers, [1, 2]);
  assert.deepEqual(car.advance(9999).lines, []);
  assert.deepEqual(reasons(car.advance(1)), ["status_gap"]);
});

Deno.test("step() has no gap timer when there is no gap (section 4.3)", () => {
  const car = runningCar([FRONT]);
  car.status(FRONT, { counter: 2 });
  car.status(FRONT, { counter: 1 });
  assert.deepEqual(reasons(car.advance(29_999)), []);
  assert.deepEqual(reasons(car.advance(1)), ["session_timeout"]);
});

Deno.test("step() has a gap timer when the sequence left a gap (sections 4.2 and 4.3)", () => {
  const car = waitingCar();
  car.connect([FRONT, LAMP]);
  car.status(FRONT, { counter: 0 });
  car.status(LAMP, { counter: 2 });
  car.respond(0);
  car.respond(1);
  assert.deepEqual(car.status(FRONT, { counter: 3 }).lines, []);
  assert.deepEqual(reasons(car.advance(10_000)), ["status_gap"]);
});

Deno.test("step() takes a counter 1,000 ahead and fails at once with 1,001 (section 4.3)", () => {
  const car = runningCar([FRONT]);
  assert.deepEqual(car.status(FRONT, { counter: 1001 }).lines, []);
  const seen = car.status(FRONT, { counter: 1002 });
  assert.deepEqual(reasons(seen), ["status_gap"]);
  assert.match(seen.failures[0]?.detail ?? "", /1001 ahead/);
});

Deno.test("step() measures 1,000 ahead across the wrap of uint32 (section 4.3)", () => {
  const car = countingFrom(0xfffffff0);
  assert.deepEqual(car.status(FRONT, { counter: (0xfffffff1 + 1000) >>> 0 }).lines, []);
  assert.deepEqual(reasons(car.status(FRONT, { counter: (0xfffffff1 + 1001) >>> 0 })), [
    "status_gap",
  ]);
});

Deno.test("step() handles 1,000 statuses that come backwards (section 4.3)", () => {
  const car = runningCar([FRONT]);
  for (let counter = 1001; counter > 1; counter--) car.status(FRONT, { counter });
  const expected = Array.from({ length: 1001 }, (_, index) => index + 1);
  assert.deepEqual(car.status(FRONT, { counter: 1 }).answers, expected);
});

Deno.test("step() answers in counter order though modules return in another (section 4.3)", () => {
  const car = runningCar([FRONT, LAMP]);
  car.automatic = false;
  car.status(FRONT);
  car.status(LAMP);
  car.status(FRONT);
  assert.deepEqual(car.moduleReturns(1).answers, []);
  assert.deepEqual(car.moduleReturns(0).answers, [2, 3]);
  assert.deepEqual(car.moduleReturns(0).answers, [4]);
});

Deno.test("step() hands modules a bounded number of statuses at a time (section 4.3)", () => {
  const car = runningCar([FRONT], { maxWaitingStatuses: 10 });
  car.automatic = false;
  for (let index = 0; index < 73; index++) car.status(FRONT);
  assert.equal(car.open.length, 64);
  assert.equal(isSaturated(car.session), false);
  car.status(FRONT);
  assert.equal(isSaturated(car.session), true);
  const [counter] = car.moduleReturns(0).answers;
  assert.equal(counter, 1);
  assert.equal(car.open.length, 64);
  assert.equal(isSaturated(car.session), false);
  car.automatic = true;
  assert.equal(car.moduleReturns(0).answers.length, 73);
});

// By state

Deno.test("step() connects a device that comes with CONNECTING (section 4.3)", () => {
  const car = runningCar([FRONT]);
  assert.deepEqual(car.status(LAMP, { state: CONNECTING, data: "hi" }).lines, [
    "connect 8/1/lamp",
    "forward 1 8/1/lamp hi",
    "StatusResponse 1",
  ]);
  assert.deepEqual(car.status(LAMP).lines, ["forward 2 8/1/lamp", "StatusResponse 2"]);
});

Deno.test("step() takes CONNECTING of a connected device as it is (section 4.3)", () => {
  const car = runningCar([FRONT]);
  assert.deepEqual(car.status(FRONT, { state: CONNECTING }).lines, [
    "forward 1 7/1/front",
    "StatusResponse 1",
  ]);
});

Deno.test("step() lets statuses wait behind a device that is coming (section 4.3)", () => {
  const car = runningCar([FRONT]);
  car.automatic = false;
  car.status(LAMP, { state: CONNECTING });
  assert.deepEqual(car.status(LAMP).lines, []);
  assert.deepEqual(car.status(FRONT).lines, []);
  assert.deepEqual(car.modulesReturn(1).lines, [
    "forward 1 8/1/lamp",
    "forward 2 8/1/lamp",
    "forward 3 7/1/front",
  ]);
});

Deno.test("step() answers CONNECTING of a device its module refuses, noted once (section 4.3)", () => {
  for (
    const [outcome, why] of [["unsupported", "unsupported_type"], ["not_ok", "device_refused"]]
  ) {
    const car = runningCar([FRONT]);
    car.outcome = () => outcome as "unsupported" | "not_ok";
    const first = car.status(LAMP, { state: CONNECTING });
    assert.deepEqual(first.lines, ["connect 8/1/lamp", "StatusResponse 1"]);
    const second = car.status(LAMP, { state: CONNECTING });
    assert.deepEqual(second.lines, ["connect 8/1/lamp", "StatusResponse 2"]);
    const noted = [...first.notes, ...second.notes].flatMap((note) =>
      note.code === "not_forwarded" ? [[note.why, note.first]] : []
    );
    assert.deepEqual(noted, [[why, true], [why, false]]);
    assert.deepEqual(car.status(LAMP).lines, ["StatusResponse 3"]);
  }
});

Deno.test("step() does not answer CONNECTING when the call ended with its host (section 4.3)", () => {
  const car = runningCar([FRONT]);
  car.outcome = () => "host_lost";
  assert.deepEqual(car.status(LAMP, { state: CONNECTING }).lines, ["connect 8/1/lamp"]);
  assert.deepEqual(reasons(car.input({ type: "module_lost", detail: "Module 8: killed" })), [
    "module_lost",
  ]);
});

Deno.test("step() answers, forwards nothing and notes once what does not pass (section 4.3)", () => {
  const cases = [
    [FOREIGN, CONNECTING, "unknown_module"],
    [FOREIGN, RUNNING, "unknown_module"],
    [LAMP, RUNNING, "device_not_connected"],
    [LAMP, DISCONNECT, "device_not_connected"],
    [FRONT, ERROR, "unknown_state"],
    [FRONT, 4711, "unknown_state"],
  ] as const;
  for (const [one, state, why] of cases) {
    const car = runningCar([FRONT]);
    const first = car.status(one, { state });
    assert.deepEqual(first.lines, ["StatusResponse 1"], why);
    const second = car.status(one, { state });
    assert.deepEqual(second.lines, ["StatusResponse 2"], why);
    const noted = [...first.notes, ...second.notes].map((note) =>
      note.code === "not_forwarded" && [note.why, note.first]
    );
    assert.deepEqual(noted, [[why, true], [why, false]]);
    assert.equal(car.session.kind, "running");
  }
});

Deno.test("step() notes each device and reason of what does not pass by itself (section 4.3)", () => {
  const car = runningCar([FRONT]);
  const seen = [
    car.status(LAMP),
    car.status(REAR),
    car.status(LAMP, { state: ERROR }),
  ].flatMap(({ notes }) => notes);
  assert.ok(seen.every((note) => note.code === "not_forwarded" && note.first));
});

Deno.test("step() remembers a bounded number of devices it noted (section 4.3)", () => {
  const car = runningCar([FRONT]);
  for (let index = 0; index < 1500; index++) car.status(device(3, `d${index}`));
  assert.ok(car.running().noted.size <= 1000);
});

Deno.test("step() answers what does not pass in its turn (section 4.3)", () => {
  const car = runningCar([FRONT]);
  car.automatic = false;
  car.status(FRONT);
  assert.deepEqual(car.status(FOREIGN).lines, []);
  assert.deepEqual(car.modulesReturn().answers, [1, 2]);
});

Deno.test("step() forwards, answers, then disconnects on DISCONNECT (section 4.3)", () => {
  const car = runningCar([FRONT, REAR]);
  car.automatic = false;
  assert.deepEqual(car.status(FRONT, { state: DISCONNECT, data: "bye" }).lines, [
    "forward 2 7/1/front bye",
  ]);
  // What follows is decided when it is known that the device has left.
  assert.deepEqual(car.status(FRONT).lines, []);
  assert.deepEqual(car.modulesReturn().lines, [
    "StatusResponse 2",
    "disconnect announced 7/1/front",
    "StatusResponse 3",
  ]);
});

Deno.test("step() lets a device that has left come back (section 4.3)", () => {
  const car = runningCar([FRONT, REAR]);
  car.status(FRONT, { state: DISCONNECT });
  assert.deepEqual(car.status(FRONT, { state: CONNECTING }).lines, [
    "connect 7/1/front",
    "forward 3 7/1/front",
    "StatusResponse 3",
  ]);
});

Deno.test("step() ends the session when the last device has left (section 4.3)", () => {
  const car = runningCar([FRONT, REAR]);
  car.status(REAR, { state: DISCONNECT });
  const seen = car.status(FRONT, { state: DISCONNECT });
  assert.deepEqual(seen.lines, [
    "forward 3 7/1/front",
    "StatusResponse 3",
    "disconnect announced 7/1/front",
    "notify",
    "ended all_devices_gone",
  ]);
  assert.equal(car.session.kind, "waiting");
  assert.deepEqual(car.connect([FRONT], "s2").only("ConnectResponse"), ["ConnectResponse OK"]);
});

Deno.test("step() disconnects once when a device leaves in two ways (section 4.3)", () => {
  const car = runningCar([FRONT, REAR]);
  car.command(FRONT, "go");
  car.automatic = false;
  car.status(FRONT, { state: DISCONNECT });
  assert.deepEqual(car.respond(2, CommandResponseType.DEVICE_NOT_CONNECTED).lines, [
    "disconnect announced 7/1/front",
  ]);
  assert.deepEqual(car.modulesReturn().lines, ["StatusResponse 2"]);
});

Deno.test("step() shows modules devices with priority 0 (section 2)", () => {
  const car = runningCar([FRONT, REAR]);
  car.status(LAMP, { state: CONNECTING });
  car.status(LAMP, { state: DISCONNECT });
  car.advance(30_000);
  const priorities = car.effects.flatMap((effect) =>
    effect.type === "connect_device" || effect.type === "disconnect_device" ||
      effect.type === "forward"
      ? [effect.device.priority]
      : []
  );
  assert.equal(priorities.length, 3 + 3 + 1 + 2 + 1);
  assert.ok(priorities.every((priority) => priority === 0));
});

Deno.test("step() tells modules of the device as it connected when it leaves (section 4.3)", () => {
  const car = runningCar([FRONT, REAR]);
  const seen = car.status({ ...FRONT, deviceName: "renamed" }, { state: DISCONNECT });
  const left = seen.effects.find(({ type }) => type === "disconnect_device");
  assert.ok(left?.type === "disconnect_device");
  assert.equal(left.device.deviceName, FRONT.deviceName);
});
