// What several servers for one fleet cost, and how long cars wait when one of them goes.
import { Fleet } from "../../src/simulator/mod.ts";
import { COMPANY, ServerProcess } from "../../tests/e2e/server_process.ts";
import { Etcd } from "../../tests/support/etcd.ts";
import { Mosquitto } from "../../tests/support/mosquitto.ts";
import { type Figure, figure } from "../support/figure.ts";
import { pause, type Sample, Stage } from "../support/stage.ts";
import { type BenchContext, plainModules, type Row } from "./row.ts";

const WINDOWS = 5;
const SECONDS = 4;
/** As many as there is an answer to, and what a fleet in the field does. */
const FULL = { rate: 0, window: 10, bytes: 64 };
const CALM = { rate: 5, window: 100, bytes: 64 };
/** Between two rounds: everybody has what it should have. */
const CALM_MS = 3_000;
const RUNNING_MS = 120_000;
const SERVED_MS = 60_000;
const ROUNDS = 3;

const cpuUs = (samples: readonly Sample[]) => samples.map((one) => one.cpuPerStatusUs);

function clusterKeys(etcd: Etcd, instance: string) {
  return { cluster: { etcd: [etcd.url], instance } };
}

/** The same server, alone and as the only member of a cluster, in turn. */
async function compareCost(
  row: string,
  context: BenchContext,
  cars: number,
  pace: typeof FULL,
): Promise<Figure> {
  const side = { side: "server", cars, modules: plainModules(context) } as const;
  await using etcd = await Etcd.start();
  await using alone = await Stage.set(side);
  await using member = await Stage.set({ ...side, more: clusterKeys(etcd, "a") });
  const samples = { alone: [] as Sample[], member: [] as Sample[] };
  for (const stage of [alone, member]) await stage.measure(pace, 2);
  for (let i = 0; i < WINDOWS; i++) {
    samples.alone.push(await alone.measure(pace, SECONDS));
    samples.member.push(await member.measure(pace, SECONDS));
  }
  const load = pace.rate === 0 ? `${pace.window} in flight each` : `${pace.rate}/s each`;
  return figure({
    row,
    what: `${cars} cars, ${load}: CPU per status in a cluster, against alone`,
    unit: "us",
    server: cpuUs(samples.member),
    reference: cpuUs(samples.alone),
    reach: "<= 1.25 x alone",
    reached: (_, ratio) => ratio <= 1.25,
    samples: Object.values(samples).flat(),
  });
}

export const clusterCost: Row = {
  name: "cluster_cost",
  byDefault: false,
  async run(context) {
    return [
      await compareCost(this.name, context, 10, FULL),
      await compareCost(this.name, context, 100, CALM),
    ];
  },
};

/** Two servers with a fleet. */
class Pair implements AsyncDisposable {
  readonly fleet: Fleet;
  readonly #context: BenchContext;
  readonly #broker: Mosquitto;
  readonly #etcd: Etcd;
  readonly #cars: readonly string[];
  #scope: AsyncDisposableStack;
  readonly #members = new Map<string, ServerProcess>();

  private constructor(
    context: BenchContext,
    scope: AsyncDisposableStack,
    broker: Mosquitto,
    etcd: Etcd,
    cars: number,
  ) {
    this.#context = context;
    this.#scope = scope;
    this.#broker = broker;
    this.#etcd = etcd;
    this.#cars = Array.from({ length: cars }, (_, i) => `car_${i + 1}`);
    const at = { host: "127.0.0.1", port: broker.port };
    this.fleet = new Fleet({
      gateways: this.#cars.map((car) => ({ company: COMPANY, car, broker: at, rate: 5 })),
    });
    scope.defer(() => this.fleet.stop());
  }

  /** Starts one server, then all gateways, then the other one, which takes its share. */
  static async set(context: BenchContext, cars: number): Promise<Pair> {
    await using undo = new AsyncDisposableStack();
    const lines = ["set_tcp_nodelay true", "max_queued_messages 10000"];
    const broker = undo.use(await Mosquitto.start({ lines }));
    const etcd = undo.use(await Etcd.start());
    const pair = new Pair(context, undo, broker, etcd, cars);
    await pair.start("a");
    await pair.served("a", cars);
    pair.fleet.start();
    await pair.fleet.allRunning(RUNNING_MS);
    pair.#scope = undo.move();
    return pair;
  }

