// A run that ends by itself: its time counts from when everything has started.
import assert from "node:assert/strict";
import { Countdown } from "../../src/app/demo/countdown.ts";
import { runUntilStopped } from "../../src/app/lifetime.ts";
import { silentLog } from "../../src/log/log.ts";
import { VirtualClock } from "../support/virtual_clock.ts";

function running(seconds: number | undefined) {
  const clock = new VirtualClock();
  const started = Promise.withResolvers<void>();
  const interrupted = new AbortController();
  const slow = { name: "slow", start: () => started.promise, stop: () => Promise.resolve() };
  const countdown = new Countdown(seconds, interrupted.signal, clock);
  const stop = countdown.signal;
  const ended = runUntilStopped([slow, countdown], { stop, log: silentLog, clock });
  return { clock, started, interrupted, countdown, ended };
}

Deno.test("Countdown counts from when everything before it has started", async () => {
  const { clock, started, countdown, ended } = running(3);
  await clock.advance(60_000);
  started.resolve();
  await clock.advance(0);
  await clock.advance(2_999);
  assert.equal(countdown.signal.aborted, false);
  await clock.advance(1);
  assert.equal(countdown.signal.aborted, true);
  assert.equal(await ended, true);
  assert.equal(clock.timers, 0);
});

Deno.test("Countdown leaves no timer behind a run that is interrupted", async () => {
  const { clock, started, interrupted, ended } = running(3);
  started.resolve();
  await clock.advance(0);
  assert.equal(clock.timers, 1);
  interrupted.abort("SIGINT");
  assert.equal(await ended, true);
  assert.equal(clock.timers, 0);
});

Deno.test("Countdown never ends a run without a time", async () => {
  const { clock, started, interrupted, countdown, ended } = running(undefined);
  started.resolve();
  await clock.advance(86_400_000);
  assert.equal(countdown.signal.aborted, false);
  interrupted.abort("SIGINT");
  assert.equal(await ended, true);
});
