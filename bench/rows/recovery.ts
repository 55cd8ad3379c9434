// How soon gateways run again after a failure, and whether it cost any of them a connect sequence.
import { GATEWAY_VERSIONS, type GatewayVersion } from "../../src/gateway/mod.ts";
import type { Gateway } from "../../src/simulator/gateway.ts";
import { Fleet } from "../../src/simulator/mod.ts";
import { COMPANY, ServerProcess } from "../../tests/e2e/server_process.ts";
import { freePort, Mosquitto } from "../../tests/support/mosquitto.ts";
import { type Figure, figure } from "../support/figure.ts";
import { treeOf } from "../support/process_tree.ts";
import { pause } from "../support/stage.ts";
import { type BenchContext, plainModules, type Row } from "./row.ts";

const CARS_OF_A_KIND = 5;
const ROUNDS = 3;
/** Between two failures: longer than what is said once may not be said again. */
const CALM_MS = 7_000;
/** How often a quiet gateway looks whether it was told to reconnect; each round hits another moment. */
const LOOK_MS = 3_000;
const RUNNING_MS = 90_000;
const SERVER_AWAY_MS = 1_000;
/** By then every gateway has tried in vain, and pauses for its 10 s. */
const BROKER_AWAY_MS = 5_000;

/** Statuses a second; a quiet gateway sends one every 15 s, and no more. */
const PACES = { busy: 5, quiet: undefined };
type Pace = keyof typeof PACES;

interface Kind {
  readonly version: GatewayVersion;
  readonly pace: Pace;
  readonly cars: readonly string[];
}

const KINDS: readonly Kind[] = GATEWAY_VERSIONS.flatMap((version) =>
  (Object.keys(PACES) as Pace[]).map((pace) => ({
    version,
    pace,
    cars: Array.from(
      { length: CARS_OF_A_KIND },
      (_, i) => `${pace}_${version.replace(".", "_")}_${i + 1}`,
    ),
  }))
);
const CARS = KINDS.flatMap(({ cars }) => cars);

/** A broker, a server that can be killed and restarted, and the gateways. */
class Site implements AsyncDisposable {
  readonly broker: Mosquitto;
  readonly fleet: Fleet;
  readonly #context: BenchContext;
  readonly #httpPort = freePort();
  #server: ServerProcess | undefined;

  constructor(context: BenchContext, broker: Mosquitto) {
    this.#context = context;
    this.broker = broker;
    this.fleet = new Fleet({
      gateways: KINDS.flatMap(({ version, pace, cars }) =>
        cars.map((car) => {
          const rate = PACES[pace];
          return {
            company: COMPANY,
            car,
            broker: { host: "127.0.0.1", port: broker.port },
            gateway: version,
            ...(rate === undefined ? {} : { rate }),
          };
        })
      ),
    });
  }

  async startServer(): Promise<void> {
    const modules = plainModules(this.#context)();
    this.#server = await ServerProcess.launch({
      port: this.broker.port,
      cars: Object.fromEntries(CARS.map((car) => [car, modules])),
      more: {
        logging: { console: { level: "INFO", use: true } },
        http: { port: this.#httpPort },
      },
    }, { record: false });
  }

  async serving(): Promise<void> {
    await this.#server?.line(/Serving \d+ cars/);
  }

  async killServer(): Promise<void> {
    await this.#server?.[Symbol.asyncDispose]();
    this.#server = undefined;
  }

  killHosts(): void {
    const [, ...hosts] = this.#server === undefined ? [] : treeOf(this.#server.pid);
    for (const host of hosts) Deno.kill(host, "SIGKILL");
  }

