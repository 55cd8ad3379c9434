// Plain values as bytes: what is written is read, exactly, and nothing else is.
import assert from "node:assert/strict";
import fc from "../support/properties.ts";
import { readValue, ValueError } from "../../src/record/read_values.ts";
import { ValueWriter, WriterFullError } from "../../src/record/values.ts";
import { DICTIONARY } from "../../src/record/dictionary.ts";

function written(value: unknown): Uint8Array {
  const writer = new ValueWriter();
  writer.value(value);
  return writer.take();
}

const anyValue = fc.anything({
  values: [
    fc.constantFrom(undefined, null, true, false, -0, NaN, Infinity, 2 ** 53 - 1, 2 ** 53, 63, 64),
    fc.integer(),
    fc.double(),
    fc.string({ unit: "binary", maxLength: 60 }),
    fc.constantFrom(...DICTIONARY),
    fc.constantFrom("\ud800", "a\udfff", "\ufeffx", "x".repeat(300), "ž".repeat(200)),
    fc.uint8Array({ maxLength: 300 }),
  ],
  key: fc.oneof(
    // Deno 2.4 compares no objects with a field of the second name.
    fc.string().filter((key) => key !== "__proto__" && key !== "constructor"),
    fc.constantFrom(...DICTIONARY),
  ),
  maxDepth: 4,
});

Deno.test("readValue() reads what was written, exactly", () => {
  fc.assert(
    fc.property(anyValue, (value) => {
      assert.deepStrictEqual(readValue(written(value)), value);
    }),
    { numRuns: 500 },
  );
});

Deno.test("readValue() tells a field that is undefined from one that is missing", () => {
  const read = readValue(written([{ a: undefined }, {}])) as object[];
  assert.deepEqual(read.map((one) => Object.hasOwn(one, "a")), [true, false]);
});

Deno.test("readValue() reads a field named like a property of all objects", () => {
  const read = readValue(written({ constructor: 1, toString: null })) as Record<string, unknown>;
  assert.deepEqual(Object.entries(read), [["constructor", 1], ["toString", null]]);
});

Deno.test("readValue() owns the bytes that it reads", () => {
  const bytes = written(Uint8Array.of(1, 2, 3));
  const read = readValue(bytes);
  bytes.fill(9);
  assert.deepEqual(read, Uint8Array.of(1, 2, 3));
});

Deno.test("readValue() refuses a value that is cut short, or followed by more", () => {
  fc.assert(fc.property(anyValue, (value) => {
    const bytes = written(value);
    for (let length = 0; length < bytes.length; length++) {
      assert.throws(() => readValue(bytes.subarray(0, length)), ValueError);
    }
    assert.throws(() => readValue(Uint8Array.of(...bytes, 0)), ValueError);
  }));
});

Deno.test("readValue() throws nothing but ValueErrors at any bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      try {
        readValue(bytes);
      } catch (error) {
        assert.ok(error instanceof ValueError, String(error));
      }
    }),
    { numRuns: 2000 },
  );
  assert.throws(() => readValue(new Uint8Array(100_000).fill(0x0a)), ValueError);
  assert.throws(
    () => readValue(Uint8Array.from([...Array(100).fill([9, 1]).flat(), 0])),
    ValueError,
  );
});

Deno.test("ValueWriter refuses what is not a plain value", () => {
  class Point {
    x = 1;
  }
  for (const value of [new Map(), new Set(), new Point(), () => {}, 1n, Symbol("a"), new Date(0)]) {
    assert.throws(() => written({ value }), /Expected a plain value: found a /);
  }
});

Deno.test("ValueWriter holds no more than it may", () => {
  const writer = new ValueWriter(100_000);
  writer.value(new Uint8Array(90_000));
  const { size } = writer;
  assert.throws(() => writer.value(new Uint8Array(10_000)), WriterFullError);
  assert.equal(writer.size, size);
});

Deno.test("each word has one number, which fits in one byte", () => {
  assert.equal(new Set(DICTIONARY).size, DICTIONARY.length);
  assert.ok(DICTIONARY.length <= 128);
});
