// The cluster in the API: which instance serves which car, and what moves them.
import * as z from "zod";
import type { ClusterSnapshot, RunningCluster } from "../../cluster/mod.ts";
import { HEALTH_STATES } from "../../observe/mod.ts";
import { STATE_NAMES } from "../../session/mod.ts";
import { quote } from "../../text/mod.ts";
import { RpcError } from "../errors.ts";
import { RPC_ERRORS, RpcCode } from "./json_rpc.ts";
import { defineFor, type Method } from "./method.ts";
import type { PeerCar, Peers } from "./peers.ts";
import { time } from "./schemas.ts";
import { carSummaries, type ViewSource } from "./views.ts";

/** A cluster that operators can act on. */
export interface OperatedCluster {
  readonly cluster: Pick<RunningCluster, "snapshot" | "drain" | "move">;
  /** The other instances. */
  readonly peers: Pick<Peers, "cars" | "call">;
}

/** What methods on the cluster read from. */
export interface ClusterSource extends ViewSource {
  /** Absent: the server has all cars to itself. */
  readonly cluster?: OperatedCluster | undefined;
}

const count = () => z.int().min(0);

const MemberView = z.object({
  id: z.string(),
  version: z.string().describe("of the program"),
  checkpointFormat: count().describe("the newest format of checkpoints that it reads"),
  capacity: z.number().describe("its share of the cars in relation to the others'"),
  labels: z.record(z.string(), z.string()).readonly(),
  url: z.string().nullable().describe("where the others reach its API; null: nowhere"),
  draining: z.boolean().describe("it hands everything over and takes nothing"),
  cars: count().describe("cars that it owns"),
  problem: z.string().nullable().describe("why it does not say how its cars are; null: it does"),
}).meta({ id: "MemberView", description: "An instance of a cluster" });

const SharedCarView = z.object({
  car: z.string(),
  owner: z.string().nullable().describe("the instance that serves it; null: none does"),
  epoch: count().nullable().describe("grows each time that it is taken"),
  to: z.string().nullable().describe("the instance that it is on its way to; null: it stays"),
  pinnedTo: z.string().nullable().describe("where an operator wants it; null: anywhere"),
  state: z.enum(STATE_NAMES).nullable().describe("null while its owner does not answer"),
  health: z.enum(HEALTH_STATES).nullable().describe("null while its owner does not answer"),
  since: time().nullable().describe("of the state"),
}).meta({ id: "SharedCarView", description: "A car of the fleet, wherever it is served" });

const takeoverCounts = () =>
  z.object({ planned: count(), unplanned: count(), reconnected: count() });

export const ClusterView = z.object({
  self: z.string().describe("the instance that answers"),
  joined: z.boolean().describe("whether it has its lease, and etcd answers"),
  trouble: z.string().nullable().describe("why etcd cannot be used; null: it can"),
  draining: z.boolean(),
  members: z.array(MemberView).readonly().describe("live instances"),
  cars: z.array(SharedCarView).readonly().describe("all cars of the configuration"),
  takeovers: z.object({
    exact: takeoverCounts().describe("sessions that went on here"),
    inexact: z.record(z.string(), count()).readonly()
      .describe("gateways that had to connect again, by the reason"),
    lost: count().describe("cars that turned out to be another's"),
    unfinished: count().describe(
      "sessions that were not closed exactly when they were handed over",
    ),
  }).describe("of the instance that answers, since it started"),
}).meta({ id: "ClusterView", description: "All instances and all cars of a cluster" });
export type ClusterView = z.input<typeof ClusterView>;

const Done = z.object({ done: z.literal(true) });