  /** As an operator does, all cars at the same time. */
  async restartSessions(): Promise<void> {
    const url = `http://127.0.0.1:${this.#httpPort}/rpc`;
    const body = (car: string, id: number) =>
      JSON.stringify({ jsonrpc: "2.0", id, method: "car.restart", params: { car } });
    const headers = { "content-type": "application/json" };
    await Promise.all(CARS.map(async (car, id) => {
      const answer = await fetch(url, { method: "POST", headers, body: body(car, id) });
      const { error } = await answer.json();
      if (error !== undefined) throw new Error(`Cannot restart "${car}": ${error.message}`);
    }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.fleet.stop();
    await this.killServer();
  }
}

/** Lets something fail; what is measured begins when it calls `mended`. */
type Failure = (site: Site, mended: () => void) => Promise<void>;

interface Case {
  readonly name: string;
  /** A server that has seen no failure: it leaves pauses between those it sees in a row. */
  readonly needsNewServer?: true;
  readonly fail: Failure;
  /** Longest median and longest time of all, in seconds. */
  readonly reach: Readonly<Record<Pace, readonly [median: number, longest: number]>>;
}

const restartServer: Failure = async (site, mended) => {
  await site.killServer();
  await pause(SERVER_AWAY_MS);
  mended();
  await site.startServer();
};

const CASES: readonly Case[] = [
  {
    name: "server killed and started",
    fail: restartServer,
    // The start of the process is in it.
    reach: { busy: [1.5, 2.5], quiet: [3.5, 5] },
  },
  {
    name: "module hosts killed",
    needsNewServer: true,
    fail(site, mended) {
      mended();
      site.killHosts();
      return Promise.resolve();
    },
    reach: { busy: [1, 2], quiet: [3, 4] },
  },
  {
    name: "broker killed and started",
    async fail(site, mended) {
      await site.broker.kill();
      await pause(BROKER_AWAY_MS);
      mended();
      await site.broker.restart();
    },
    // The gateway's pause of 10 s after it found no broker.
    reach: { busy: [6, 10], quiet: [9, 10] },
  },
  {
    name: "operator's restart",
    async fail(site, mended) {
      mended();
      await site.restartSessions();
    },
    reach: { busy: [0.5, 1], quiet: [3, 3.5] },
  },
];

/** Seconds from the moment a failure is mended until each gateway runs in a new session, by car. */
async function measure(site: Site, fail: Failure): Promise<Map<string, number>> {
  const seconds = new Map<string, number>();
  let mendedAt = performance.now();
  const back = site.fleet.gateways.map(async (gateway: Gateway) => {
    await gateway.nextSession(RUNNING_MS);
    seconds.set(gateway.car, (performance.now() - mendedAt) / 1_000);
  });
  await fail(site, () => mendedAt = performance.now());
  await Promise.all(back);
  await site.serving();
  return seconds;
}

function kindFigure(row: string, { name, reach }: Case, kind: Kind, seconds: number[]): Figure {
  const { version, pace } = kind;
  const [median, longest] = reach[pace];
  const max = Math.max(...seconds);
  return figure({
    row,
    what: `${name}, ${pace} ${version}: RUNNING again, median of ${seconds.length}; longest ${
      max.toFixed(2)
    } s`,
    unit: "s",
    server: seconds,
    reach: `<= ${median} s, longest <= ${longest} s`,
    reached: (value) => value <= median && max <= longest,
  });
}

export const recovery: Row = {
  name: "recovery",
  byDefault: false,
  async run(context) {
    await using broker = await Mosquitto.start({ lines: ["set_tcp_nodelay true"] });
    await using site = new Site(context, broker);
    await site.startServer();
    await site.serving();
    site.fleet.start();
    await site.fleet.allRunning(RUNNING_MS);
    const figures: Figure[] = [];
    for (const one of CASES) {
      const seconds = new Map<Kind, number[]>(KINDS.map((kind) => [kind, []]));
      const failed = site.fleet.stats.failedSequences;
      for (let round = 0; round < ROUNDS; round++) {
        if (one.needsNewServer) await measure(site, restartServer);
        await pause(CALM_MS + LOOK_MS * round / ROUNDS);
        const back = await measure(site, one.fail);
        for (const kind of KINDS) {
          seconds.get(kind)?.push(...kind.cars.map((car) => back.get(car) ?? NaN));
        }
      }
      for (const kind of KINDS) {
        figures.push(kindFigure(this.name, one, kind, seconds.get(kind) ?? []));
      }
      figures.push(figure({
        row: this.name,
        what: `${one.name}: failed connect sequences of ${ROUNDS * CARS.length}`,
        unit: "",
        server: [site.fleet.stats.failedSequences - failed],
        reach: "0, and no rule broken",
        reached: (count) => count === 0 && site.fleet.violations.length === 0,
      }));
    }
    return figures;
  },
};
