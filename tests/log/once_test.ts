// Rate limiting of log lines.
import assert from "node:assert/strict";
import { andSuppressed, Once } from "../../src/log/once.ts";
import type { Clock } from "../../src/time/clock.ts";

/** A clock that only moves by hand. */
function handClock(): { clock: Clock; advance(ms: number): void } {
  let now = 5;
  const clock: Clock = { now: () => now, set: () => 0 as never, clear: () => {} };
  return { clock, advance: (ms) => void (now += ms) };
}

Deno.test("ask() lets a kind pass once a minute and counts what it kept back", () => {
  const { clock, advance } = handClock();
  const once = new Once({ clock });
  assert.equal(once.ask("truncated"), 0);
  assert.equal(once.ask("truncated"), undefined);
  advance(59_999);
  assert.equal(once.ask("truncated"), undefined);
  advance(1);
  assert.equal(once.ask("truncated"), 2);
  assert.equal(once.ask("truncated"), undefined);
  advance(60_000);
  assert.equal(once.ask("truncated"), 1);
});

Deno.test("ask() distinguishes kinds", () => {
  const once = new Once({ clock: handClock().clock });
  assert.equal(once.ask("a"), 0);
  assert.equal(once.ask("b"), 0);
  assert.equal(once.ask("a"), undefined);
});

Deno.test("ask() lets a kind pass a number of times in an interval, and counts the rest", () => {
  const { clock, advance } = handClock();
  const once = new Once({ clock, times: 3 });
  const passed = [];
  for (let i = 0; i < 10; i++) {
    passed.push(once.ask("a"));
    advance(100);
  }
  assert.deepEqual(passed, [0, 0, 0, ...Array(7).fill(undefined)]);
  assert.equal(once.ask("b"), 0);
  advance(60_000);
  assert.deepEqual([once.ask("a"), once.ask("a"), once.ask("a"), once.ask("a")], [
    7,
    0,
    0,
    undefined,
  ]);
});

Deno.test("ask() adds up what was left out before it was asked", () => {
  const { clock, advance } = handClock();
  const once = new Once({ clock, times: 2 });
  assert.deepEqual([once.ask("a", 5), once.ask("a", 3), once.ask("a", 10)], [4, 2, undefined]);
  advance(60_000);
  assert.equal(once.ask("a", 2), 11);
});

Deno.test("ask() stays bounded, in memory and in lines, when every kind is new", () => {
  const { clock, advance } = handClock();
  const once = new Once({ clock, maxKeys: 10 });
  const flood = () => {
    let passed = 0;
    for (let i = 0; i < 10_000; i++) if (once.ask(`kind ${i}`) !== undefined) passed++;
    return passed;
  };
  assert.equal(flood(), 11);
  assert.ok(once.size <= 11, `${once.size} kinds remembered`);
  advance(30_000);
  assert.equal(flood(), 0);
  advance(30_000);
  assert.ok(once.ask("new after a minute") !== undefined);
  assert.ok(flood() <= 11);
  assert.ok(once.size <= 11, `${once.size} kinds remembered`);
});

Deno.test("andSuppressed() says nothing for the first line of a kind", () => {
  assert.equal(andSuppressed(0), "");
  assert.equal(andSuppressed(3), " (and 3 more like this since the last line)");
});
