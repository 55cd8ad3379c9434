// The supervisor's core in worlds of its own: nothing is a process, and nothing waits.
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Blame } from "../../src/module/context.ts";
import { versioned, World } from "./supervisor_world.ts";

const anyStep = fc.record({
  kind: fc.constantFrom(
    "add",
    "prepare",
    "take over",
    "give up",
    "remove",
    "open",
    "open",
    "open",
    "fail",
    "crash",
    "destroy",
    "block",
    "wait",
  ),
  /** Chooses among what there is. */
  choice: fc.nat({ max: 1000 }),
  modules: fc.uniqueArray(fc.integer({ min: 1, max: 5 }), { maxLength: 4 }),
  blame: fc.constantFrom<Blame[]>("likely", "possible", "none"),
  ms: fc.constantFrom(0, 10, 1000, 30_000, 60_000),
}, { noNullPrototype: true });

function pick<T>(list: readonly T[], choice: number): T | undefined {
  return list[choice % Math.max(1, list.length)];
}

Deno.test("Whatever happens, contexts are placed as they must be, and come back when it is over", () => {
  fc.assert(
    fc.property(
      fc.array(anyStep, { maxLength: 80 }),
      fc.integer({ min: 1, max: 5 }),
      (steps, perHost) => {
        const world = new World(perHost);
        for (const { kind, choice, modules, blame, ms } of steps) {
          const car = pick(world.state.cars, choice);
          const opening = pick(world.at("opening"), choice);
          const leaving = pick(world.at("leaving"), choice);
          const host = pick([...world.hosts.keys()], choice);
          switch (kind) {
            case "add":
              world.add(modules, choice % 2 === 0);
              break;
            case "prepare":
              if (car?.coming === null) {
                const specs = modules.map((module) => versioned(car.name, module, choice % 2));
                world.take({ type: "prepare", car: car.id, specs });
              }
              break;
            case "take over":
              if (car) world.take({ type: "take_over", car: car.id });
              break;
            case "give up":
              if (car) world.take({ type: "give_up", car: car.id });
              break;
            case "remove":
              if (car) world.take({ type: "remove", car: car.id });
              break;
            case "open":
              if (opening) world.opened(opening);
              break;
            case "fail":
              if (opening) world.failed(opening);
              break;
            case "crash":
              if (host) world.crash(host, () => blame);
              break;
            case "destroy":
              if (leaving) world.destroyed(leaving);
              break;
            case "block":
              if (host) {
                const count = choice % (perHost - world.on(host).length + 1);
                world.hosts.set(host, count);
                world.take({ type: "blocked", host, count });
              }
              break;
            case "wait":
              world.until(world.now + ms);
          }
        }
        world.settle();
        for (const { id, serving: { specs } } of world.state.cars) {
          for (const { module } of specs) {
            assert.ok(world.contexts.has(world.serving.get(`${id}/${module}`) ?? 0));
          }
          assert.ok(world.ready.has(id));
        }
        for (const { id } of world.state.cars) world.take({ type: "remove", car: id });
        world.settle();
        assert.deepEqual([...world.hosts.keys()], []);
        assert.deepEqual(world.state.hosts, []);
      },
    ),
    { numRuns: 300 },
  );
});

Deno.test("Contexts that have to prove themselves share hosts with each other, and with all after a minute", () => {
  const world = new World(4);
  const served = world.add([1]);
  world.settle();
  const first = world.add([1], true);
  const second = world.add([1], true);
  world.settle();
  assert.deepEqual([served, first, second].flatMap((car) => world.hostsOf(car)), [1, 2, 2]);
  world.until(59_999);
  const third = world.add([1], true);
  const trusted = world.add([1]);
  world.settle();
  assert.deepEqual([third, trusted].flatMap((car) => world.hostsOf(car)), [2, 1]);
  // The third one has not been there for a minute, so that nobody moves in beside it.
  world.until(60_000);
  const late = world.add([1, 2, 3]);
  assert.deepEqual(world.hostsOf(late), [3, 3, 3]);
  world.settle();
  world.until(119_998);
  assert.deepEqual(world.hostsOf(world.add([1])), [3]);
  world.until(119_999);
  assert.deepEqual(world.hostsOf(world.add([1])), [2]);
});

Deno.test("A context that is lost before it has proved itself goes where it harms nobody again", () => {
  const world = new World(4);
  const served = world.add([1]);
  const added = world.add([1], true);
  world.settle();
  world.crash(2);
  world.settle();
  assert.deepEqual([served, added].flatMap((car) => world.hostsOf(car)), [1, 3]);
});

Deno.test("Only what is new about a car has to prove itself", () => {
  const world = new World(4);
  const car = world.add([1, 2]);
  world.settle();
  const specs = [versioned("car_1", 1, 0), versioned("car_1", 2, 1)];
  world.take({ type: "prepare", car, specs });
  world.settle();
  world.take({ type: "take_over", car });
  world.settle();
  assert.deepEqual(world.hostsOf(car), [1, 2]);
  // Beside what has been kept there is room for everybody.
  assert.deepEqual(world.hostsOf(world.add([1])), [1]);
});

Deno.test("Contexts are put beside others unproven as well when 32 hosts are nearly empty", () => {
  const world = new World(15);
  const served = world.add([1]);
  world.settle();
  // Three would do for 35 contexts.
  for (let change = 0; change < 34; change++) {
    world.until(world.now + 60_000);
    world.add([1], true);
    world.settle();
  }
  assert.equal(world.state.hosts.length, 35);
  world.until(world.now + 60_000);
  const added = world.add([1], true);
  world.settle();
  assert.deepEqual(world.hostsOf(added), world.hostsOf(served));
  // Nobody is kept from that host for its sake.
  assert.deepEqual(world.hostsOf(world.add([1])), world.hostsOf(served));
});

Deno.test("A suspect that needs several hosts does not exceed the 32 that are kept for such", () => {
  const world = new World(1);
  for (let car = 0; car < 31; car++) world.add([1]);
  const large = world.add([1, 2]);
  world.settle();
  for (const { id } of world.state.hosts) world.crash(id, () => "likely");
  // It shares with its like, and there is none with room.
  world.until(world.now);
  assert.equal(world.state.hosts.length, 33);
  assert.equal(world.state.hosts.filter(({ alone }) => alone).length, 31);
  const hosts = world.hostsOf(large);
  world.settle();
  const [context] = world.on(hosts[0] ?? 0);
  assert.ok(context);
  world.take({ type: "remove", car: large });
  world.settle();
  const small = world.add([1]);
  world.settle();
  world.crash(world.hostsOf(small)[0] ?? 0, () => "likely");
  world.until(world.now);
  assert.equal(world.state.hosts.filter(({ alone }) => alone).length, 32);
});
