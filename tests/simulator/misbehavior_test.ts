// The plan of misbehavior: the same seed gives the same one, and the shares are right.
import assert from "node:assert/strict";
import fc from "../support/properties.ts";
import { derivedSeed, MisbehaviorPlan, seededRandom } from "../../src/simulator/misbehavior.ts";

const MIXED = { drop: 0.1, reorder: 0.2, duplicate: 0.3 };

function actions(seed: number, count = 200) {
  const plan = new MisbehaviorPlan(MIXED, seed);
  return Array.from({ length: count }, () => plan.next());
}

Deno.test("MisbehaviorPlan gives the same actions for the same seed, and others for another", () => {
  fc.assert(fc.property(fc.nat(), (seed) => {
    assert.deepEqual(actions(seed), actions(seed));
    assert.notDeepEqual(actions(seed), actions(seed + 1));
  }));
});

Deno.test("MisbehaviorPlan keeps to the shares it was given", () => {
  const all = actions(7, 20_000);
  const share = (action: string) => all.filter((one) => one === action).length / all.length;
  assert.ok(Math.abs(share("drop") - 0.1) < 0.02);
  assert.ok(Math.abs(share("reorder") - 0.2) < 0.02);
  assert.ok(Math.abs(share("duplicate") - 0.3) < 0.02);
});

Deno.test("MisbehaviorPlan refuses what is no probability", () => {
  const none = { drop: 0, reorder: 0, duplicate: 0 };
  assert.throws(() => new MisbehaviorPlan({ ...none, drop: -0.1 }, 1), /'drop'.*-0.1/);
  assert.throws(() => new MisbehaviorPlan({ ...none, reorder: NaN }, 1), /'reorder'.*NaN/);
  assert.throws(() => new MisbehaviorPlan({ drop: 0.5, reorder: 0.4, duplicate: 0.2 }, 1), /sum/);
});

Deno.test("seededRandom() stays from 0 up to 1 and does not repeat itself soon", () => {
  fc.assert(fc.property(fc.nat(), (seed) => {
    const random = seededRandom(seed);
    const values = Array.from({ length: 100 }, random);
    assert.ok(values.every((value) => value >= 0 && value < 1));
    assert.ok(new Set(values).size > 98);
  }));
});

Deno.test("derivedSeed() tells cars apart", () => {
  const seeds = Array.from({ length: 1000 }, (_, i) => derivedSeed(1, `car_${i}`));
  assert.equal(new Set(seeds).size, seeds.length);
});
