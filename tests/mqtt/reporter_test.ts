// What is said about a broker that cannot be reached, for all cars together.
import assert from "node:assert/strict";
import { FailureReporter } from "../../src/transport/mqtt/reporter.ts";
import { silentLog } from "../../src/log/log.ts";
import { VirtualClock } from "../support/virtual_clock.ts";

function makeReporter() {
  const clock = new VirtualClock();
  const lines: string[] = [];
  const write = (message: string | (() => string)) => lines.push(String(message));
  const log = { ...silentLog, warning: write, info: write };
  const reporter = new FailureReporter("mqtt://b:1", log, clock);
  const fail = (car: string, reason = "gone", waiting = 0) =>
    reporter.failed(car, { code: "other", reason }, waiting);
  return { clock, reporter, fail, said: () => lines.splice(0) };
}

const FIRST = (reason: string, car: string) =>
  `Cannot use the broker mqtt://b:1: ${reason} (car ${car}). ` +
  "Look at the broker's log for the same moment";

Deno.test("FailureReporter counts cars and attempts since the last report, and those that wait", () => {
  const { clock, fail, said } = makeReporter();
  fail("a");
  assert.deepEqual(said(), [FIRST("gone", "a")]);
  clock.pass(59_999);
  fail("a");
  assert.deepEqual(said(), []);
  clock.pass(1);
  fail("a");
  const again = (extent: string) => [
    `Cannot use the broker mqtt://b:1: gone (${extent} since the last report)`,
  ];
  assert.deepEqual(said(), again("1 car, 2 attempts"));
  fail("b");
  clock.pass(60_000);
  fail("a");
  assert.deepEqual(said(), again("2 cars, 2 attempts"));
  clock.pass(60_000);
  fail("a", "gone", 1);
  assert.deepEqual(said(), again("2 cars, 1 attempts"));
  clock.pass(60_000);
  fail("a", "gone", 2);
  assert.deepEqual(said(), again("3 cars, 1 attempts"));
});

Deno.test("FailureReporter says that a broker works again when the last car is back, once", () => {
  const { clock, reporter, fail, said } = makeReporter();
  fail("a");
  fail("b");
  clock.pass(1_500);
  assert.equal(said().length, 1);
  reporter.done("a", true);
  reporter.done("c", true);
  assert.deepEqual(said(), []);
  reporter.done("b", true);
  assert.deepEqual(said(), ["The broker mqtt://b:1 works again after 2 s: gone"]);
  reporter.done("b", true);
  // Within the minute nothing is said, neither of the next failure nor of its end.
  fail("a");
  reporter.done("a", true);
  assert.deepEqual(said(), []);
  // It is forgotten after a minute, as if it had never been.
  clock.pass(58_500);
  reporter.done("c", true);
  fail("b");
  assert.deepEqual(said(), [FIRST("gone", "b")]);
});

Deno.test("FailureReporter says nothing when the last car stops trying, and counts from the next failure", () => {
  const { clock, reporter, fail, said } = makeReporter();
  fail("a");
  reporter.done("a", false);
  assert.deepEqual(said(), [FIRST("gone", "a")]);
  clock.pass(50_000);
  fail("b");
  clock.pass(4_000);
  reporter.done("b", true);
  assert.deepEqual(said(), ["The broker mqtt://b:1 works again after 4 s: gone"]);
});

Deno.test("FailureReporter counts a car for its newest reason only", () => {
  const { clock, reporter, fail, said } = makeReporter();
  fail("a", "gone");
  fail("b", "gone");
  fail("a", "refused");
  assert.deepEqual(said(), [FIRST("gone", "a"), FIRST("refused", "a")]);
  clock.pass(60_000);
  fail("b", "gone");
  assert.match(said().join(), /\(1 car, 2 attempts/);
  reporter.done("a", true);
  reporter.done("b", true);
  assert.deepEqual(said().map((line) => line.split(": ").at(-1)), ["refused", "gone"]);
});

Deno.test("FailureReporter tells 20 reasons apart, and counts more as one", () => {
  const { clock, fail, said } = makeReporter();
  for (let i = 0; i < 25; i++) fail(`car_${i}`, `reason ${i}`);
  const reasons = said().map((line) => /: (.*) \(car/.exec(line)?.[1]);
  const apart = Array.from({ length: 20 }, (_, i) => `reason ${i}`);
  assert.deepEqual(reasons, [...apart, "other reasons"]);
  clock.pass(60_000);
  fail("car_25", "reason 25", 9);
  assert.match(said().join(), /other reasons \(10 cars, 5 attempts/);
  fail("car_3", "reason 3");
  assert.match(said().join(), /reason 3 \(1 car, 1 attempts/);
});
