// While nothing is read of a gateway, its silence is ours [SESSION-READING].
import assert from "node:assert/strict";
import { isSaturated } from "../../src/session/session.ts";
import { GATEWAY_ANSWER_MS } from "../../src/session/settings.ts";
import { FRONT, LAMP, REAR, runningCar, type TestCar } from "./support.ts";

const LIMITS = { maxWaitingStatuses: 1, sessionMs: 10_000, responseMs: 10_000 };
/** Begun at a time; one more waits, and reading pauses. */
const FULL = 64 + 1;

/** A car whose module has too many statuses, so that reading is paused. */
function pausedCar(more: Partial<typeof LIMITS> = {}): TestCar {
  const car = runningCar([FRONT, LAMP], { ...LIMITS, ...more });
  car.automatic = false;
  fill(car, FULL);
  assert.equal(isSaturated(car.session), true);
  return car;
}

function fill(car: TestCar, count: number): void {
  for (let i = 0; i < count; i++) car.status(FRONT);
}

Deno.test("step() pauses reading at exactly as many statuses, or bytes, as may wait [SESSION-READING]", () => {
  // Of role, name and session id.
  const rest = "front".length + "name of front".length + "s1".length;
  for (const bytes of [999, 1000]) {
    const car = runningCar([FRONT], { maxWaitingBytes: 1000 });
    car.automatic = false;
    car.status(FRONT, { data: "x".repeat(bytes - rest) });
    assert.equal(isSaturated(car.session), bytes === 1000);
  }
  for (const count of [3, 4]) {
    const car = runningCar([FRONT], { maxWaitingStatuses: 4 });
    car.automatic = false;
    fill(car, FULL - 1 + count);
    assert.equal(isSaturated(car.session), count === 4);
  }
});

Deno.test("step() lets the session timer wait while reading is paused, and go on after [SESSION-READING]", () => {
  const car = runningCar([FRONT], LIMITS);
  car.automatic = false;
  fill(car, FULL - 1);
  car.advance(4000);
  fill(car, 1);
  assert.deepEqual(car.advance(20_000).lines, []);
  car.modulesReturn(1);
  assert.equal(isSaturated(car.session), false);
  // The gateway has been silent for no time since it was last heard.
  assert.deepEqual(car.advance(9999).linesOf("ended"), []);
  const seen = car.advance(1);
  assert.deepEqual(seen.failures.map(({ reason, waitedMs }) => [reason, waitedMs]), [
    ["session_timeout", 10_000],
  ]);
});

Deno.test("step() counts what had passed before reading paused [SESSION-READING]", () => {
  const car = runningCar([FRONT, LAMP], LIMITS);
  car.automatic = false;
  fill(car, FULL - 1);
  car.command(LAMP, "on");
  car.advance(4000);
  fill(car, 1);
  car.advance(10_000);
  car.modulesReturn(1);
  assert.equal(car.deadline, car.now + 6000);
  // And a second pause on top of the first.
  fill(car, 1);
  car.advance(10_000);
  car.modulesReturn(1);
  assert.equal(car.deadline, car.now + 6000);
});

Deno.test("step() awaits no command response and no missing status while reading is paused [SESSION-READING]", () => {
  const commands = pausedCar();
  commands.command(LAMP, "on");
  commands.advance(20_000);
  assert.equal(commands.session.kind, "running");
  commands.modulesReturn(1);
  assert.deepEqual(commands.advance(9999).linesOf("ended"), []);
  assert.deepEqual(commands.advance(1).linesOf("ended"), ["ended command_unanswered"]);

  const gap = pausedCar({ sessionMs: 20_000 });
  gap.status(FRONT, { counter: gap.counter + 1 });
  gap.advance(20_000);
  gap.modulesReturn(1);
  assert.deepEqual(gap.advance(9999).linesOf("ended"), []);
  assert.deepEqual(gap.advance(1).linesOf("ended"), ["ended status_gap"]);
});

Deno.test("step() gives a new timeout its time also while reading is paused [SESSION-READING]", () => {
  const car = pausedCar();
  car.advance(9000);
  car.configure({ sessionMs: 5000 });
  car.modulesReturn(1);
  assert.equal(car.deadline, car.now + 5000);
});

Deno.test("step() ends a session whose module is slower than any gateway waits, and names it [SESSION-READING]", () => {
  const car = pausedCar();
  assert.equal(car.deadline, car.now + GATEWAY_ANSWER_MS);
  assert.deepEqual(car.advance(GATEWAY_ANSWER_MS - 1).lines, []);
  const seen = car.advance(1);
  assert.deepEqual(seen.linesOf("ALREADY_LOGGED", "ended"), [
    "ALREADY_LOGGED s1",
    "ended module_slow",
  ]);
  assert.deepEqual(seen.failures, [{
    reason: "module_slow",
    sessionId: "s1",
    detail: `Module 7 is too slow: status ${FULL + 1} is not answered, ${FULL} statuses wait and ` +
      "reading is paused",
    waitedMs: GATEWAY_ANSWER_MS,
  }]);
  assert.equal(isSaturated(car.session), false);
});

Deno.test("step() gives a slow module as long as the gateway may be silent, if that is longer [SESSION-READING]", () => {
  const car = pausedCar({ sessionMs: 60_000 });
  assert.deepEqual(car.advance(59_999).lines, []);
  assert.deepEqual(car.advance(1).linesOf("ended"), ["ended module_slow"]);
});

Deno.test("step() measures a slow module by one status, through all pauses of reading [SESSION-READING]", () => {
  const car = pausedCar();
  const since = car.now;
  // It takes one status a second, and one more is read each time.
  for (let i = 0; i < 29; i++) {
    car.advance(1000);
    car.modulesReturn(1);
    assert.equal(isSaturated(car.session), false);
    fill(car, 1);
  }
  assert.equal(car.deadline, since + GATEWAY_ANSWER_MS);
  assert.deepEqual(car.advance(1000).linesOf("ended"), ["ended module_slow"]);
});

Deno.test("step() lets a session go on whose module is slow, but not too slow [SESSION-READING]", () => {
  const car = pausedCar();
  for (let i = 0; i < 40; i++) {
    car.advance(10_000);
    car.modulesReturn(40);
    fill(car, 40);
    assert.equal(isSaturated(car.session), true);
  }
  assert.equal(car.session.kind, "running");
});

Deno.test("step() goes on watching a status when the one before it is answered [SESSION-READING]", () => {
  const car = runningCar([FRONT, REAR], { maxWaitingBytes: 100 });
  car.automatic = false;
  car.status(FRONT, { data: "x" });
  car.status(REAR, { data: "y".repeat(500) });
  const at = car.now + GATEWAY_ANSWER_MS;
  car.advance(5000);
  car.modulesReturn(1);
  assert.equal(car.deadline, at);
});

Deno.test("step() watches the next status when one is answered while reading stays paused [SESSION-READING]", () => {
  const car = runningCar([FRONT, REAR], { maxWaitingBytes: 100 });
  car.automatic = false;
  car.status(FRONT, { data: "x".repeat(500) });
  const first = car.now + GATEWAY_ANSWER_MS;
  assert.equal(car.deadline, first);
  car.advance(5000);
  // Sent before the gateway could be stopped.
  car.status(REAR, { data: "y".repeat(500) });
  assert.equal(car.deadline, first);
  car.modulesReturn(1);
  assert.equal(isSaturated(car.session), true);
  assert.equal(car.deadline, car.now + GATEWAY_ANSWER_MS);
  car.modulesReturn(1);
  assert.equal(isSaturated(car.session), false);
  assert.equal(car.running().reading.watched, null);
});
