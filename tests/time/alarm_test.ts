// One timer for a deadline that moves.
import assert from "node:assert/strict";
import { Alarm } from "../../src/time/alarm.ts";
import { VirtualClock } from "../support/virtual_clock.ts";

Deno.test("Alarm is due at the earliest moment it was set for, once", () => {
  const clock = new VirtualClock();
  const at: number[] = [];
  const alarm = new Alarm(clock, () => at.push(clock.now()));
  alarm.set(100);
  alarm.set(50);
  alarm.set(200);
  assert.equal(clock.timers, 1);
  clock.pass(300);
  assert.deepEqual(at, [50]);
  alarm.set(400);
  clock.pass(99);
  assert.deepEqual(at, [50]);
  clock.pass(1);
  assert.deepEqual(at, [50, 400]);
});

Deno.test("Alarm never comes too early by a fraction of a millisecond", () => {
  const clock = new VirtualClock();
  const at: number[] = [];
  const alarm = new Alarm(clock, () => at.push(clock.now()));
  alarm.set(10.2);
  clock.pass(20);
  assert.deepEqual(at, [11]);
});

Deno.test("Alarm leaves no timer when it is set for never, and what is past is due at once", () => {
  const clock = new VirtualClock();
  let due = 0;
  const alarm = new Alarm(clock, () => due++);
  alarm.set(10);
  alarm.set(Infinity);
  assert.equal(clock.timers, 0);
  clock.pass(100);
  assert.equal(due, 0);
  alarm.set(5);
  clock.pass(0);
  assert.equal(due, 1);
});
