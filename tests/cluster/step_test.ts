// An instance's core, alone and with others around a store.
import assert from "node:assert/strict";
import fc from "../support/properties.ts";
import { MAX_MOVES } from "../../src/cluster/placement.ts";
import { preferredOwners } from "../../src/cluster/mod.ts";
import { World } from "./world.ts";

const CARS = 60;

/** The same numbers for the same seed. */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9 >>> 0;
    const mixed = Math.imul(state ^ (state >>> 12), 0x297a2d39);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
  };
}

Deno.test("preferredOwners() shares cars out by capacity, and a member that leaves moves its own only", () => {
  const members = [{ id: "a", capacity: 1 }, { id: "b", capacity: 2 }, { id: "c", capacity: 1 }];
  const cars = Array.from({ length: 4_000 }, (_, index) => `shuttle_${index}`);
  const owners = cars.map((car) => preferredOwners(car, members)[0]);
  const share = (id: string) => owners.filter((owner) => owner === id).length / cars.length;
  for (const [id, expected] of [["a", 0.25], ["b", 0.5], ["c", 0.25]] as const) {
    assert.ok(Math.abs(share(id) - expected) < 0.04, `${id}: ${share(id)}`);
  }
  for (const [index, car] of cars.entries()) {
    const [first, second] = preferredOwners(car, members);
    const [left] = preferredOwners(car, members.filter(({ id }) => id !== "b"));
    assert.equal(left, owners[index] === "b" ? second : first);
  }
});

Deno.test("preferredOwners() gives nothing to a member without capacity", () => {
  assert.deepEqual(preferredOwners("car", [{ id: "a", capacity: 0 }, { id: "b", capacity: 1 }]), [
    "b",
  ]);
});

Deno.test("a lone instance takes every car", () => {
  const world = new World(CARS, randomOf(1));
  world.start("a");
  world.run(100);
  assert.deepEqual(world.counts(), { a: CARS });
});

Deno.test("an instance that joins gets its share, car by car, each handed over exactly", () => {
  const world = new World(CARS, randomOf(2));
  world.start("a");
  world.run(1_000);
  world.start("b");
  world.run(4_000);
  assert.deepEqual(world.counts(), { a: CARS, b: 0 }, "moved before the members had settled");
  world.run(2_000);
  const { b: early = 0 } = world.counts();
  assert.ok(early > 0 && early <= 12, `${early} moved within a second`);
  world.run(10_000);
  const { a = 0, b = 0 } = world.counts();
  assert.equal(a + b, CARS);
  assert.ok(b > CARS / 4, `${b}`);
  assert.equal(world.handedOver, b);
  assert.equal(world.abandoned, 0);
  const moved = world.handedOver;
  world.run(60_000);
  assert.equal(world.handedOver, moved, "moved again");
});

Deno.test("an instance that drains hands a bounded number of cars over at a time, and all in the end", () => {
  const world = new World(CARS, randomOf(5));
  world.start("a");
  world.run(1_000);
  const instance = world.start("b");
  world.run(1_000);
  world.drain("a");
  const leaving = world.instances.get("a");
  assert.ok(leaving && CARS > MAX_MOVES);
  let most = 0;
  for (let i = 0; i < 5_000; i++) {
    const moving = leaving.state.cars.filter(({ hold }) =>
      hold?.kind === "draining" || hold?.kind === "offered"
    );
    most = Math.max(most, moving.length);
    world.run(1);
  }
  assert.equal(most, MAX_MOVES);
  assert.equal(instance.serving.size, CARS);
  assert.deepEqual(world.faults, []);
});

Deno.test("the cars of an instance that is killed go on elsewhere once its lease has run out", () => {
  const world = new World(CARS, randomOf(3));
  for (const id of ["a", "b", "c"]) world.start(id);
  world.run(20_000);
  world.kill("b");
  world.run(3_300);
  assert.equal(world.served, CARS);
  assert.deepEqual(world.faults, []);
});

Deno.test("an instance that drains hands everything over at once", () => {
  const world = new World(CARS, randomOf(4));
  for (const id of ["a", "b"]) world.start(id);
  world.run(20_000);
  world.drain("a");
  world.run(200);
  assert.deepEqual(world.counts(), { a: 0, b: CARS });
  assert.equal(world.abandoned, 0);
});

