// JSON whose mistakes are found by line and column.
import assert from "node:assert/strict";
import fc from "../support/properties.ts";
import { readJson } from "../../src/config/dialects/json.ts";

/** A text, and what is said of it. */
const MISTAKES = {
  "": "Expected a value at line 1, column 1: found the end of the file",
  '{\n  "a": 1,\n}': 'Expected a key in double quotes at line 3, column 1: found "}"',
  '{"a" 1}': 'Expected ":" at line 1, column 6: found a bare word',
  '{"a": 1 "b": 2}': `Expected ",", "]" or "}" at line 1, column 9: found '"'`,
  '{"a": hunter2}': "Expected a value or a quoted key at line 1, column 7: found a bare word",
  '{"password": "hunter2':
    `Expected a closing " for the string that begins at line 1, column 14: found '"'`,
  '{"a": {"b": 1': 'Expected "," or "}" at line 1, column 14: found the end of the file',
  '{"a": "x\n"}': `Expected a closing " for the string that begins at line 1, column 7: found '"'`,
  '{"a": "\\x"}': `Expected valid escapes in the string that begins at line 1, column 7: found '"'`,
  "[1 2]": 'Expected ",", "]" or "}" at line 1, column 4: found a bare word',
  "[01]": 'Expected ",", "]" or "}" at line 1, column 3: found a bare word',
  "{} // no": 'Expected no comment at line 1, column 4: found "/"',
  "{} {}": 'Expected the end of the file at line 1, column 4: found "{"',
  "{'a': 1}": `Expected a value or a quoted key at line 1, column 2: found "'"`,
  "[\u00a01]": "Expected a value or a quoted key at line 1, column 2: found another character",
};

for (const [text, message] of Object.entries(MISTAKES)) {
  Deno.test(`readJson() names line and column in ${JSON.stringify(text)}`, () => {
    assert.deepEqual(readJson(text), { ok: false, message });
  });
}

Deno.test("readJson() refuses documents that are nested too deep", () => {
  const result = readJson("[".repeat(100_000));
  assert.match(result.ok ? "" : result.message, /^Expected at most 100 nested levels at line 1/);
});

Deno.test("readJson() finds keys given twice", () => {
  const result = readJson('{\n"a": {"b": 1,\n"b": 2},\n"c": {"b": 1},\n"\\u0061": 3}');
  assert.ok(result.ok);
  assert.deepEqual(result.duplicates, [{ path: "a.b", line: 3 }, { path: "a", line: 5 }]);
});

Deno.test("readJson() gives what JSON.parse gives", () => {
  fc.assert(fc.property(fc.json({ maxDepth: 5 }), (text) => {
    const result = readJson(text);
    assert.deepEqual(result.ok && result.document, JSON.parse(text));
  }));
});

Deno.test("readJson() keeps how numbers are written, where the program would write them differently", () => {
  const text = '{"a": {"x": 5.0, "y": 5, "z": 1, "z": -0}, "x": "5.0", "list": [0.10, 1e400]}';
  const result = readJson(text);
  assert.ok(result.ok);
  const { document, numbers } = result;
  const { a, list } = document as { a: object; list: object };
  assert.deepEqual(document, JSON.parse(text));
  assert.deepEqual(["x", "y", "z", "none"].map((key) => numbers.textOf(a, key)), [
    "5.0",
    undefined,
    "-0",
    undefined,
  ]);
  assert.equal(numbers.textOf(document as object, "x"), undefined);
  assert.deepEqual(["0", "1"].map((key) => numbers.textOf(list, key)), ["0.10", "1e400"]);
});

Deno.test("readJson() refuses what JSON.parse refuses, and nothing else", () => {
  const damaged = fc.tuple(
    fc.json({ maxDepth: 3 }),
    fc.nat(),
    fc.constantFrom(...'{}[]",:0-.eE\\ u\n\t/x'),
  );
  fc.assert(
    fc.property(damaged, ([text, at, character]) => {
      const index = at % (text.length + 1);
      const broken = text.slice(0, index) + character + text.slice(index + 1);
      let isJson = true;
      try {
        JSON.parse(broken);
      } catch {
        isJson = false;
      }
      assert.equal(readJson(broken).ok, isJson, broken);
    }),
    { numRuns: 2000 },
  );
});
