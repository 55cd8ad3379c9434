// The driver of an instance, with others around a store in memory.
import assert from "node:assert/strict";
import {
  CLUSTER_SETTINGS,
  ClusterInstance,
  type ClusterStore,
  MemoryCluster,
  MemoryStore,
  StoreError,
} from "../../src/cluster/mod.ts";
import { ListLog } from "../support/list_log.ts";
import { settled, VirtualClock } from "../support/virtual_clock.ts";

const LEASE_MS = 3_000;
const CARS = Array.from({ length: 12 }, (_, index) => `car${index}`);

class Desk {
  readonly clock = new VirtualClock();
  readonly cluster = new MemoryCluster();
  readonly log = new ListLog();
  /** Who serves each car. */
  readonly serving = new Map<string, string[]>();
  readonly events: string[] = [];

  seat(id: string, store: ClusterStore = this.store()): ClusterInstance {
    const mine = () => this.serving.get(id) ?? this.serving.set(id, []).get(id) ?? [];
    const leave = (car: string) => this.serving.set(id, mine().filter((one) => one !== car));
    return new ClusterInstance({
      settings: { self: id, ...CLUSTER_SETTINGS },
      member: {
        id,
        version: "1.0.0",
        checkpointFormat: 1,
        capacity: 1,
        labels: {},
        url: null,
        draining: false,
      },
      store,
      keeper: {
        serve: (car) => void mine().push(car),
        drain: (car) => {
          leave(car);
          return Promise.resolve(true);
        },
        abandon: (car, reason) => {
          leave(car);
          this.events.push(`${id} abandons ${car}: ${reason}`);
        },
      },
      log: this.log,
      clock: this.clock,
    });
  }

  store(): MemoryStore {
    return new MemoryStore(this.cluster, LEASE_MS, this.clock);
  }

  /** Stops instances without time for others to take their cars. */
  async stop(...instances: readonly ClusterInstance[]): Promise<void> {
    for (const instance of instances) {
      const stopping = instance.stop(0);
      await this.clock.advance(1);
      await stopping;
    }
  }

  countOf(id: string): number {
    return this.serving.get(id)?.length ?? 0;
  }
}

Deno.test("ClusterInstance serves what it claims, and hands everything over when it stops", async () => {
  const desk = new Desk();
  const a = desk.seat("a");
  await a.start(CARS);
  await settled();
  assert.equal(desk.countOf("a"), CARS.length);
  const b = desk.seat("b");
  await b.start(CARS);
  await settled();
  await a.stop(1_000);
  await settled();
  assert.deepEqual([desk.countOf("a"), desk.countOf("b")], [0, CARS.length]);
  assert.deepEqual(desk.events, []);
  await b.stop(1_000);
  assert.equal(desk.clock.timers, 0);
});

Deno.test("ClusterInstance waits no longer than told for others to take its cars", async () => {
  const desk = new Desk();
  const a = desk.seat("a");
  await a.start(CARS);
  const b = desk.seat("b");
  await b.start([]);
  await settled();
  const stopping = a.stop(1_000);
  await settled();
  assert.ok(desk.cluster.members.has("a"));
  await desk.clock.advance(1_000);
  await stopping;
  assert.deepEqual([...desk.cluster.members.keys()], ["b"]);
  await desk.stop(b);
});

Deno.test("ClusterInstance stops to serve when its event loop stood still for longer than its lease", async () => {
  const desk = new Desk();
  const a = desk.seat("a");
  await a.start(CARS.slice(0, 1));
  await settled();
  desk.clock.jump(LEASE_MS);
  await settled();
  assert.deepEqual(desk.events, ["a abandons car0: lease lost"]);
  assert.equal(desk.countOf("a"), 1, "it has joined again");
  assert.equal(desk.log.texts("ERROR").length, 1);
  await desk.stop(a);
});

Deno.test("ClusterInstance gives up what is configured no longer, and takes what is new", async () => {
  const desk = new Desk();
  const a = desk.seat("a");
  await a.start(["car0", "car1"]);
  const b = desk.seat("b");
  await b.start(["car1"]);
  await settled();
  a.configure(["car0", "car2"]);
  await settled();
  await desk.clock.advance(CLUSTER_SETTINGS.standbyMs);
  assert.deepEqual(desk.serving.get("a")?.toSorted(), ["car0", "car2"]);
  assert.deepEqual(desk.serving.get("b"), ["car1"]);
  await desk.stop(a, b);
});

Deno.test("ClusterInstance moves a car where an operator wants it, when it is settled", async () => {
  const desk = new Desk();
  const a = desk.seat("a");
  await a.start(["car0"]);
  await settled();
  const b = desk.seat("b");
  await b.start(["car0"]);
  a.setUnsettled("car0", true);
  await a.move("car0", "b");
  await settled();
  assert.deepEqual(desk.serving.get("a"), ["car0"]);
  a.setUnsettled("car0", false);
  await settled();
  assert.deepEqual([desk.countOf("a"), desk.serving.get("b")], [0, ["car0"]]);
  await desk.stop(a, b);
});

Deno.test("ClusterInstance says once that the store is away, and that it answers again", async () => {
  const desk = new Desk();
  const store = desk.store();
  const a = desk.seat("a", {
    start: (member, listener) => {
      listener.onStoreLost("refused");
      listener.onStoreLost("refused");
      return store.start(member, listener);
    },
    describe: (member) => store.describe(member),
    claim: (car, expected) => store.claim(car, expected),
    offer: (car, epoch, to) => store.offer(car, epoch, to),
    release: (car, epoch) => store.release(car, epoch),
    ownerOf: (car) => store.ownerOf(car),
    pin: (car, to) => store.pin(car, to),
    stop: () => store.stop(),
  });
  await a.start(CARS);
  await settled();
  assert.equal(a.trouble, null);
  assert.deepEqual(desk.log.texts("WARNING"), [
    "The cluster's store is away: no car changes hands: refused",
  ]);
  assert.deepEqual(desk.log.texts("INFO"), ["The cluster's store answers again"]);
  assert.equal(desk.countOf("a"), CARS.length);
  await desk.stop(a);
});

Deno.test("ClusterInstance drains also when the others cannot be told", async () => {
  const desk = new Desk();
  const store = desk.store();
  store.describe = () => Promise.reject(new StoreError("away"));
  const a = desk.seat("a", store);
  await a.start(CARS);
  await assert.rejects(a.drain(true), /away/);
  assert.equal(a.state.draining, true);
  await desk.stop(a);
});