Deno.test("a pinned car goes where it is pinned, and stays there", () => {
  const world = new World(CARS, randomOf(5));
  for (const id of ["a", "b"]) world.start(id);
  world.run(20_000);
  const [from, to] = world.instances.get("a")?.serving.has("car7") ? ["a", "b"] : ["b", "a"];
  world.pin("car7", to);
  world.run(200);
  assert.ok(world.instances.get(to)?.serving.has("car7"));
  world.run(30_000);
  assert.ok(!world.instances.get(from)?.serving.has("car7"));
});

Deno.test("an instance cut off from the store stops before its lease runs out, and takes its share again later", () => {
  const world = new World(CARS, randomOf(6));
  for (const id of ["a", "b"]) world.start(id);
  world.run(20_000);
  const cut = world.instances.get("a");
  assert.ok(cut !== undefined);
  cut.cutOff = true;
  world.run(2_800);
  assert.equal(cut.serving.size, 0);
  world.run(600);
  assert.deepEqual(world.counts(), { a: 0, b: CARS });
  world.reconnect("a");
  world.run(20_000);
  assert.ok((world.counts().a ?? 0) > CARS / 4);
  assert.deepEqual(world.faults, []);
});

/** What happens to an instance, and how long that lasts, in milliseconds. */
type Move = readonly [kind: (typeof KINDS)[number], id: number, pauseMs: number];

const KINDS = ["start", "kill", "cut", "reconnect", "drain", "pin", "lose"] as const;

/** Runs a story to its end, in which everybody is back and has had time. */
function play(seed: number, story: readonly Move[]): World {
  const world = new World(8, randomOf(seed));
  let generation = 0;
  const alive = (index: number) =>
    [...world.instances.keys()][index % Math.max(1, world.instances.size)] ?? "";
  for (const [kind, id, pauseMs] of story) {
    const name = alive(id);
    const instance = world.instances.get(name);
    if (kind === "start" && world.instances.size < 4) world.start(`i${generation++}`);
    if (kind === "kill") world.kill(name);
    if (kind === "cut" && instance !== undefined) instance.cutOff = true;
    if (kind === "reconnect") world.reconnect(name);
    if (kind === "drain") world.drain(name);
    if (kind === "pin" && name !== "") world.pin(`car${id}`, name);
    if (kind === "lose") world.lose(name, `car${id}`);
    world.run(pauseMs);
  }
  for (const name of [...world.instances.keys()]) world.reconnect(name);
  world.start("last");
  world.run(120_000);
  return world;
}

Deno.test("an instance whose offer nobody took, and whose claim of it was lost, claims it again", () => {
  const world = play(0, [
    ["start", 0, 21],
    ["start", 0, 1_546],
    ["pin", 0, 454],
    ["kill", 1, 0],
    ["pin", 0, 3_861],
    ["cut", 0, 2_169],
  ]);
  assert.deepEqual(world.faults, []);
  assert.equal(world.served, 8, JSON.stringify(world.counts()));
});

Deno.test("a car whose conversation one instance cannot have goes to another, and may come back later", () => {
  const world = new World(CARS, randomOf(7));
  for (const id of ["a", "b"]) world.start(id);
  world.run(20_000);
  const [from, to] = world.instances.get("a")?.serving.has("car7") ? ["a", "b"] : ["b", "a"];
  world.lose(from, "car7");
  world.run(3_000);
  assert.ok(world.instances.get(to)?.serving.has("car7"));
  world.run(70_000);
  assert.ok(world.instances.get(from)?.serving.has("car7"));
  assert.deepEqual(world.faults, []);
});

Deno.test("an instance that was cut off while it drained still drains when it is back", () => {
  const world = play(0, [
    ["start", 0, 0],
    ["drain", 0, 0],
    ["start", 0, 0],
    ["cut", 0, 3_000],
    ["reconnect", 0, 0],
    ["drain", 3, 5_385],
    ["pin", 0, 657],
  ]);
  assert.deepEqual(world.faults, []);
  assert.equal(world.served, 8, JSON.stringify(world.counts()));
});

Deno.test("whatever happens to instances, no car is ever served twice, and all are served in the end", () => {
  const move = fc.tuple(
    fc.constantFrom(...KINDS),
    fc.integer({ min: 0, max: 4 }),
    fc.integer({ min: 0, max: 6_000 }),
  );
  fc.assert(
    fc.property(fc.integer(), fc.array(move, { maxLength: 25 }), (seed, story) => {
      const world = play(seed, story);
      assert.deepEqual(world.faults, []);
      assert.equal(world.served, 8, JSON.stringify(world.counts()));
    }),
    { numRuns: Number(Deno.env.get("PROPERTY_RUNS") ?? 150) },
  );
});
