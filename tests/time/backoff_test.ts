// Pauses between attempts.
import assert from "node:assert/strict";
import { backoff, type BackoffOptions } from "../../src/time/backoff.ts";

function first(count: number, options: BackoffOptions): number[] {
  return backoff(options).take(count).toArray();
}

Deno.test("backoff() doubles up to the limit", () => {
  const pauses = first(6, { firstMs: 500, maxMs: 5000, jitter: 0 });
  assert.deepEqual(pauses, [500, 1000, 2000, 4000, 5000, 5000]);
});

Deno.test("backoff() leaves the given share to chance", () => {
  assert.deepEqual(first(2, { firstMs: 100, maxMs: 1000, jitter: 0.5, random: () => 1 }), [
    50,
    100,
  ]);
  assert.deepEqual(first(2, { firstMs: 100, maxMs: 1000, jitter: 0.5, random: () => 0 }), [
    100,
    200,
  ]);
});
