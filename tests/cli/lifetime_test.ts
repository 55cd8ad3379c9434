// Starting and stopping in order, and giving up in time [STOP-ORDER].
import assert from "node:assert/strict";
import FakeTimers from "@sinonjs/fake-timers";
import { type Part, runUntilStopped } from "../../src/app/lifetime.ts";
import { silentLog } from "../../src/log/log.ts";
import type { Clock } from "../../src/time/clock.ts";

function fixture() {
  const time = FakeTimers.createClock();
  const clock: Clock = {
    now: () => time.now,
    set: (callback, ms) => time.setTimeout(callback, ms) as never,
    clear: (handle) => time.clearTimeout(handle as never),
  };
  const steps: string[] = [];
  const errors: string[] = [];
  const text = (message: string | (() => string)) =>
    typeof message === "string" ? message : message();
  const log = { ...silentLog, error: (m: string | (() => string)) => void errors.push(text(m)) };
  const stop = new AbortController();
  const part = (name: string, replaced: Partial<Part> = {}): Part => ({
    name,
    start: () => Promise.resolve(void steps.push(`start ${name}`)),
    stop: () => Promise.resolve(void steps.push(`stop ${name}`)),
    ...replaced,
  });
  const run = (parts: Part[]) => runUntilStopped(parts, { stop: stop.signal, log, clock });
  return { time, steps, errors, stop, part, run };
}

const forever = () => new Promise<void>(() => {});

Deno.test("runUntilStopped() stops in reverse what it started in order [STOP-ORDER]", async () => {
  const { steps, stop, part, run, time } = fixture();
  const running = run([part("a"), part("b")]);
  await time.tickAsync(3_600_000);
  assert.deepEqual(steps, ["start a", "start b"]);
  stop.abort("SIGTERM");
  assert.equal(await running, true);
  assert.deepEqual(steps, ["start a", "start b", "stop b", "stop a"]);
  assert.equal(time.countTimers(), 0);
});

Deno.test("runUntilStopped() undoes what it started when a part cannot start", async () => {
  const { steps, part, run, time } = fixture();
  const start = () => Promise.reject(new Error("no such library"));
  await assert.rejects(run([part("a"), part("b", { start }), part("c")]), /no such library/);
  assert.deepEqual(steps, ["start a", "stop a"]);
  assert.equal(time.countTimers(), 0);
});

Deno.test("runUntilStopped() goes on past a part that fails to stop [STOP-ORDER]", async () => {
  const { steps, errors, stop, part, run, time } = fixture();
  const running = run([part("a"), part("b", { stop: () => Promise.reject(new Error("stuck")) })]);
  await time.tickAsync(10);
  stop.abort("SIGINT");
  assert.equal(await running, false);
  assert.deepEqual(steps, ["start a", "start b", "stop a"]);
  assert.deepEqual(errors, ["Cannot stop b cleanly: stuck"]);
});

Deno.test("runUntilStopped() gives up in time when stopping hangs [STOP-ORDER]", async () => {
  const { errors, stop, part, run, time } = fixture();
  const running = run([part("a"), part("b", { stop: forever })]);
  await time.tickAsync(10);
  stop.abort("SIGTERM");
  await time.tickAsync(8000);
  assert.equal(await running, false);
  assert.deepEqual(errors, ["Gave up stopping b: not done after 8000 ms"]);
});

Deno.test("runUntilStopped() gives up in time when starting hangs and it is to stop", async () => {
  const { errors, stop, part, run, time } = fixture();
  const running = run([part("a"), part("b", { start: forever })]);
  await time.tickAsync(10);
  stop.abort("SIGTERM");
  await time.tickAsync(8000);
  assert.equal(await running, false);
  assert.deepEqual(errors, ["Gave up starting b: not done after 8000 ms"]);
});

Deno.test("runUntilStopped() stops what is starting, and starts nothing more", async () => {
  const { steps, stop, part, run, time } = fixture();
  const slow = Promise.withResolvers<void>();
  const running = run([part("a", { start: () => slow.promise }), part("b")]);
  await time.tickAsync(10);
  stop.abort("SIGTERM");
  await time.tickAsync(10);
  slow.resolve();
  assert.equal(await running, true);
  assert.deepEqual(steps, ["stop a"]);
});
