// Waiting for something, but not forever.
import assert from "node:assert/strict";
import { deadline, DeadlineError, firstOf, within } from "../../src/time/deadline.ts";
import { settled, VirtualClock } from "../support/virtual_clock.ts";

Deno.test("deadline() gives what comes in time, and leaves no timer", async () => {
  const clock = new VirtualClock();
  const work = Promise.withResolvers<string>();
  const result = deadline(work.promise, 100, clock);
  await clock.advance(99);
  work.resolve("done");
  assert.equal(await result, "done");
  assert.equal(clock.timers, 0);
});

Deno.test("deadline() rejects with what is rejected in time, and leaves no timer", async () => {
  const clock = new VirtualClock();
  await assert.rejects(deadline(Promise.reject(new Error("no")), 100, clock), /^Error: no$/);
  assert.equal(clock.timers, 0);
});

Deno.test("deadline() rejects what comes too late, whatever comes then", async () => {
  const clock = new VirtualClock();
  const work = Promise.withResolvers<string>();
  const result = deadline(work.promise, 100, clock);
  await Promise.all([assert.rejects(result, DeadlineError), clock.advance(100)]);
  assert.equal(clock.timers, 0);
  // This one is no longer handled: it must not end the program.
  work.reject(new Error("late"));
  await settled();
});

Deno.test("deadline() makes the error it is given only when it is too late", async () => {
  const clock = new VirtualClock();
  let made = 0;
  const late = () => new Error(`late ${++made}`);
  assert.equal(await deadline(Promise.resolve(1), 100, clock, late), 1);
  assert.equal(made, 0);
  const result = deadline(new Promise(() => {}), 100, clock, late);
  await Promise.all([assert.rejects(result, /^Error: late 1$/), clock.advance(100)]);
});

Deno.test("within() says whether it was in time, and leaves no timer", async () => {
  const clock = new VirtualClock();
  assert.equal(await within(Promise.resolve(false), 100, clock), true);
  const result = within(new Promise(() => {}), 100, clock);
  await clock.advance(100);
  assert.equal(await result, false);
  assert.equal(clock.timers, 0);
});

Deno.test("within() rejects with what is rejected in time", async () => {
  const clock = new VirtualClock();
  const failed = Promise.reject(new DeadlineError("another one's"));
  await assert.rejects(within(failed, 100, clock), /another one's/);
  assert.equal(clock.timers, 0);
});

Deno.test("firstOf() gives what settles first, and ignores what the others do", async () => {
  const first = Promise.withResolvers<string>();
  const second = Promise.withResolvers<string>();
  const result = firstOf(first.promise, second.promise);
  second.resolve("second");
  assert.equal(await result, "second");
  first.reject(new Error("late"));
  await settled();
});
