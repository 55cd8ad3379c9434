// Both stores do the same for an instance.
import assert from "node:assert/strict";
import {
  type ClusterStore,
  EtcdStore,
  type Member,
  MemberExistsError,
  MemoryCluster,
  MemoryStore,
  type Ownership,
  StoreError,
  type StoreListener,
} from "../../src/cluster/mod.ts";
import { systemClock } from "../../src/time/mod.ts";
import { Etcd, etcdTest } from "../support/etcd.ts";
import { Inbox, waitFor } from "../support/wait.ts";

function member(id: string): Member {
  return {
    id,
    version: "1.0.0",
    checkpointFormat: 1,
    capacity: 1,
    labels: { zone: "a" },
    url: null,
    draining: false,
  };
}

/** A store with what it told. */
class Seat implements AsyncDisposable {
  readonly store: ClusterStore;
  readonly told = new Inbox<string>();
  readonly owners = new Map<string, Ownership>();

  constructor(store: ClusterStore) {
    this.store = store;
  }

  async join(id: string): Promise<this> {
    const listener: StoreListener = {
      onJoined: ({ members, owners, pins }) => {
        for (const [car, ownership] of Object.entries(owners)) this.owners.set(car, ownership);
        const ids = members.map(({ id }) => id).sort();
        const cars = Object.entries(owners).map(([car, { owner }]) => `${car}=${owner}`);
        const pinned = Object.entries(pins).map(([car, to]) => `${car}@${to}`);
        this.told.push(`joined ${[...ids, ...cars, ...pinned].join(" ")}`);
      },
      onMembers: (members) => {
        const texts = members.map(({ id, draining }) => draining ? `${id} draining` : id);
        this.told.push(`members ${texts.sort()}`);
      },
      onOwner: (car, ownership) => {
        if (ownership === null) this.owners.delete(car);
        else this.owners.set(car, ownership);
        const to = ownership?.to ? ` to ${ownership.to}` : "";
        this.told.push(`${car} ${ownership?.owner ?? "nobody"}${to}`);
      },
      onPin: (car, to) => this.told.push(`${car} @ ${to}`),
      onStoreLost: () => this.told.push("store lost"),
      onLeaseLost: () => this.told.push("lease lost"),
    };
    await waitFor(this.store.start(member(id), listener), "to join");
    return this;
  }

  /** Waits until something is told; what is told before it does not matter. */
  async hears(line: string): Promise<void> {
    while (await this.told.next(line) !== line);
  }

  epochOf(car: string): number {
    return this.owners.get(car)?.epoch ?? -1;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.store.stop();
  }
}

type MakeStore = () => ClusterStore;

async function handsCarsOver(make: MakeStore): Promise<void> {
  await using a = await new Seat(make()).join("a");
  await a.hears("joined a");
  assert.equal(await a.store.claim("car", null), true);
  await a.hears("car a");
  const first = a.epochOf("car");
  await using b = await new Seat(make()).join("b");
  await b.hears("joined a b car=a");
  assert.equal(b.epochOf("car"), first);
  assert.equal(await b.store.claim("car", null), false, "it has an owner");
  assert.equal(await b.store.offer("car", first, "b"), false, "it is another's");
  assert.equal(await a.store.offer("car", first - 1, "b"), false, "another epoch");
  assert.equal(await a.store.offer("car", first, "b"), true);
  await b.hears("car a to b");
  const offered = b.owners.get("car");
  assert.deepEqual(offered, { owner: "a", epoch: first, to: "b" });
  assert.equal(await b.store.claim("car", offered), true);
  await a.hears("car b");
  assert.ok(a.epochOf("car") > first);
  assert.equal(await b.store.claim("car", offered), false, "it has been taken");
  await a.store.release("car", first);
  await b.store.release("car", b.epochOf("car"));
  await a.hears("car nobody");
  await b.store.claim("car", null);
  await a.hears("car b");
  assert.ok(a.epochOf("car") > first + 1, "an epoch comes once");
}