  async start(id: string): Promise<ServerProcess> {
    const modules = plainModules(this.#context)();
    const server = await ServerProcess.start({
      port: this.#broker.port,
      cars: Object.fromEntries(this.#cars.map((car) => [car, modules])),
      more: {
        logging: { console: { level: "INFO", use: true } },
        ...clusterKeys(this.#etcd, id),
      },
    }, { record: false });
    this.#members.set(id, server);
    this.#scope.defer(() => server[Symbol.asyncDispose]());
    return server;
  }

  member(id: string): ServerProcess {
    const server = this.#members.get(id);
    if (server === undefined) throw new Error(`Cannot find the server "${id}"`);
    return server;
  }

  /** When this member began to serve each of so many cars, in milliseconds since 1970. */
  async served(id: string, count: number): Promise<number[]> {
    const server = this.member(id);
    const found = () => server.lines.filter((line) => line.includes("Served here, epoch"));
    const endAt = performance.now() + SERVED_MS;
    while (found().length < count) {
      if (performance.now() > endAt) throw new Error(`Expected ${count} cars at "${id}"`);
      await pause(20);
    }
    // The log has local dates.
    return found().map((line) => new Date(line.slice(1, 24).replace(" ", "T")).getTime());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scope[Symbol.asyncDispose]();
  }
}

/** What a fleet has seen of the end of a server that served all of it. */
interface Passing {
  /** The longest time to an answer, in milliseconds. */
  readonly longestMs: number;
  /** From the end of the one to the first car of the other, and from there to the last one. */
  readonly detectionMs: number;
  readonly takeoverMs: number;
}

/** One server serves all, another is there; the first one ends. */
async function pass(
  context: BenchContext,
  cars: number,
  end: (server: ServerProcess) => Promise<unknown>,
): Promise<Passing> {
  await using pair = await Pair.set(context, cars);
  await pair.start("b");
  // It takes no car for balance before it has been there for five seconds.
  const { fleet } = pair;
  fleet.stats.reset();
  const endedAt = Date.now();
  await end(pair.member("a"));
  const times = await pair.served("b", cars);
  await pause(CALM_MS);
  if (fleet.running < cars || fleet.violations.length > 0 || fleet.stats.reconnects > 0) {
    throw new Error(`Cannot trust the takeover: ${fleet.running} cars of ${cars} go on`);
  }
  const first = Math.min(...times);
  return {
    longestMs: fleet.stats.latency.maxMs,
    detectionMs: first - endedAt,
    takeoverMs: Math.max(...times) - first,
  };
}

async function passings(
  context: BenchContext,
  cars: number,
  rounds: number,
  end: (server: ServerProcess) => Promise<unknown>,
): Promise<Passing[]> {
  const all: Passing[] = [];
  for (let i = 0; i < rounds; i++) all.push(await pass(context, cars, end));
  return all;
}

async function kill(server: ServerProcess): Promise<void> {
  server.signal("SIGKILL");
  await server.ended();
}

export const clusterKill: Row = {
  name: "cluster_kill",
  byDefault: false,
  async run(context) {
    const found = await passings(context, 100, ROUNDS, kill);
    const { name: row } = this;
    return [
      figure({
        row,
        what: "100 cars, 5/s each, kill -9: longest time to an answer",
        unit: "ms",
        server: found.map(({ longestMs }) => longestMs),
        reach: "<= 5000, aim 3500",
        reached: (ms) => ms <= 5_000,
      }),
      figure({
        row,
        what: "the same: until the first car is served elsewhere",
        unit: "ms",
        server: found.map(({ detectionMs }) => detectionMs),
        reach: "the lease's 3 s, and what etcd adds",
        reached: (ms) => ms <= 4_500,
      }),
      figure({
        row,
        what: "the same: cars taken a second",
        unit: "/s",
        server: found.map(({ takeoverMs }) => 100_000 / Math.max(1, takeoverMs)),
        reach: ">= 200",
        reached: (count) => count >= 200,
      }),
    ];
  },
};

export const clusterStop: Row = {
  name: "cluster_stop",
  byDefault: false,
  async run(context) {
    const found = await passings(context, 100, ROUNDS, (server) => server.stop());
    return [figure({
      row: this.name,
      what: "100 cars, 5/s each, SIGTERM: longest time to an answer",
      unit: "ms",
      server: found.map(({ longestMs }) => longestMs),
      reach: "<= 100",
      reached: (ms) => ms <= 100,
    })];
  },
};

export const clusterThousand: Row = {
  name: "cluster_thousand",
  byDefault: false,
  async run(context) {
    const [found] = await passings(context, 1_000, 1, kill);
    return [figure({
      row: this.name,
      what: "1,000 cars, 5/s each, kill -9 of their server: longest time to an answer",
      unit: "ms",
      server: found === undefined ? [] : [found.longestMs],
      reach: "<= 30000, all go on",
      reached: (ms) => ms <= 30_000,
    })];
  },
};
