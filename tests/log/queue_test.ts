// Gathering lines, and what happens when a sink is stuck.
import assert from "node:assert/strict";
import FakeTimers from "@sinonjs/fake-timers";
import { LineQueue, type LineQueueOptions } from "../../src/log/queue.ts";
import type { Clock } from "../../src/time/clock.ts";

/** A queue before a sink that takes a chunk only on request. */
function stuckQueue(options: Partial<LineQueueOptions> = {}) {
  const time = FakeTimers.createClock();
  const clock: Clock = {
    now: () => time.now,
    set: (callback, ms) => time.setTimeout(callback, ms) as never,
    clear: (handle) => time.clearTimeout(handle as never),
  };
  const chunks: string[] = [];
  const queue = new LineQueue({
    clock,
    intervalMs: 250,
    maxChars: 100,
    chunkChars: 20,
    write: (chunk) => void chunks.push(chunk),
    lostLine: (count) => `lost ${count}\n`,
    ...options,
  });
  return { queue, chunks, time };
}

Deno.test("push() lets lines wait for each other, an interval at most", () => {
  const { queue, chunks, time } = stuckQueue();
  queue.push("a\n", false);
  time.tick(200);
  queue.push("b\n", false);
  assert.deepEqual(chunks, []);
  time.tick(50);
  assert.deepEqual(chunks, ["a\nb\n"]);
  queue.taken();
  assert.equal(time.countTimers(), 0);
});

Deno.test("push() sends an urgent line at once, after those before it", () => {
  const { queue, chunks, time } = stuckQueue();
  queue.push("a\n", false);
  queue.push("error\n", true);
  assert.deepEqual(chunks, ["a\nerror\n"]);
  assert.equal(time.countTimers(), 0);
});

Deno.test("push() hands over one chunk at a time, in order and in whole lines", () => {
  const { queue, chunks } = stuckQueue();
  for (let i = 0; i < 10; i++) queue.push(`line ${i}\n`, false);
  assert.deepEqual(chunks, ["line 0\nline 1\n"]);
  for (let i = 0; i < 4; i++) queue.taken();
  assert.equal(chunks.join(""), Array.from({ length: 10 }, (_, i) => `line ${i}\n`).join(""));
  assert.ok(chunks.every((chunk) => chunk.length <= 20), JSON.stringify(chunks));
});

Deno.test("push() hands over a line longer than a chunk, alone", () => {
  const { queue, chunks } = stuckQueue();
  queue.push("a\n", false);
  queue.push(`${"x".repeat(50)}\n`, false);
  queue.taken();
  assert.deepEqual(chunks, ["a\n", `${"x".repeat(50)}\n`]);
});

Deno.test("push() loses what comes while the sink is stuck, and says how much", () => {
  const { queue, chunks } = stuckQueue();
  for (let i = 0; i < 1000; i++) queue.push("nine chrs\n", true);
  assert.equal(chunks.length, 1);
  const kept = 1 + 10;
  for (let i = 0; i < 20; i++) queue.taken();
  const lines = chunks.join("").trimEnd().split("\n");
  assert.equal(lines.filter((line) => line === "nine chrs").length, kept);
  assert.deepEqual(lines.filter((line) => line !== "nine chrs"), [`lost ${1000 - kept}`]);
});

Deno.test("flush() resolves when everything was taken", async () => {
  const { queue, chunks } = stuckQueue();
  queue.push("a\n", false);
  let flushed = false;
  const flush = queue.flush().then(() => flushed = true);
  await Promise.resolve();
  assert.deepEqual(chunks, ["a\n"]);
  assert.equal(flushed, false);
  queue.taken();
  await flush;
  await queue.flush();
});

Deno.test("clear() leaves no timer behind", () => {
  const { queue, chunks, time } = stuckQueue();
  queue.push("a\n", false);
  queue.clear();
  time.tick(1000);
  assert.deepEqual(chunks, []);
});
