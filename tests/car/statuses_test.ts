// Statuses in counter order, and the session's timer [STATUS-ORDER] [SESSION-TIMEOUT].
import assert from "node:assert/strict";
import { isSaturated } from "../../src/session/session.ts";
import { device, FRONT, LAMP, REAR, runningCar, type TestCar, waitingCar } from "./support.ts";

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

Deno.test("step() fails a session that is silent for mqtt_timeout [SESSION-TIMEOUT]", () => {
  const car = runningCar([FRONT]);
  assert.deepEqual(car.advance(29_999).lines, []);
  const seen = car.advance(1);
  assert.deepEqual(seen.lines, [
    "disconnect timeout 7/1/front",
    "ALREADY_LOGGED s1",
    "ended session_timeout",
  ]);
  assert.equal(seen.failures[0]?.waitedMs, 30_000);
});

Deno.test("step() restarts the session's timer with statuses and responses only [SESSION-TIMEOUT]", () => {
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

Deno.test("step() ignores messages of another session [SESSION-FOREIGN]", () => {
  const car = runningCar([FRONT]);
  const before = car.session;
  const seen = car.status(FRONT, { counter: 1, session: "other" });
  assert.deepEqual(seen.noteCodes, ["ignored other_session"]);
  assert.deepEqual(car.respond(0, 0, "other").noteCodes, ["ignored other_session"]);
  assert.equal(car.session, before);
});

Deno.test("step() answers a Connect with the current id with ALREADY_LOGGED [SESSION-ALREADY-LOGGED]", () => {
  const car = runningCar([FRONT]);
  const seen = car.connect([FRONT], "s1");
  assert.deepEqual(seen.published, [{ kind: "connect_response", sessionId: "s1", type: 1 }]);
  assert.deepEqual(seen.lines, ["ALREADY_LOGGED s1"]);
  assert.deepEqual(car.status(FRONT, { counter: 1 }).answers, [1]);
});

// Order

Deno.test("step() forwards and answers a status when its module has returned [STATUS-FORWARD]", () => {
  const car = runningCar([FRONT]);
  car.automatic = false;
  assert.deepEqual(car.status(FRONT, { data: "now", error: "bad" }).lines, [
    "forward 1 7/1/front now bad",
  ]);
  assert.deepEqual(car.modulesReturn().published, [
    { kind: "status_response", sessionId: "s1", messageCounter: 1 },
  ]);
});

Deno.test("step() ignores a counter below the expected one [STATUS-OLD]", () => {
  const car = runningCar([FRONT]);
  car.status(FRONT);
  assert.deepEqual(car.status(FRONT, { counter: 1 }).noteCodes, ["ignored counter_handled"]);
  assert.deepEqual(car.status(FRONT, { counter: 0 }).lines, []);
});

Deno.test("step() answers once when a status comes again before its module returned [STATUS-OLD]", () => {
  const car = runningCar([FRONT]);
  car.automatic = false;
  car.status(FRONT, { counter: 1 });
  assert.deepEqual(car.status(FRONT, { counter: 1 }).lines, []);
  assert.deepEqual(car.modulesReturn().answers, [1]);
});

Deno.test("step() keeps early statuses, each once, until the gap closes [STATUS-EARLY]", () => {
  const car = runningCar([FRONT]);
  assert.deepEqual(car.status(FRONT, { counter: 3, data: "c" }).lines, []);
  assert.deepEqual(car.status(FRONT, { counter: 2, data: "b" }).lines, []);
  assert.deepEqual(car.status(FRONT, { counter: 3, data: "again" }).noteCodes, [
    "ignored counter_handled",
  ]);
  assert.deepEqual(car.status(FRONT, { counter: 1, data: "a" }).linesOf("forward"), [
    "forward 1 7/1/front a",
    "forward 2 7/1/front b",
    "forward 3 7/1/front c",
  ]);
  assert.deepEqual(car.status(FRONT, { counter: 4 }).answers, [4]);
});

Deno.test("step() orders statuses across the wrap of uint32 [STATUS-WRAP]", () => {
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

Deno.test("step() gives the oldest missing counter `timeout` to come [STATUS-MISSING]", () => {
  const car = runningCar([FRONT]);
  car.status(FRONT, { counter: 3 });
  car.advance(9000);
  // Neither another early one nor one handled before moves that clock.
  car.status(FRONT, { counter: 2 });
  car.status(FRONT, { counter: 0 });
  assert.deepEqual(car.advance(999).lines, []);
  const seen = car.advance(1);
  assert.deepEqual(seen.lines, [
    "disconnect timeout 7/1/front",
    "ALREADY_LOGGED s1",
    "ended status_gap",
  ]);
  assert.equal(seen.failures[0]?.waitedMs, 10_000);
  assert.match(seen.failures[0]?.detail ?? "", /counter 1\b/);
});

Deno.test("step() gives the next missing counter its own time [STATUS-MISSING]", () => {
  const car = runningCar([FRONT]);
  car.status(FRONT, { counter: 2 });
  car.status(FRONT, { counter: 4 });
  car.advance(9000);
  assert.deepEqual(car.status(FRONT, { counter: 1 }).answers, [1, 2]);
  assert.deepEqual(car.advance(9999).lines, []);
  assert.deepEqual(reasons(car.advance(1)), ["status_gap"]);
});

Deno.test("step() has no gap timer when there is no gap [STATUS-MISSING]", () => {
  const car = runningCar([FRONT]);
  car.status(FRONT, { counter: 2 });
  car.status(FRONT, { counter: 1 });
  assert.deepEqual(reasons(car.advance(29_999)), []);
  assert.deepEqual(reasons(car.advance(1)), ["session_timeout"]);
});

Deno.test("step() has a gap timer when the sequence left a gap [STATUS-MISSING]", () => {
  const car = waitingCar();
  car.connect([FRONT, LAMP]);
  car.status(FRONT, { counter: 0 });
  car.status(LAMP, { counter: 2 });
  car.respond(0);
  car.respond(1);
  assert.deepEqual(reasons(car.advance(10_000)), ["status_gap"]);
});

Deno.test("step() gives a counter behind which only the sequence's remain its own time [STATUS-MISSING]", () => {
  const devices = [FRONT, REAR, LAMP];
  const car = waitingCar();
  car.connect(devices);
  for (const [index, one] of devices.entries()) car.status(one, { counter: 2 * index });
  for (const index of devices.keys()) car.respond(index);
  car.advance(9000);
  assert.deepEqual(car.status(FRONT, { counter: 1 }).answers, [1]);
  assert.deepEqual(car.running().statuses.handled, [4]);
  assert.deepEqual(reasons(car.advance(9999)), []);
  assert.deepEqual(reasons(car.advance(1)), ["status_gap"]);
});

Deno.test("step() takes a counter 1,000 ahead and fails at once with 1,001 [STATUS-GAP]", () => {
  const car = runningCar([FRONT]);
  assert.deepEqual(car.status(FRONT, { counter: 1001 }).lines, []);
  const seen = car.status(FRONT, { counter: 1002 });
  assert.deepEqual(reasons(seen), ["status_gap"]);
  assert.match(seen.failures[0]?.detail ?? "", /1001 ahead/);
});

Deno.test("step() measures 1,000 ahead across the wrap of uint32 [STATUS-GAP] [STATUS-WRAP]", () => {
  const car = countingFrom(0xfffffff0);
  assert.deepEqual(car.status(FRONT, { counter: (0xfffffff1 + 1000) >>> 0 }).lines, []);
  assert.deepEqual(reasons(car.status(FRONT, { counter: (0xfffffff1 + 1001) >>> 0 })), [
    "status_gap",
  ]);
});

Deno.test("step() handles 1,000 statuses that come backwards [STATUS-EARLY]", () => {
  const car = runningCar([FRONT]);
  for (let counter = 1001; counter > 1; counter--) car.status(FRONT, { counter });
  const expected = Array.from({ length: 1001 }, (_, index) => index + 1);
  assert.deepEqual(car.status(FRONT, { counter: 1 }).answers, expected);
});

Deno.test("step() answers in counter order though modules return in another [STATUS-ORDER]", () => {
  const car = runningCar([FRONT, LAMP]);
  car.automatic = false;
  car.status(FRONT);
  car.status(LAMP);
  car.status(FRONT);
  assert.deepEqual(car.moduleReturns(1).answers, []);
  assert.deepEqual(car.moduleReturns(0).answers, [2, 3]);
  assert.deepEqual(car.moduleReturns(0).answers, [4]);
});

Deno.test("step() hands modules a bounded number of statuses at a time [STATUS-FORWARD]", () => {
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

Deno.test("step() stops reading at the limit of bytes, whatever the number of statuses [SESSION-READING]", () => {
  const car = runningCar([FRONT], { maxWaitingBytes: 10_000 });
  car.automatic = false;
  const data = "x".repeat(4_000);
  car.status(FRONT, { data });
  car.status(FRONT, { data });
  assert.equal(isSaturated(car.session), false);
  car.status(FRONT, { data });
  assert.equal(isSaturated(car.session), true);
  assert.deepEqual(car.moduleReturns(1).answers, []);
  assert.equal(isSaturated(car.session), true);
  assert.deepEqual(car.moduleReturns(0).answers, [1, 2]);
  assert.equal(isSaturated(car.session), false);
});

Deno.test("step() counts bytes that were ahead of a gap once they wait in order [SESSION-READING]", () => {
  const car = runningCar([FRONT], { maxWaitingBytes: 1000 });
  car.automatic = false;
  const data = "x".repeat(490);
  car.status(FRONT, { data, counter: 2 });
  assert.equal(isSaturated(car.session), false);
  car.status(FRONT, { data, counter: 1 });
  assert.equal(isSaturated(car.session), true);
  car.modulesReturn(1);
  assert.equal(isSaturated(car.session), false);
  car.modulesReturn();
  assert.equal(car.running().statuses.bytes, 0);
});

Deno.test("step() fails a session with too many bytes ahead of a gap [STATUS-GAP]", () => {
  const car = runningCar([FRONT], { maxWaitingBytes: 10_000 });
  const data = "x".repeat(4_000);
  car.status(FRONT, { data, counter: 2 });
  car.status(FRONT, { data, counter: 3 });
  assert.equal(isSaturated(car.session), false);
  const [failure] = car.status(FRONT, { data, counter: 4 }).failures;
  assert.equal(failure?.reason, "status_gap");
  assert.match(
    failure.detail,
    /^Statuses of 12\d\d\d bytes came ahead of counter 1, at most 10000/,
  );
});

Deno.test("step() frees bytes ahead of a gap when it closes, and takes as many as it may", () => {
  const car = runningCar([FRONT], { maxWaitingBytes: 1000 });
  // Of role, name and session id.
  const rest = "front".length + "name of front".length + "s1".length;
  for (const first of [1, 3, 5]) {
    assert.deepEqual(
      car.status(FRONT, { data: "x".repeat(1000 - rest), counter: first + 1 }).lines,
      [],
    );
    assert.deepEqual(car.status(FRONT, { counter: first }).answers, [first, first + 1]);
  }
  assert.deepEqual(reasons(car.status(FRONT, { data: "x".repeat(1001 - rest), counter: 8 })), [
    "status_gap",
  ]);
});
