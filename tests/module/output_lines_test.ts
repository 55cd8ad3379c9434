// What libraries print, cut into lines.
import assert from "node:assert/strict";
import { LineSplitter, readLines } from "../../src/module/process/output_lines.ts";
import { VirtualClock } from "../support/virtual_clock.ts";
import { waitFor } from "../support/wait.ts";
import { forward, openContext, specOf, startHost } from "./support.ts";

const MIB = 1024 * 1024;

/** Takes all of it, however many turns that takes. */
function takeAll(splitter: LineSplitter, text: string): number {
  const bytes = new TextEncoder().encode(text);
  let turns = 0;
  for (let at = 0; at < bytes.length; turns++) at = splitter.take(bytes, at);
  return turns;
}

function split(...chunks: string[]): string[] {
  const lines: string[] = [];
  const splitter = new LineSplitter((line) => lines.push(line), new VirtualClock());
  for (const chunk of chunks) takeAll(splitter, chunk);
  splitter.end();
  return lines;
}

Deno.test("LineSplitter joins what was cut and cuts what was joined", () => {
  assert.deepEqual(split("on", "e\ntwo\n\nthr", "ee"), ["one", "two", "", "three"]);
});

Deno.test("LineSplitter cuts lines that are too long, and says so", () => {
  const [line, next] = split("x".repeat(10_000), "y".repeat(10_000), "\nnext\n");
  assert.equal(line, `${"x".repeat(8192)} [cut at 8192 bytes]`);
  assert.equal(next, "next");
});

Deno.test("LineSplitter drops lines beyond the rate and says how many", async () => {
  const lines: string[] = [];
  const clock = new VirtualClock();
  const splitter = new LineSplitter((line) => lines.push(line), clock);
  takeAll(splitter, "x\n".repeat(600) + "dropped, ");
  takeAll(splitter, "too\n".padEnd(9000, "y") + "\n".repeat(98) + "ke");
  assert.equal(lines.length, 500);
  await clock.advance(1000);
  takeAll(splitter, "pt\nlater\n");
  assert.deepEqual(lines.slice(500), [
    "[199 lines dropped: more than 500 in a second]",
    "kept",
    "later",
  ]);
  splitter.end();
  assert.equal(lines.length, 503);
});

Deno.test("LineSplitter says at the end what was dropped last", () => {
  const lines = split("x\n".repeat(501) + "the end");
  assert.deepEqual(lines.slice(500), [
    "the end",
    "[1 line dropped: more than 500 in a second]",
  ]);
});

Deno.test("LineSplitter hands on few lines in a turn, and drops in one step", () => {
  const splitter = new LineSplitter(() => {}, new VirtualClock());
  assert.equal(takeAll(splitter, "x\n".repeat(64)), 2);
  takeAll(splitter, "x\n".repeat(436));
  assert.equal(takeAll(splitter, "x\n".repeat(30_000)), 1);
});

Deno.test("LineSplitter reads bytes that are not UTF-8 with replacement characters", () => {
  const lines: string[] = [];
  const splitter = new LineSplitter((line) => lines.push(line), new VirtualClock());
  splitter.take(Uint8Array.of(0x61, 0xff, 0x0a), 0);
  assert.deepEqual(lines, ["a\ufffd"]);
});

/** A stream that always has 64 KiB more, and how much of it was read. */
function endless(): { stream: ReadableStream<Uint8Array>; read: () => number } {
  const chunk = new TextEncoder().encode("z\n".repeat(32 * 1024));
  let read = 0;
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      read += chunk.length;
      controller.enqueue(chunk);
    },
  }, { highWaterMark: 0 });
  return { stream, read: () => read };
}

Deno.test("readLines() reads 1 MiB in a second and then nothing until it is over", async () => {
  const clock = new VirtualClock();
  const [ended, abandoned] = [new AbortController(), new AbortController()];
  const { stream, read } = endless();
  const lines: string[] = [];
  const reading = readLines(stream, (line) => lines.push(line), {
    ended: ended.signal,
    abandoned: abandoned.signal,
    clock,
  });
  for (let second = 1; second <= 3; second++) {
    await waitFor(() => clock.timers === 1, "the pause");
    assert.equal(read(), second * MIB);
    await clock.advance(1000);
  }
  const said = lines.filter((line) => line !== "z");
  assert.deepEqual(
    said.slice(0, 2),
    Array(2).fill(`[${MIB / 2 - 500} lines dropped: more than 500 in a second]`),
  );
  abandoned.abort();
  ended.abort();
  await waitFor(reading, "the end");
  assert.equal(clock.timers, 0);
});

Deno.test("readLines() pauses no more when the process has ended", async () => {
  const clock = new VirtualClock();
  const ended = new AbortController();
  let left = 40;
  const chunk = new TextEncoder().encode("z\n".repeat(32 * 1024));
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (left-- > 0) controller.enqueue(chunk);
      else {
        controller.enqueue(new TextEncoder().encode("last words"));
        controller.close();
      }
    },
  }, { highWaterMark: 0 });
  const lines: string[] = [];
  const reading = readLines(stream, (line) => lines.push(line), {
    ended: ended.signal,
    abandoned: new AbortController().signal,
    clock,
  });
  await waitFor(() => clock.timers === 1, "the pause");
  ended.abort();
  await waitFor(reading, "the end");
  assert.equal(lines.at(-2), "last words");
  assert.equal(clock.timers, 0);
});

for (const stream of ["stdout", "stderr"]) {
  Deno.test(`A library that floods ${stream} is held back, and its context served`, async () => {
    await using test = await startHost();
    const floods = { crash_in: "init", crash_how: "flood", flood_to: stream };
    const { context } = await openContext(test.host, specOf("car_a", floods));
    const dropped: number[] = [];
    while (dropped.length < 2) {
      const line = await test.printed.next("a line");
      const count = /^\w+: \[(\d+) lines dropped/.exec(line)?.[1];
      if (count !== undefined) dropped.push(Number(count));
      else assert.equal(line, `${stream}: z`);
    }
    // What one second takes, and the chunk with which it was exceeded.
    for (const count of dropped) assert.ok(count <= (MIB + 65_536) / 2, `${count} dropped`);
    assert.equal(await forward(context), "ok");
    await waitFor(test.host.stop(), "the host to stop", 20_000);
  });
}
