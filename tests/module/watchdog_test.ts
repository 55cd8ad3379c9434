// A host that gives no answer, or grows without end.
import assert from "node:assert/strict";
import FakeTimers from "@sinonjs/fake-timers";
import { MemoryWatch, Watchdog } from "../../src/module/process/watchdog.ts";
import type { Clock, TimerHandle } from "../../src/time/clock.ts";

function setUp() {
  const time = FakeTimers.createClock();
  const clock: Clock = {
    now: () => time.now,
    set: (callback, delayMs) => time.setTimeout(callback, delayMs) as unknown as TimerHandle,
    clear: (handle) => time.clearTimeout(handle as never),
  };
  const silences: number[] = [];
  let asked = 0;
  const watchdog = new Watchdog({
    timeoutMs: 30_000,
    clock,
    ask: () => asked++,
    onSilent: (silentMs) => silences.push(silentMs),
  });
  return { time, watchdog, silences, asked: () => asked };
}

Deno.test("Watchdog gives up once when nothing was answered for the whole timeout", () => {
  const { time, watchdog, silences } = setUp();
  watchdog.start();
  time.tick(34_999);
  assert.deepEqual(silences, []);
  time.tick(1);
  assert.deepEqual(silences, [30_000]);
  time.tick(100_000);
  assert.equal(silences.length, 1);
  assert.equal(time.countTimers(), 0);
});

Deno.test("Watchdog is content with one answer in each timeout", () => {
  const { time, watchdog, silences, asked } = setUp();
  watchdog.start();
  for (let i = 0; i < 20; i++) {
    time.tick(29_000);
    watchdog.answered();
  }
  assert.deepEqual(silences, []);
  assert.equal(asked(), 116);
  watchdog.stop();
  assert.equal(time.countTimers(), 0);
});

for (
  const [maxBytes, said] of [[0, ["large 51"]], [100, ["exceeded 101"]], [40, [
    "exceeded 50",
  ]]] as const
) {
  Deno.test(`MemoryWatch speaks once, with a limit of ${maxBytes} and a warning at 50`, () => {
    const heard: string[] = [];
    const memory = new MemoryWatch({
      maxBytes,
      warnBytes: 50,
      onExceeded: (bytes) => heard.push(`exceeded ${bytes}`),
      onLarge: (bytes) => heard.push(`large ${bytes}`),
    });
    for (const bytes of [40, 50, 51, 100, 101, 40, 200]) memory.seen(bytes);
    assert.deepEqual(heard, said);
  });
}
