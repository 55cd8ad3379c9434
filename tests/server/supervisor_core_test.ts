// The supervisor's core in worlds of its own: nothing is a process, and nothing waits.
import assert from "node:assert/strict";
import fc from "../support/properties.ts";
import { type Blame, hostKindOf } from "../../src/module/context.ts";
import { nextDeadline } from "../../src/server/supervision/core.ts";
import { SCRIPT, versioned, World } from "./supervisor_world.ts";

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
    "session",
    "wait",
  ),
  /** Chooses among what there is. */
  choice: fc.nat({ max: 1000 }),
  modules: fc.uniqueArray(fc.integer({ min: 1, max: 5 }), { maxLength: 4 }),
  blame: fc.constantFrom<Blame[]>("likely", "possible", "none"),
  ms: fc.constantFrom(0, 10, 1000, 60_000, 300_000),
}, { noNullPrototype: true });

function pick<T>(list: readonly T[], choice: number): T | undefined {
  return list[choice % Math.max(1, list.length)];
}

Deno.test("Whatever happens, contexts are placed as they must be, and come back when it is over", () => {
  fc.assert(
    fc.property(
      fc.array(anyStep, { maxLength: 150, size: "max" }),
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
              if (car) world.takeOver(car.id);
              break;
            case "give up":
              if (car) world.take({ type: "give_up", car: car.id });
              break;
            case "remove":
              if (car) world.take({ type: "remove", car: car.id });
              break;
            case "open":
              if (opening) world.open(opening);
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
                const entry = world.state.hosts.find(({ id }) => id === host);
                world.block(host, choice % (perHost - (entry?.tenants.length ?? 0) + 1));
              }
              break;
            case "session":
              if (car) world.session(car.id, !world.active.has(car.id));
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
        // When all are at rest, no host is left that is not needed.
        for (const host of world.hosts.keys()) world.block(host, 0);
        for (const { id } of world.state.cars) world.take({ type: "give_up", car: id });
        world.settle();
        world.restSessions();
        world.rest();
        const sets = world.state.cars.map(({ serving }) => serving);
        if (sets.every(({ specs }) => specs.length <= 1)) {
          const kinds = Map.groupBy(sets.flatMap(({ specs }) => specs), hostKindOf);
          const needed = [...kinds.values()].map((specs) => Math.ceil(specs.length / perHost));
          assert.equal(world.hosts.size, needed.reduce((sum, count) => sum + count, 0));
        }
        for (const { id } of world.state.cars) assert.ok(world.ready.has(id));
        for (const { id } of world.state.cars) world.take({ type: "remove", car: id });
        world.settle();
        assert.deepEqual([...world.hosts.keys()], []);
        assert.deepEqual(world.state.hosts, []);
      },
    ),
    { numRuns: 300 },
  );
});

Deno.test("Contexts on probation share hosts with each other, and after a minute with all", () => {
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
  // The third one has not been there for a minute, so that no car moves in beside it.
  world.until(60_000);
  const late = world.add([1, 2, 3]);
  assert.deepEqual(world.hostsOf(late), [3, 3, 3]);
  world.settle();
  world.until(119_998);
  assert.deepEqual(world.hostsOf(world.add([1])), [3]);
  world.until(119_999);
  assert.deepEqual(world.hostsOf(world.add([1])), [2]);
});

Deno.test("A context that is lost on probation goes to where it harms no other again", () => {
  const world = new World(4);
  const served = world.add([1]);
  const added = world.add([1], true);
  world.settle();
  world.crash(2);
  world.settle();
  assert.deepEqual([served, added].flatMap((car) => world.hostsOf(car)), [1, 3]);
});

Deno.test("Only the new contexts of a car are on probation", () => {
  const world = new World(4);
  const car = world.add([1, 2]);
  world.settle();
  const specs = [versioned("car_1", 1, 0), versioned("car_1", 2, 1)];
  world.take({ type: "prepare", car, specs });
  world.settle();
  world.take({ type: "take_over", car });
  world.settle();
  assert.deepEqual(world.hostsOf(car), [1, 2]);
  // Beside what has been kept there is room for every car.
  assert.deepEqual(world.hostsOf(world.add([1])), [1]);
});

Deno.test("What has proved itself before it takes over need not do so again", () => {
  const world = new World(4);
  const car = world.add([1]);
  world.settle();
  world.take({ type: "prepare", car, specs: [versioned("car_1", 1, 1)] });
  world.settle();
  world.until(60_000);
  world.takeOver(car);
  world.settle();
  assert.deepEqual(world.hostsOf(world.add([1])), world.hostsOf(car));
});

Deno.test("Contexts on probation join others when 32 hosts are nearly empty", () => {
  const world = new World(15);
  const served = world.add([1]);
  world.session(served, true);
  world.settle();
  // Three would do for 35 contexts.
  for (let change = 0; change < 34; change++) {
    world.until(world.now + 60_000);
    world.session(world.add([1], true), true);
    world.settle();
  }
  assert.equal(world.state.hosts.length, 35);
  world.until(world.now + 60_000);
  const added = world.add([1], true);
  world.settle();
  assert.deepEqual(world.hostsOf(added), world.hostsOf(served));
  // No car is kept from that host because of it.
  assert.deepEqual(world.hostsOf(world.add([1])), world.hostsOf(served));
});

