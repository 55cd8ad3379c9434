// Where contexts go.
import assert from "node:assert/strict";
import fc from "../support/properties.ts";
import { placeContexts } from "../../src/server/supervision/placement.ts";

Deno.test("placeContexts() uses free places first, best fit", () => {
  const hosts = [{ id: 1, free: 9 }, { id: 2, free: 3 }, { id: 3, free: 1 }];
  assert.deepEqual(placeContexts(2, hosts, 15), [{ host: 2, count: 2 }]);
  assert.deepEqual(placeContexts(9, hosts, 15), [{ host: 1, count: 9 }]);
  assert.deepEqual(placeContexts(10, hosts, 15), [{ host: null, count: 10 }]);
});

Deno.test("placeContexts() gives a car with more modules than a host takes more hosts", () => {
  assert.deepEqual(placeContexts(33, [{ id: 4, free: 5 }], 15), [
    { host: null, count: 15 },
    { host: null, count: 15 },
    { host: 4, count: 3 },
  ]);
});

Deno.test("placeContexts() places everything and overfills nothing", () => {
  const hosts = fc.array(fc.nat({ max: 15 }), { maxLength: 8 })
    .map((frees) => frees.map((free, id) => ({ id, free })));
  fc.assert(fc.property(fc.integer({ min: 1, max: 100 }), hosts, (count, spaces) => {
    const shares = placeContexts(count, spaces, 15);
    assert.equal(shares.reduce((sum, share) => sum + share.count, 0), count);
    for (const share of shares) {
      const host = spaces.find(({ id }) => id === share.host);
      assert.ok(share.count <= (host?.free ?? 15));
    }
    const named = shares.map(({ host }) => host).filter((host) => host !== null);
    assert.equal(new Set(named).size, named.length);
  }));
});
