// The machine's clock, and what is due in the same turn of the event loop.
import assert from "node:assert/strict";
import { every, sleep, systemClock, wallTime } from "../../src/time/clock.ts";
import { VirtualClock } from "../support/virtual_clock.ts";

/** Keeps the event loop busy, so that everything that comes meanwhile is due in one turn. */
function block(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

Deno.test("systemClock fires no timer that was taken back, though it was due already", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using guest = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
  using conn = await listener.accept();
  let late = 0;
  for (let round = 0; round < 10; round++) {
    let cleared = false;
    const timer = systemClock.set(() => late += cleared ? 1 : 0, 2);
    const read = conn.read(new Uint8Array(1)).then(() => {
      systemClock.clear(timer);
      cleared = true;
    });
    await guest.write(new Uint8Array(1));
    block(5);
    await read;
    // Timers of one delay fire in the order in which they were set.
    await new Promise<void>((resolve) => systemClock.set(resolve, 2));
  }
  assert.equal(late, 0);
});

Deno.test("systemClock fires a timer once, and taking it back later does nothing", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = systemClock.set(resolve, 1);
  await promise;
  systemClock.clear(timer);
});

Deno.test({
  name: "systemClock.clear() leaves no timer of the runtime",
  sanitizeOps: true,
  fn: () => systemClock.clear(systemClock.set(() => {}, 60_000)),
});

Deno.test("systemClock.now() is the date, and goes on as time does", () => {
  const before = systemClock.now();
  assert.ok(Math.abs(before - wallTime()) < 60_000, `${before} is not about ${wallTime()}`);
  block(2);
  assert.ok(systemClock.now() - before >= 2);
});

Deno.test("every() calls again and again until it is ended, from within too", () => {
  const clock = new VirtualClock();
  const at: number[] = [];
  const end = every(10, () => {
    at.push(clock.now());
    if (at.length === 3) end();
  }, clock);
  clock.pass(100);
  assert.deepEqual(at, [10, 20, 30]);
  assert.equal(clock.timers, 0);
});

Deno.test("every() goes on when the callback throws", () => {
  const clock = new VirtualClock();
  const end = every(10, () => {
    throw new Error("no");
  }, clock);
  assert.throws(() => clock.pass(10), /no/);
  assert.equal(clock.timers, 1);
  end();
  assert.equal(clock.timers, 0);
});

Deno.test("sleep() resolves when the time is over", async () => {
  const clock = new VirtualClock();
  let over = false;
  const sleeping = sleep(10, clock).then(() => over = true);
  await clock.advance(9);
  assert.equal(over, false);
  await clock.advance(1);
  await sleeping;
});
