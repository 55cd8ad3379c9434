// Characters that change how a line is shown.
import assert from "node:assert/strict";
import { escapeUnsafe } from "../../src/text/escape.ts";

Deno.test("escapeUnsafe() makes every character visible that is acted on instead of shown", () => {
  const cases: [text: string, escaped: string][] = [
    ["plain, žluťoučký, 日本, 🚗", "plain, žluťoučký, 日本, 🚗"],
    ["a\nb\rc\td", "a\\nb\\rc\\td"],
    ["\x00\x1b[2J\x7f\x85", "\\u0000\\u001b[2J\\u007f\\u0085"],
    ["car\u202e1_rac\u2066x\u2069", "car\\u202e1_rac\\u2066x\\u2069"],
    ["\u200b\u200d\u200f\u00ad\ufeff", "\\u200b\\u200d\\u200f\\u00ad\\ufeff"],
    ["a\u2028b\u2029c", "a\\u2028b\\u2029c"],
    ["\ud83d!\ude97", "\\ud83d!\\ude97"],
    ["\u{e0041}", "\\udb40\\udc41"],
  ];
  for (const [text, escaped] of cases) assert.equal(escapeUnsafe(text), escaped);
});

Deno.test("escapeUnsafe() keeps the meaning of JSON", () => {
  const value = { "a\u202eb": "\u{e0041}\ud800\u2028 \u0000\n" };
  const escaped = escapeUnsafe(JSON.stringify(value));
  assert.doesNotMatch(escaped, /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
  assert.deepEqual(JSON.parse(escaped), value);
});