/** The methods, for the list of a server. */
export function clusterMethods<Source extends ClusterSource>(): readonly Method<Source>[] {
  const define = defineFor<Source>();
  return [
    define({
      name: "cluster.members",
      summary: "All instances of the cluster, and where each car is and how it is",
      scope: "read",
      rest: { verb: "GET", path: "/api/v1/cluster" },
      result: ClusterView,
      run: (_, source) => clusterView(source),
    }),
    define({
      name: "cluster.move",
      summary: "Have a car served by an instance, or by the one that the hash names",
      scope: "operate",
      rest: { verb: "POST", path: "/api/v1/cluster/cars/{car}/move" },
      params: z.strictObject({
        car: z.string().describe("A car of the configuration"),
        to: z.string().nullable().describe("A live instance; null: where the hash says"),
      }),
      result: Done,
      run: async ({ car, to }, source) => {
        const { cluster } = clusterOf(source);
        const { cars, members } = cluster.snapshot();
        if (!cars.some((one) => one.car === car)) {
          const message = `Expected a car of the configuration: found ${quote(car)}`;
          throw new RpcError(RPC_ERRORS.NO_SUCH_CAR, message);
        }
        if (to !== null) memberOf(members, to);
        return await done(cluster.move(car, to));
      },
    }),
    define({
      name: "cluster.drain",
      summary: "Have an instance hand all its cars over, and take none until told otherwise",
      scope: "admin",
      rest: { verb: "POST", path: "/api/v1/cluster/instances/{instance}/drain" },
      params: z.strictObject({
        instance: z.string().describe("A live instance"),
        draining: z.boolean().optional().describe("false: it takes cars again; absent: true"),
      }),
      result: Done,
      run: async ({ instance, draining = true }, source) => {
        const { cluster, peers } = clusterOf(source);
        const { self, members } = cluster.snapshot();
        if (instance === self.id) return await done(cluster.drain(draining));
        const { url } = memberOf(members, instance);
        if (url === null) {
          const message = `Cannot ask ${quote(instance)}: it advertises no address`;
          throw new RpcError(RPC_ERRORS.UNAVAILABLE, message);
        }
        return await done(peers.call(url, "cluster.drain", { instance, draining }));
      },
    }),
  ];
}

function clusterOf({ cluster }: ClusterSource): OperatedCluster {
  if (cluster !== undefined) return cluster;
  throw new RpcError(RPC_ERRORS.UNAVAILABLE, "The server has all cars to itself: no cluster");
}

function memberOf(members: ClusterSnapshot["members"], id: string) {
  const member = members.find((one) => one.id === id);
  if (member !== undefined) return member;
  const message = `Expected a live instance of the cluster: found ${quote(id)}`;
  throw new RpcError(RpcCode.INVALID_PARAMS, message);
}

/** What etcd or another instance does not do is no defect. */
async function done(work: Promise<unknown>): Promise<z.input<typeof Done>> {
  try {
    await work;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new RpcError(RPC_ERRORS.UNAVAILABLE, message);
  }
  return { done: true };
}

async function clusterView(source: ClusterSource): Promise<ClusterView> {
  const { cluster, peers } = clusterOf(source);
  const { self, joined, trouble, draining, members, cars, takeovers } = cluster.snapshot();
  const others = members.filter(({ id }) => id !== self.id);
  const answers = await peers.cars(others);
  const known = new Map<string, PeerCar>();
  for (const answer of answers.values()) {
    if (typeof answer !== "string") { for (const car of answer) known.set(car.car, car); }
  }
  // What is served here is known best here.
  const all = new Set(cars.map(({ car }) => car));
  for (const { car, state, health, since } of carSummaries(source, all)) {
    known.set(car, { car, state, health: health.state, since });
  }
  const owned = Map.groupBy(cars, ({ owner }) => owner);
  const { exact, inexact, lost, unfinished } = takeovers;
  return {
    self: self.id,
    joined,
    trouble,
    draining,
    members: members.map((member) => {
      const answer = answers.get(member.id);
      return {
        ...member,
        cars: owned.get(member.id)?.length ?? 0,
        problem: typeof answer === "string" ? answer : null,
      };
    }),
    cars: cars.map(({ car, owner, epoch, to, pinnedTo }) => {
      const { state = null, health = null, since = null } = known.get(car) ?? {};
      return { car, owner, epoch, to, pinnedTo, state, health, since };
    }),
    takeovers: { exact, inexact, lost, unfinished },
  };
}
