// What must hold for any gateway, network and module, with random worlds.
import assert from "node:assert/strict";
import fc from "../support/properties.ts";
import { DeviceState } from "../../src/protocol/messages.ts";
import { ordinary, rough } from "./properties.ts";
import { type Action, World } from "./world.ts";

const devices = fc.integer({ min: 1, max: 5 });

function scenario(...arbitraries: fc.WeightedArbitrary<Action>[]): fc.Arbitrary<Action[]> {
  // A gateway begins with its sequence; most worlds should get beyond it.
  const prelude: Action[] = [{ do: "settle" }];
  return fc.tuple(
    fc.constantFrom([], prelude, prelude, prelude),
    fc.array(fc.oneof(...arbitraries), { maxLength: 250, size: "max" }),
  ).map(([first, rest]) => [...first, ...rest]);
}

/** Lives through the actions, then lets everything come to rest and the session die of silence. */
function live(world: World, actions: readonly Action[]): World {
  for (const action of actions) world.act(action);
  world.settle();
  world.advance(120_000);
  world.settle();
  world.rules.atEnd(world.session);
  return world;
}

Deno.test("step() keeps every rule in ordinary life with loss, duplicates and delays", () => {
  const totals = { running: 0, answers: 0, forwards: 0, acknowledged: 0, ended: 0 };
  fc.assert(
    fc.property(devices, scenario(...ordinary), (count, actions) => {
      const { counts } = live(new World(count), actions).rules;
      for (const key of Object.keys(totals) as (keyof typeof totals)[]) totals[key] += counts[key];
    }),
    { numRuns: 300 },
  );
  // The worlds were not empty.
  for (const [what, count] of Object.entries(totals)) assert.ok(count > 300, `${what}: ${count}`);
});

Deno.test("step() keeps every rule through restarts and lost brokers and modules", () => {
  let told = 0;
  fc.assert(
    fc.property(devices, scenario(...rough), (count, actions) => {
      told += live(new World(count), actions).rules.counts.told;
    }),
    { numRuns: 300 },
  );
  assert.ok(told > 300, `Gateways were told ${told} times`);
});

Deno.test("step() leaves nothing behind whenever it is stopped [STOP-ORDER]", () => {
  fc.assert(
    fc.property(devices, scenario(...rough), (count, actions) => {
      const world = new World(count);
      for (const action of actions) world.act(action);
      world.act({ do: "stop" });
      world.settle();
      assert.equal(world.session.kind, "stopped");
      world.rules.atEnd(world.session);
    }),
    { numRuns: 200 },
  );
});

Deno.test("step() takes a gateway back after anything but a stop [WAIT-CONNECT]", () => {
  fc.assert(
    fc.property(devices, scenario(...rough), (count, actions) => {
      const world = new World(count);
      for (const action of actions) world.act(action);
      world.act({ do: "operate", what: "resume" });
      world.settle();
      world.willing = true;
      world.act({ do: "restart", first: 0 });
      world.settle();
      assert.equal(world.session.kind, "running");
      for (let index = 0; index < count; index++) {
        world.act({ do: "status", device: index, state: DeviceState.RUNNING });
      }
      world.settle();
      assert.equal(world.session.kind, "running");
    }),
    { numRuns: 200 },
  );
});

/** Freezes what can be frozen, all the way down; maps and sets become unchangeable, too. */
function deepFreeze(value: unknown, seen: WeakSet<object>): void {
  if (typeof value !== "object" || value === null || seen.has(value)) return;
  seen.add(value);
  if (ArrayBuffer.isView(value)) return;
  if (value instanceof Map || value instanceof Set) {
    const refuse = () => {
      throw new TypeError("A state is never changed");
    };
    Object.assign(value, { set: refuse, add: refuse, delete: refuse, clear: refuse });
    for (const [key, item] of value.entries()) {
      deepFreeze(key, seen);
      deepFreeze(item, seen);
    }
  }
  Object.freeze(value);
  for (const item of Object.values(value)) deepFreeze(item, seen);
}

Deno.test("step() changes no state it is given", () => {
  const seen = new WeakSet();
  fc.assert(
    fc.property(devices, scenario(...rough), (count, actions) => {
      live(new World(count, (session) => deepFreeze(session, seen)), actions);
    }),
    { numRuns: 100 },
  );
});