async function leavesAtOnce(make: MakeStore): Promise<void> {
  await using a = await new Seat(make()).join("a");
  {
    await using b = await new Seat(make()).join("b");
    await b.store.pin("other", "b");
    await b.store.claim("car", null);
    await a.hears("car b");
  }
  await a.hears("car nobody");
  await using c = await new Seat(make()).join("c");
  await c.hears("joined a c other@b");
  await c.store.pin("other", null);
  await a.hears("other @ null");
}

async function refusesTheSameId(make: MakeStore): Promise<void> {
  await using _a = await new Seat(make()).join("a");
  const second = new Seat(make());
  await assert.rejects(second.join("a"), (error: Error) => {
    assert.ok(error instanceof MemberExistsError);
    assert.equal(error.message, 'Cannot join the cluster as "a": a live instance has this id');
    return true;
  });
  await second.store.stop();
}

const RULES: Readonly<Record<string, (make: MakeStore) => Promise<void>>> = {
  "hands cars over, each take with a higher epoch": handsCarsOver,
  "leaves with all it owns, and pins stay": leavesAtOnce,
  "refuses a second instance with the id of a live one": refusesTheSameId,
};

function etcdStore(etcd: Etcd, company = "acme"): EtcdStore {
  const endpoints = ["http://127.0.0.1:1", etcd.url];
  return new EtcdStore({ endpoints, prefix: "fleet", company, leaseS: 2, clock: systemClock });
}

for (const [name, rule] of Object.entries(RULES)) {
  Deno.test(`MemoryStore ${name}`, async () => {
    const cluster = new MemoryCluster();
    await rule(() => new MemoryStore(cluster, 2_000, systemClock));
  });
  etcdTest(`EtcdStore ${name}`, async () => {
    await using etcd = await Etcd.start();
    await rule(() => etcdStore(etcd));
  });
}

etcdTest("EtcdStore keeps companies apart", async () => {
  await using etcd = await Etcd.start();
  await using a = await new Seat(etcdStore(etcd)).join("a");
  await using b = await new Seat(etcdStore(etcd, "other")).join("b");
  await a.hears("joined a");
  await b.hears("joined b");
});

etcdTest(
  "EtcdStore gives its lease up in time when etcd dies, and joins again when it is back",
  async () => {
    await using etcd = await Etcd.start();
    await using a = await new Seat(etcdStore(etcd)).join("a");
    await a.hears("joined a");
    await a.store.claim("car", null);
    await a.hears("car a");
    await etcd.kill();
    await a.hears("store lost");
    await a.hears("lease lost");
    await etcd.run();
    while (!/^joined a/.test(await a.told.next("to join again")));
    await a.store.claim("car", a.owners.get("car") ?? null);
  },
);

etcdTest("EtcdStore keeps its lease while etcd is away for less than that", async () => {
  await using etcd = await Etcd.start();
  await using a = await new Seat(
    new EtcdStore({
      endpoints: [etcd.url],
      prefix: "fleet",
      company: "acme",
      leaseS: 60,
      clock: systemClock,
    }),
  ).join("a");
  await a.hears("joined a");
  await a.store.claim("car", null);
  await a.hears("car a");
  await etcd.kill();
  await a.hears("store lost");
  await etcd.run();
  await a.hears("joined a car=a");
});

etcdTest(
  "EtcdStore tells the others later what it could not write while etcd was away",
  async () => {
    await using etcd = await Etcd.start();
    const { url } = etcd;
    const options = { endpoints: [url], prefix: "fleet", company: "acme", clock: systemClock };
    await using a = await new Seat(new EtcdStore({ ...options, leaseS: 60 })).join("a");
    await a.hears("joined a");
    await etcd.kill();
    await assert.rejects(a.store.describe({ ...member("a"), draining: true }), StoreError);
    await etcd.run();
    await a.hears("members a draining");
  },
);
