// Waiting for something, but not forever.
import assert from "node:assert/strict";
import { systemClock } from "../../src/time/clock.ts";
import { within } from "../../src/time/within.ts";
import { settled, VirtualClock } from "../support/virtual_clock.ts";
import { waitFor } from "../support/wait.ts";

Deno.test("within() says that it was in time, and leaves no timer", async () => {
  const clock = new VirtualClock();
  const work = Promise.withResolvers<string>();
  const result = within(work.promise, 100, clock);
  await clock.advance(99);
  work.resolve("done");
  assert.equal(await result, true);
  assert.equal(clock.timers, 0);
});

Deno.test("within() says that it was not in time, whatever comes later", async () => {
  const clock = new VirtualClock();
  const work = Promise.withResolvers<string>();
  const result = within(work.promise, 100, clock);
  await clock.advance(100);
  assert.equal(await result, false);
  assert.equal(clock.timers, 0);
  // Nobody handles this one any more: it must not end the program.
  work.reject(new Error("late"));
  await settled();
});

Deno.test("within() rejects with what is rejected in time, and leaves no timer", async () => {
  const clock = new VirtualClock();
  await assert.rejects(within(Promise.reject(new Error("no")), 100, clock), /^Error: no$/);
  assert.equal(clock.timers, 0);
});

Deno.test("systemClock never goes back, and calls what was set and not cleared", async () => {
  const before = systemClock.now();
  const called: string[] = [];
  systemClock.clear(systemClock.set(() => called.push("cleared"), 0));
  const fired = new Promise<void>((resolve) => {
    systemClock.set(() => {
      called.push("set");
      resolve();
    }, 1);
  });
  await waitFor(fired, "the timer");
  assert.deepEqual(called, ["set"]);
  assert.ok(systemClock.now() >= before);
});
