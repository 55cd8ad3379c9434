// Time comes from one place, which tests replace: src/time/.
import assert from "node:assert/strict";
import { join, relative } from "node:path";

const SRC = new URL("../../src/", import.meta.url).pathname;
/** Where time comes from, and what runs in browsers. */
const EXEMPT = ["time/", "http/page/static/"];
const RAW =
  /\b(?:set(?:Timeout|Interval)|clear(?:Timeout|Interval)|Date\.now|new Date\(\)|performance\.(?:now|timeOrigin)|Promise\.race)\b/;

function* sourceFiles(folder = SRC): Generator<string> {
  for (const entry of Deno.readDirSync(folder)) {
    const path = join(folder, entry.name);
    if (entry.isDirectory) yield* sourceFiles(path);
    else if (/\.[jt]s$/.test(entry.name)) yield relative(SRC, path);
  }
}

Deno.test("timers, dates and races are those of src/time/", () => {
  const found: string[] = [];
  for (const file of sourceFiles()) {
    if (EXEMPT.some((folder) => file.startsWith(folder))) continue;
    for (const [index, line] of Deno.readTextFileSync(join(SRC, file)).split("\n").entries()) {
      if (RAW.test(line)) found.push(`src/${file}:${index + 1}: ${line.trim()}`);
    }
  }
  assert.deepEqual(found, [], "Use the clock, deadline(), within() or firstOf() of src/time/");
});
