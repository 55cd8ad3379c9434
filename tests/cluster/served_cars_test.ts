// The cars that an instance owns: adopted, released and abandoned in their order, whatever overlaps.
import assert from "node:assert/strict";
import { Car } from "../../src/car/car.ts";
import type { Adoption, Release, Taking } from "../../src/cluster/mod.ts";
import { ServedCars } from "../../src/cluster/mod.ts";
import { ListLog } from "../support/list_log.ts";
import { MemoryTransport } from "../support/memory_transport.ts";
import { settled } from "../support/virtual_clock.ts";
import { SETTINGS } from "../car/support.ts";

const EXACT: Adoption = { kind: "exact", tookMs: 3 };

function taking(epoch: number, planned = false): Taking {
  return { epoch, minEpoch: 0, planned };
}

/** An instance whose conversations answer when the test says so. */
class Bench {
  readonly log = new ListLog();
  readonly events: string[] = [];
  readonly unsettled = new Map<string, boolean>();
  readonly configured = new Set(["car_1", "car_2"]);
  adopting = Promise.withResolvers<Adoption>();
  releasing = Promise.withResolvers<Release>();
  readonly cars = new ServedCars({
    server: {
      add: (name) => {
        this.events.push(`add ${name}`);
        return Promise.resolve(this.configured.has(name) ? this.#car(name) : undefined);
      },
      remove: ({ name }) => {
        this.events.push(`remove ${name}`);
        return Promise.resolve();
      },
      car: () => undefined,
    },
    conversations: {
      adopt: ({ name }, { epoch }) => {
        this.events.push(`adopt ${name} ${epoch}`);
        return this.adopting.promise;
      },
      release: ({ name }) => {
        this.events.push(`release ${name}`);
        return this.releasing.promise;
      },
      abandon: ({ name }) => {
        this.events.push(`abandon ${name}`);
        this.adopting.resolve({ kind: "lost", detail: "It was abandoned" });
        this.adopting = Promise.withResolvers();
        return Promise.resolve();
      },
    },
    log: this.log,
    onLost: (car, epoch) => this.events.push(`lost ${car} ${epoch}`),
    onUnsettled: (car, unsettled) => void this.unsettled.set(car, unsettled),
  });

  #car(name: string): Car {
    return new Car({
      settings: { ...SETTINGS, car: name },
      transport: new MemoryTransport(),
      log: this.log,
      maxMessageBytes: 1_000,
    });
  }
}

Deno.test("ServedCars serves a car, does not let it move meanwhile, and closes its session", async () => {
  const bench = new Bench();
  bench.cars.serve("car_1", taking(7, true));
  await settled();
  assert.equal(bench.unsettled.get("car_1"), true);
  bench.adopting.resolve(EXACT);
  await settled();
  assert.equal(bench.unsettled.get("car_1"), false);
  assert.deepEqual(bench.cars.counts.exact, { planned: 1, unplanned: 0, reconnected: 0 });
  const draining = bench.cars.drain("car_1");
  bench.releasing.resolve({ kind: "exact" });
  assert.equal(await draining, true);
  await bench.cars.left();
  assert.deepEqual(bench.events, ["add car_1", "adopt car_1 7", "release car_1", "remove car_1"]);
  assert.equal(bench.cars.size, 0);
});

Deno.test("ServedCars closes a session that is being taken over once that has ended", async () => {
  const bench = new Bench();
  bench.cars.serve("car_1", taking(7));
  await settled();
  const draining = bench.cars.drain("car_1");
  await settled();
  assert.deepEqual(bench.events, ["add car_1", "adopt car_1 7"]);
  bench.adopting.resolve(EXACT);
  bench.releasing.resolve({ kind: "unfinished", detail: "a module is slow" });
  assert.equal(await draining, false);
  assert.equal(bench.cars.counts.unfinished, 1);
  await bench.cars.left();
});

Deno.test("ServedCars abandons at once, and takes the car again only when it has left", async () => {
  const bench = new Bench();
  bench.cars.serve("car_1", taking(7));
  await settled();
  bench.cars.abandon("car_1", "lease lost");
  assert.equal(bench.events.at(-1), "abandon car_1");
  bench.cars.serve("car_1", taking(8));
  await settled();
  bench.adopting.resolve(EXACT);
  await settled();
  assert.deepEqual(bench.events, [
    "add car_1",
    "adopt car_1 7",
    "abandon car_1",
    "remove car_1",
    "add car_1",
    "adopt car_1 8",
  ]);
  assert.equal(bench.cars.counts.lost, 0, "it was given up, not lost");
});

Deno.test("ServedCars says which car it cannot serve, and why", async () => {
  const bench = new Bench();
  bench.cars.serve("car_1", taking(7));
  bench.adopting.resolve({ kind: "lost", detail: "An owner with epoch 9 has taken it" });
  await settled();
  bench.cars.serve("stranger", taking(8));
  await settled();
  await bench.cars.left();
  assert.deepEqual(bench.events.filter((event) => event.startsWith("lost")), [
    "lost car_1 7",
    "lost stranger 8",
  ]);
  assert.equal(bench.cars.counts.lost, 2);
  assert.deepEqual(bench.log.texts("ERROR"), [
    "Cannot serve the car: An owner with epoch 9 has taken it",
    "Cannot serve the car: It is not in the configuration",
  ]);
});

Deno.test("ServedCars counts gateways that had to connect again, and connections that came back", async () => {
  const bench = new Bench();
  bench.cars.serve("car_1", taking(7));
  const detail = "The broker has no checkpoint of the car";
  bench.adopting.resolve({ kind: "connect_again", reason: "no_checkpoint", detail, tookMs: 1 });
  await settled();
  bench.cars.readopted("car_1", EXACT);
  bench.cars.readopted("car_2", EXACT);
  const { took, ...counts } = bench.cars.counts;
  assert.deepEqual([took.unplanned.counts[0], took.reconnected.sum], [1, 0.003]);
  assert.deepEqual(counts, {
    exact: { planned: 0, unplanned: 0, reconnected: 1 },
    inexact: { no_checkpoint: 1 },
    lost: 0,
    unfinished: 0,
  });
  bench.cars.readopted("car_1", { kind: "lost", detail: "Ownership could not be proved" });
  assert.deepEqual(bench.events.at(-1), "lost car_1 7");
  await bench.cars.left();
});