Deno.test("A suspect that needs several hosts does not exceed the 32 that are kept for suspects", () => {
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

/** Two hosts with a car each, both there for long enough to be trusted. */
function divided(modules: readonly number[] = [1]) {
  const world = new World(4);
  const first = world.add([1, 2]);
  const second = world.add(modules, true);
  world.settle();
  world.restSessions();
  world.session(first, true);
  return { world, first, second };
}

Deno.test("A host is emptied when its cars have had no session for five minutes: destroyed, then opened elsewhere", () => {
  const { world, first, second } = divided([1, 2]);
  assert.deepEqual([first, second].flatMap((car) => world.hostsOf(car)), [1, 1, 2, 2]);
  world.until(299_999);
  assert.deepEqual(world.at("leaving"), []);
  world.until(300_000);
  const leaving = world.at("leaving");
  assert.deepEqual(leaving.map(({ car, host }) => [car, host]), [[second, 2], [second, 2]]);
  assert.deepEqual(world.at("opening"), []);
  assert.ok(!world.ready.has(second));
  for (const context of leaving) world.destroyed(context);
  assert.deepEqual([...world.hosts.keys()], [1]);
  assert.deepEqual(world.at("opening").map(({ car, host }) => [car, host]), [
    [second, 1],
    [second, 1],
  ]);
  world.settle();
  assert.ok(world.ready.has(second));
  assert.equal(nextDeadline(world.state, 4), null);
});

Deno.test("A host is not emptied while one of its cars has a session, or is given other contexts", () => {
  const { world, second } = divided();
  const third = world.add([1], true);
  world.settle();
  world.until(200_000);
  world.session(third, true);
  world.until(1_000_000);
  world.session(third, false);
  world.until(1_299_999);
  assert.deepEqual(world.hostsOf(second), [2]);
  world.take({ type: "prepare", car: second, specs: [versioned("car_2", 1, 1)] });
  world.settle();
  world.until(2_000_000);
  assert.deepEqual(world.hostsOf(second), [2, 3]);
  world.take({ type: "give_up", car: second });
  world.rest();
  assert.deepEqual([second, third].flatMap((car) => world.hostsOf(car)), [1, 1]);
});

Deno.test("A host is emptied when the last of its cars has been idle for long enough", () => {
  const { world, second } = divided();
  const third = world.add([1], true);
  world.settle();
  world.until(100_000);
  world.session(third, true);
  world.until(200_000);
  world.session(third, false);
  world.until(499_999);
  assert.deepEqual(world.at("leaving"), []);
  world.until(500_000);
  assert.deepEqual(world.at("leaving").map(({ car }) => car), [second, third]);
});

Deno.test("A host is left as it is when there is no room for all contexts of one of its cars", () => {
  const world = new World(4);
  for (const modules of [[1, 2], [1, 2, 3], [1, 2, 3]]) world.add(modules);
  world.settle();
  world.restSessions();
  // Two hosts would have room for all eight, but not for each car's together.
  world.rest();
  assert.equal(world.now, 300_000);
  assert.equal(world.hosts.size, 3);
  // That there is no room is known until something changes.
  const small = world.add([1], true);
  world.settle();
  world.restSessions();
  world.rest();
  assert.deepEqual(world.hostsOf(small), [2]);
  assert.equal(world.hosts.size, 3);
});

Deno.test("Contexts of a car that do not move serve it again, together with those that did", () => {
  const world = new World(3);
  const car = world.add([1, 2, 3, 4]);
  const busy = world.add([1, 2], true);
  world.session(busy, true);
  world.settle();
  assert.deepEqual(world.hostsOf(car), [1, 1, 1, 2]);
  const staying = world.on(1);
  world.session(car, true);
  world.session(car, false);
  world.rest();
  assert.deepEqual(world.hostsOf(car), [1, 1, 1, 3]);
  assert.deepEqual(world.on(1), staying);
  assert.ok(world.ready.has(car));
});

Deno.test("Contexts that cannot be opened where they have moved to are tried again", () => {
  const { world, second } = divided();
  world.until(300_000);
  const [leaving] = world.at("leaving");
  assert.ok(leaving);
  world.destroyed(leaving);
  const [opening] = world.at("opening");
  assert.ok(opening);
  world.failed(opening, "likely");
  world.settle();
  assert.ok(world.ready.has(second));
  // Its init may have been why: it is not put beside the others again.
  assert.equal(world.hosts.size, 2);
});

Deno.test("A host that dies while contexts move into it is replaced", () => {
  const { world, first, second } = divided();
  world.until(300_000);
  world.session(first, false);
  world.crash(1);
  world.settle();
  assert.deepEqual([first, second].map((car) => world.ready.has(car)), [true, true]);
});

Deno.test("A car that goes while its contexts move leaves nothing behind", () => {
  const { world, first, second } = divided();
  world.until(300_000);
  world.take({ type: "remove", car: second });
  world.take({ type: "remove", car: first });
  world.settle();
  assert.deepEqual(world.state.hosts, []);
});

Deno.test("Scripts have hosts of their own, which are emptied into each other only", () => {
  const world = new World(4);
  const cars = [1, 2, 3].map(() => world.add([1, 2, SCRIPT]));
  world.settle();
  const kinds = (car: number) => world.hostsOf(car).map((host) => world.kinds.get(host));
  for (const car of cars) assert.deepEqual(kinds(car), ["server", "server", "script"]);
  assert.deepEqual([...world.kinds.values()], ["server", "script", "server"]);
  // Three hosts are what three scripts and six libraries need.
  world.restSessions();
  assert.equal(nextDeadline(world.state, 4), null);
  world.take({ type: "remove", car: cars[0] ?? 0 });
  world.take({ type: "remove", car: cars[2] ?? 0 });
  world.settle();
  world.rest();
  assert.deepEqual(kinds(cars[1] ?? 0), ["server", "server", "script"]);
  assert.deepEqual([...world.hosts.keys()].map((host) => world.kinds.get(host)).sort(), [
    "script",
    "server",
  ]);
});
