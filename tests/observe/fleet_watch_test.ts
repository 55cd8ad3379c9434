// What is remembered of cars that the server has, and of those it no longer has.
import assert from "node:assert/strict";
import { FleetWatch } from "../../src/observe/fleet_watch.ts";
import { createSession } from "../../src/session/session.ts";
import { SETTINGS } from "../car/support.ts";
import { documented, load } from "../config/support.ts";
import { VirtualClock } from "../support/virtual_clock.ts";

const { health, map } = load(documented()).config;

Deno.test("FleetWatch forgets cars that the server does not have any more", async () => {
  const clock = new VirtualClock();
  const watch = new FleetWatch(clock);
  const served = new Set(["car_a", "car_b"]);
  watch.start({
    config: { health, map, cars: [] },
    car: (name) => served.has(name) ? { brokerTrouble: null } : undefined,
    missingModules: () => null,
  });
  const session = createSession();
  for (const car of served) {
    const turn = { car, at: 0, settings: SETTINGS, before: session, after: session, effects: [] };
    watch.onTurn({ ...turn, input: { type: "tick" } });
  }
  const [a, b] = [watch.record("car_a"), watch.record("car_b")];
  await clock.advance(1000);
  assert.equal(watch.record("car_b"), b);
  served.delete("car_b");
  await clock.advance(1000);
  assert.equal(watch.record("car_a"), a);
  assert.notEqual(watch.record("car_b"), b);
  watch.stop();
  assert.equal(clock.timers, 0);
});

Deno.test("FleetWatch forgets the kept history of cars that the configuration had before the restart", () => {
  const watch = new FleetWatch(new VirtualClock());
  const sample = { statuses: 1, commands: 0, responseMeanMs: 1, responseMaxMs: 1 };
  for (const car of ["car_a", "car_b"]) watch.history.add(car, 0, sample, 0);
  watch.start({
    config: { health, map, cars: [{ name: "car_b" }] },
    car: () => undefined,
    missingModules: () => null,
  });
  watch.stop();
  assert.equal(watch.history.of("car_a"), undefined);
  assert.notEqual(watch.history.of("car_b"), undefined);
});
