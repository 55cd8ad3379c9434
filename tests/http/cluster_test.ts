// The cluster in the API: instances in one process around a store in memory, each with its own port.
import assert from "node:assert/strict";
import type { ClusterView } from "../../src/http/api/cluster.ts";
import { Peers } from "../../src/http/api/peers.ts";
import { readinessOf } from "../../src/http/readiness.ts";
import type { ClusterSnapshot, Member } from "../../src/cluster/mod.ts";
import { noTakeovers } from "../../src/cluster/served_cars.ts";
import { systemClock } from "../../src/time/clock.ts";
import { Fixture, KEY } from "./fixture.ts";

function member(id: string, url: string | null): Member {
  return {
    id,
    version: "1.0.0",
    checkpointFormat: 1,
    capacity: 1,
    labels: { zone: "north" },
    url,
    draining: false,
  };
}

/** What an instance knows: `a` has car_a, `b` has car_b, and nobody has car_c. */
class Known {
  readonly asked: string[] = [];
  readonly snapshot: ClusterSnapshot;

  constructor(others: readonly Member[]) {
    const self = member("a", null);
    const at = { pinnedTo: null, here: null };
    this.snapshot = {
      self,
      joined: true,
      trouble: null,
      draining: false,
      members: [self, ...others],
      cars: [
        { car: "car_a", owner: "a", epoch: 4, to: "b", ...at },
        { car: "car_b", owner: "b", epoch: 5, to: null, ...at, pinnedTo: "b" },
        { car: "car_c", owner: null, epoch: null, to: null, ...at },
      ],
      owned: 1,
      takeovers: noTakeovers(),
    };
  }

  operated(key: string | undefined) {
    const note = (text: string) => {
      this.asked.push(text);
      return text.includes("car_c") ? Promise.reject(new Error("etcd is away")) : Promise.resolve();
    };
    return {
      peers: new Peers(key, systemClock),
      cluster: {
        snapshot: () => this.snapshot,
        drain: (draining: boolean) => note(`drain ${draining}`),
        move: (car: string, to: string | null) => note(`move ${car} to ${to}`),
      },
    };
  }
}

Deno.test("cluster.members shows the fleet of all instances, and who does not answer", async () => {
  await using other = await Fixture.start({ cars: { car_b: {} } });
  other.up();
  const others = [
    member("b", other.operators.url),
    member("c", null),
    member("d", "http://127.0.0.1:1"),
  ];
  const known = new Known(others);
  await using fixture = await Fixture.start({
    cars: { car_a: {} },
    cluster: known.operated(KEY),
  });
  const view = (await fixture.rpc("cluster.members")).result as ClusterView;
  assert.equal(view.self, "a");
  assert.deepEqual(view.members.map(({ id, cars }) => [id, cars]), [
    ["a", 1],
    ["b", 1],
    ["c", 0],
    ["d", 0],
  ]);
  assert.deepEqual(view.members.slice(0, 3).map(({ problem }) => problem), [
    null,
    null,
    "It advertises no address",
  ]);
  assert.match(view.members[3]?.problem ?? "", /^Cannot ask the server at "http:\/\/127.0.0.1:1"/);
  assert.deepEqual(view.cars.map(({ car, owner, to, state }) => [car, owner, to, state]), [
    ["car_a", "a", "b", "UNINITIALIZED"],
    ["car_b", "b", null, "CONNECTED"],
    ["car_c", null, null, null],
  ]);
  assert.deepEqual(await fixture.json("/api/v1/cluster"), view);
});

Deno.test("an instance that refuses the key of the cluster is shown as such", async () => {
  await using other = await Fixture.start();
  const known = new Known([member("b", other.operators.url)]);
  await using fixture = await Fixture.start({ cluster: known.operated("another key") });
  const { members } = (await fixture.rpc("cluster.members")).result as ClusterView;
  assert.match(members[1]?.problem ?? "", /the API key is refused/);
});

Deno.test("cluster.move and cluster.drain are passed on, refused with the reason, and audited", async () => {
  const far = new Known([]);
  await using other = await Fixture.start({ cluster: { ...far.operated(undefined) } });
  const known = new Known([member("a2", other.operators.url), member("c", null)]);
  await using fixture = await Fixture.start({ cluster: known.operated(KEY) });
  const problem = async (method: string, params: unknown) =>
    (await fixture.rpc(method, params)).error?.message;
  assert.equal(await problem("cluster.move", { car: "car_a", to: "c" }), undefined);
  assert.equal(await problem("cluster.move", { car: "car_b", to: null }), undefined);
  assert.equal(await problem("cluster.drain", { instance: "a", draining: false }), undefined);
  assert.deepEqual(known.asked, ["move car_a to c", "move car_b to null", "drain false"]);
  const refused = [
    [await problem("cluster.move", { car: "x", to: null }), /configuration: found "x"/],
    [await problem("cluster.move", { car: "car_a", to: "x" }), /live instance .*: found "x"/],
    [await problem("cluster.move", { car: "car_c", to: null }), /^etcd is away$/],
    [await problem("cluster.drain", { instance: "c" }), /it advertises no address/],
    // It knows no instance of that name, and says so.
    [
      await problem("cluster.drain", { instance: "a2" }),
      /live instance of the cluster: found "a2"/,
    ],
  ] as const;
  for (const [message, expected] of refused) assert.match(message ?? "", expected);
  const audit = (await fixture.rpc("audit.list")).result as { action: string; result: string }[];
  assert.equal(audit.filter(({ action }) => action.startsWith("cluster.")).length, 8);
});

Deno.test("a server that has all cars to itself has no cluster", async () => {
  await using fixture = await Fixture.start();
  const { error } = await fixture.rpc("cluster.members");
  assert.equal(error?.message, "The server has all cars to itself: no cluster");
  assert.doesNotMatch(await (await fixture.get("/metrics")).text(), /^external_server_cluster_/m);
});

Deno.test("metrics count takeovers, and readiness says what the cluster lacks", async () => {
  const known = new Known([]);
  known.snapshot.takeovers.exact.planned = 3;
  known.snapshot.takeovers.inexact.no_checkpoint = 2;
  await using fixture = await Fixture.start({ cluster: known.operated(KEY) });
  const text = await (await fixture.get("/metrics")).text();
  assert.match(text, /external_server_cluster_takeovers_total\{kind="planned"\} 3\n/);
  assert.match(
    text,
    /external_server_cluster_exactness_failures_total\{reason="no_checkpoint"\} 2\n/,
  );
  assert.match(text, /external_server_cluster_store_up 1\n/);
  assert.match(text, /external_server_cluster_takeover_seconds_count\{kind="planned"\} 0\n/);
  const judge = (change: Partial<ClusterSnapshot>) => {
    const cluster = known.operated(KEY);
    cluster.cluster.snapshot = () => ({ ...known.snapshot, ...change });
    return readinessOf({ cars: [], hosts: [], hostsLost: 0 }, 0, { sinks: () => [], cluster });
  };
  assert.deepEqual(judge({}), { ready: true, reasons: [], degraded: [] });
  assert.deepEqual(judge({ joined: false }).reasons, ["It has not joined its cluster"]);
  assert.deepEqual(judge({ joined: false, trouble: "no endpoint answers" }), {
    ready: true,
    reasons: [],
    degraded: ["etcd does not answer: no endpoint answers"],
  });
  assert.deepEqual(judge({ draining: true }).degraded, [
    "It hands its cars over to other instances",
  ]);
});
