// The histogram against plain sorting, with random durations.
import assert from "node:assert/strict";
import fc from "../support/properties.ts";
import { Histogram } from "../../src/simulator/histogram.ts";

/** Milliseconds of every size that occurs, from 0 to half an hour. */
const durations = fc.array(
  fc.oneof(
    fc.double({ min: 0, max: 0.1, noNaN: true }),
    fc.double({ min: 0, max: 100, noNaN: true }),
    fc.double({ min: 0, max: 2_000_000, noNaN: true }),
  ),
  { minLength: 1, maxLength: 200 },
);

function recorded(values: readonly number[]): Histogram {
  const histogram = new Histogram();
  for (const value of values) histogram.record(value);
  return histogram;
}

Deno.test("Histogram.percentile() is never below the true one, and at most 1/32 above", () => {
  fc.assert(fc.property(durations, fc.double({ min: 0, max: 1, noNaN: true }), (values, share) => {
    const sorted = values.toSorted((a, b) => a - b);
    const exact = sorted[Math.max(1, Math.ceil(share * sorted.length)) - 1] ?? 0;
    const found = recorded(values).percentile(share);
    assert.ok(found >= exact, `${found} < ${exact}`);
    assert.ok(found <= exact * (1 + 1 / 32) + 0.002, `${found} is far above ${exact}`);
  }));
});

Deno.test("Histogram keeps count, mean, shortest and longest exactly", () => {
  fc.assert(fc.property(durations, (values) => {
    const histogram = recorded(values);
    assert.equal(histogram.count, values.length);
    assert.equal(histogram.maxMs, Math.max(...values));
    assert.equal(histogram.minMs, Math.min(...values));
    assert.equal(histogram.meanMs, values.reduce((sum, value) => sum + value, 0) / values.length);
    assert.equal(histogram.percentile(1), Math.max(...values));
  }));
});

Deno.test("Histogram.percentile() grows with the share", () => {
  fc.assert(fc.property(durations, (values) => {
    const histogram = recorded(values);
    const found = [0, 0.25, 0.5, 0.75, 0.99, 1].map((share) => histogram.percentile(share));
    assert.deepEqual(found, found.toSorted((a, b) => a - b));
  }));
});

Deno.test("Histogram.merge() gives what recording everything in one gives", () => {
  fc.assert(fc.property(durations, durations, (a, b) => {
    const merged = recorded(a);
    merged.merge(recorded(b));
    const { sumMs, meanMs, ...rest } = merged.toJSON();
    const { sumMs: sum, meanMs: mean, ...all } = recorded([...a, ...b]).toJSON();
    assert.deepEqual(rest, all);
    assert.ok(Math.abs(sumMs - sum) <= sum * 1e-9);
    assert.ok(Math.abs(meanMs - mean) <= mean * 1e-9);
  }));
});

Deno.test("Histogram.fromJSON() reads what toJSON() wrote", () => {
  fc.assert(fc.property(durations, (values) => {
    const written = JSON.parse(JSON.stringify(recorded(values)));
    assert.deepEqual(Histogram.fromJSON(written).toJSON(), written);
  }));
});

Deno.test("Histogram is all zeros when it is new, reset, or merged with nothing", () => {
  const histogram = recorded([5]);
  histogram.reset();
  histogram.merge(Histogram.fromJSON(new Histogram().toJSON()));
  assert.deepEqual(histogram.toJSON(), {
    count: 0,
    meanMs: 0,
    p50Ms: 0,
    p99Ms: 0,
    maxMs: 0,
    minMs: 0,
    sumMs: 0,
    buckets: [],
  });
  histogram.record(1);
  assert.equal(histogram.minMs, 1);
});

Deno.test("Histogram.record() takes what no clock should give", () => {
  const histogram = recorded([-1, 1e12]);
  assert.equal(histogram.count, 2);
  assert.equal(histogram.minMs, 0);
  assert.equal(histogram.maxMs, 1e12);
});
