// When events are reported, which are picked, and what is remembered for it: pure, so checked against models.
import assert from "node:assert/strict";
import fc from "../support/properties.ts";
import { Memory } from "../../src/channel/memory.ts";
import { isPicked, isReported, type Reported, valuesOf } from "../../src/channel/report.ts";
import type { Report, ReportSettings } from "../../src/channel/settings.ts";
import { status } from "./support.ts";

const settings = (when: Report, more: Partial<ReportSettings> = {}): ReportSettings => ({
  when,
  periodMs: 1000,
  ...more,
});

/** Which of these values are reported, one every 300 ms. */
function reported(report: ReportSettings, values: readonly (number | string)[]): number[] {
  let last: Reported | undefined;
  return values.flatMap((value, index) => {
    const now = { at: index * 300, values: [value] };
    if (!isReported(report, now, last)) return [];
    last = now;
    return [index];
  });
}

Deno.test("isReported() takes each event, changes, one a period, or both", () => {
  const values = [1, 1, 2, 2, 2, 2, 2, 3];
  assert.deepEqual(reported(settings("received"), values), [0, 1, 2, 3, 4, 5, 6, 7]);
  assert.deepEqual(reported(settings("change"), values), [0, 2, 7]);
  assert.deepEqual(reported(settings("period"), values), [0, 4]);
  assert.deepEqual(reported(settings("change-or-period"), values), [0, 2, 6, 7]);
  const back = { at: -1, values: [1] };
  assert.ok(isReported(settings("period"), back, { at: 0, values: [1] }), "a clock set back");
});

Deno.test("isReported() leaves numbers within their dead-band out, however they creep", () => {
  fc.assert(fc.property(
    fc.array(fc.double({ min: -5, max: 5, noNaN: true }), { minLength: 1, maxLength: 50 }),
    fc.double({ min: 0, max: 3, noNaN: true }),
    (values, band) => {
      const report = settings("change", { fields: { speed: band } });
      let last = values[0] as number;
      for (const index of reported(report, values)) {
        if (index > 0) assert.ok(Math.abs(values[index] as number - last) > band);
        last = values[index] as number;
      }
      // Nobody who has only what was reported is further off than the dead-band.
      const sent = new Set(reported(report, values));
      let known = values[0] as number;
      values.forEach((value, index) => {
        if (sent.has(index)) known = value;
        assert.ok(Math.abs(value - known) <= band);
      });
    },
  ));
});

Deno.test("valuesOf() compares fields of what was decoded, or the whole payload", () => {
  const report = settings("change", { fields: { "position.lat": 0.1, mode: 0, none: 0 } });
  const decoded = { position: { lat: 50.1 }, mode: { a: 1 } };
  assert.deepEqual(valuesOf(report, status(1, {}, { decoded })), [50.1, '{"a":1}', ""]);
  const plain = valuesOf(report, status(1, { a: 1 }));
  assert.deepEqual(plain, ['{"text":"{\\"a\\":1}"}']);
  const [long] = valuesOf(settings("change"), status(1, "x".repeat(10_000)));
  assert.equal(String(long).length, 44);
  assert.notEqual(long, valuesOf(settings("change"), status(1, "x".repeat(10_001)))[0]);
});

Deno.test("isPicked() takes the first of each n, or a share that an id decides", () => {
  const picked = (oneIn: number) =>
    [0, 1, 2, 3, 4, 5, 6].filter((count) => isPicked({ oneIn }, status(1, {}), count));
  assert.deepEqual(picked(3), [0, 3, 6]);
  assert.deepEqual(picked(1).length, 7);
  const shareOf = (share: number) =>
    Array.from({ length: 10_000 }, (_, number) => isPicked({ share }, status(number, {}), 0))
      .filter((it) => it).length / 10_000;
  assert.equal(shareOf(0), 0);
  assert.equal(shareOf(1), 1);
  assert.ok(Math.abs(shareOf(0.25) - 0.25) < 0.02, String(shareOf(0.25)));
});

Deno.test("Memory keeps what was delivered, forgets what was not, and is bounded", () => {
  const change = fc.oneof(
    fc.record({ key: fc.constantFrom("a", "b", "c", "d", "e", "f"), value: fc.nat() }),
    fc.constantFrom("commit" as const, "rollback" as const),
  );
  fc.assert(fc.property(fc.array(change, { maxLength: 60 }), (changes) => {
    const memory = new Memory<number>(4);
    let kept: [string, number][] = [];
    let pending: [string, number][] = [];
    for (const one of changes) {
      if (one === "commit") {
        for (const [key, value] of new Map(pending)) {
          kept = [...kept.filter(([other]) => other !== key), [key, value]];
        }
        kept = kept.slice(-4);
        pending = [];
        memory.commit();
      } else if (one === "rollback") {
        pending = [];
        memory.rollback();
      } else {
        pending = [...pending, [one.key, one.value]];
        memory.set(one.key, one.value);
      }
      const model = new Map([...kept, ...pending]);
      for (const key of "abcdef") assert.equal(memory.get(key), model.get(key));
    }
  }));
});
