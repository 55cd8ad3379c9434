// What libraries print, cut into lines.
import assert from "node:assert/strict";
import { LineSplitter } from "../../src/module/output_lines.ts";

function split(...chunks: string[]): string[] {
  const lines: string[] = [];
  const splitter = new LineSplitter((line) => lines.push(line), () => 0);
  for (const chunk of chunks) splitter.push(new TextEncoder().encode(chunk));
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

Deno.test("LineSplitter drops lines beyond the rate and says how many", () => {
  const lines: string[] = [];
  let now = 0;
  const splitter = new LineSplitter((line) => lines.push(line), () => now);
  splitter.push(new TextEncoder().encode("x\n".repeat(700)));
  assert.equal(lines.length, 500);
  now = 1000;
  splitter.push(new TextEncoder().encode("later\n"));
  assert.deepEqual(lines.slice(500), [
    "[200 lines dropped: more than 500 in a second]",
    "later",
  ]);
});

Deno.test("LineSplitter reads bytes that are not UTF-8 with replacement characters", () => {
  const lines: string[] = [];
  const splitter = new LineSplitter((line) => lines.push(line));
  splitter.push(Uint8Array.of(0x61, 0xff, 0x0a));
  assert.deepEqual(lines, ["a\ufffd"]);
});
