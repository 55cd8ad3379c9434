// A broker, one side and its load: set up together, measured, taken down together.
import { COMPANY, type ProcessOptions, type TestModule } from "../../tests/e2e/server_process.ts";
import { freePort, Mosquitto } from "../../tests/support/mosquitto.ts";
import { ScriptProcess } from "../../tests/support/script_process.ts";
import type { Pace } from "../load/load_car.ts";
import type { LoadReport, LoadRequest } from "../load/protocol.ts";
import { monotonicUs } from "./monotonic.ts";
import { cpuUs, machineCpuUs, treeOf } from "./process_tree.ts";
import { launchSide, type Side, type SideName } from "./side.ts";

/** Without it Mosquitto's answers wait 40 ms for each other; a queue for what a restart brings. */
const BROKER_LINES = ["set_tcp_nodelay true", "max_queued_messages 10000"];
const LOAD = new URL("../load/main.ts", import.meta.url);
const STARTED_MS = 60_000;
const STARTS_PER_SECOND = 500;
const ANSWER_MS = 10_000;

/** How a stage is set. */
export interface StageOptions {
  readonly side: SideName;
  readonly cars: number;
  readonly modules: (car: string) => Readonly<Record<string, TestModule>>;
  readonly echoCommandsPerSecond?: number;
  /** Further keys of the server's configuration. */
  readonly more?: Readonly<Record<string, unknown>>;
  /** How the server's process is started. */
  readonly process?: ProcessOptions;
  /** Whether the server is the broker itself. @default {false} */
  readonly embedded?: boolean;
  /** Modules for which each car of the load has a device. @default {[1000]} */
  readonly deviceModules?: readonly number[];
  /** Cars of the load begin with this number; those before it belong to another process. @default {1} */
  readonly firstCar?: number;
  /** Whether gateways are at the broker before the side is started. @default {false} */
  readonly gatewaysFirst?: boolean;
  /** Whether not to wait until all cars run. @default {false} */
  readonly noWait?: boolean;
}

/** What one window of measuring gave. */
export interface Sample {
  readonly seconds: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  readonly commandP99Ms: number;
  readonly commandP50Ms: number;
  /** Of the side with all its processes, for each status. */
  readonly cpuPerStatusUs: number;
  /** Of all cores, by the side with all its processes. */
  readonly cpuShare: number;
  /** Of one core, by the side's own process. */
  readonly coreShare: number;
  /** Of all cores, by processes that are none of ours: how far the sample can be trusted. */
  readonly foreignShare: number;
  readonly report: LoadReport;
}

/** Everything one side needs. */
export class Stage implements AsyncDisposable {
  /** Where the broker listens, on 127.0.0.1. */
  readonly port: number;
  readonly side: Side;
  /** CLOCK_MONOTONIC in microseconds right before the side's process was started. */
  readonly startedUs: number;
  readonly #broker: Mosquitto | undefined;
  readonly #options: StageOptions;
  readonly #load: ScriptProcess;
  readonly #more: AsyncDisposable[] = [];

  private constructor(
    options: StageOptions,
    parts: {
      broker: Mosquitto | undefined;
      port: number;
      side: Side;
      load: ScriptProcess;
      startedUs: number;
    },
  ) {
    this.#options = options;
    this.#broker = parts.broker;
    this.port = parts.port;
    this.side = parts.side;
    this.#load = parts.load;
    this.startedUs = parts.startedUs;
  }

  /** Starts everything, and waits until every car runs. */
  static async set(options: StageOptions): Promise<Stage> {
    await using undo = new AsyncDisposableStack();
    const broker = options.embedded
      ? undefined
      : undo.use(await Mosquitto.start({ lines: BROKER_LINES }));
    const port = broker?.port ?? freePort();
    const load = undo.use(new ScriptProcess(LOAD));
    await load.ask({ ask: "report" }, STARTED_MS);
    const open = () => load.ask(openRequest(options, port), ANSWER_MS);
    if (options.gatewaysFirst) {
      await open();
      await pause(1_000);
    }
    const startedUs = monotonicUs();
    const args = options.embedded ? ["--broker"] : [];
    const process = { args, ...options.process };
    const side = undo.use(await launchSide(options.side, { ...options, process, port }));
    await side.ready(STARTED_MS);
    if (!options.gatewaysFirst) await open();
    const stage = new Stage(options, { broker, port, side, load, startedUs });
    if (!options.noWait) await stage.allRunning(STARTED_MS);
    undo.move();
    return stage;
  }

  /** The broker, unless it is the server itself. */
  get broker(): Mosquitto {
    if (this.#broker === undefined) throw new Error("Cannot use the broker: it is the server");
    return this.#broker;
  }

  /** The side's process and all its descendants. */
  get pids(): number[] {
    return treeOf(this.side.pid);
  }

  get cars(): number {
    return this.#options.cars - (this.#options.firstCar ?? 1) + 1;
  }

  async ask(request: LoadRequest): Promise<LoadReport> {
    const waitMs = "timeoutMs" in request ? request.timeoutMs : 0;
    return JSON.parse(await this.#load.ask(request, ANSWER_MS + waitMs)) as LoadReport;
  }

  /**
   * Waits until every car of the load runs.
   *
   * @throws {Error} when they do not in time.
   */
  async allRunning(timeoutMs: number): Promise<LoadReport> {
    const report = await this.ask({ ask: "running", cars: this.cars, timeoutMs });
    if (report.running >= this.cars) return report;
    throw new Error(
      `Cannot measure ${this.side.name}: ${report.running} of ${this.cars} cars run after ${timeoutMs} ms`,
    );
  }

  /** Applies a load, lets it settle for `warmUpMs`, measures, and ends the load. */
  async measure(pace: Pace, seconds: number, warmUpMs = 500): Promise<Sample> {
    await this.ask({ ask: "load", ...pace });
    await pause(warmUpMs);
    const sample = await this.observe(seconds);
    await this.ask({ ask: "drain", timeoutMs: 5_000 });
    return sample;
  }

  /**
   * Measures whatever goes on. With `drainMs` the load ends with the window, and answers that come so
   * much later count.
   */
  async observe(seconds: number, drainMs = 0): Promise<Sample> {
    await this.ask({ ask: "reset" });
    const { pids } = this;
    const ours = treeOf(Deno.pid);
    const own = [this.side.pid];
    const used = () =>
      [monotonicUs(), cpuUs(pids), cpuUs(ours), machineCpuUs(), cpuUs(own)] as const;
    const before = used();
    await pause(seconds * 1_000);
    const after = used();
    const end = drainMs > 0
      ? { ask: "drain", timeoutMs: drainMs } as const
      : { ask: "report" } as const;
    const report = await this.ask(end);
    const wallUs = after[0] - before[0];
    const cores = navigator.hardwareConcurrency;
    const cpu = after[1] - before[1];
    const foreign = (after[3] - before[3]) - (after[2] - before[2]);
    return {
      seconds: wallUs / 1e6,
      perSecond: report.answered / wallUs * 1e6,
      p50Ms: report.latency.p50Ms,
      p99Ms: report.latency.p99Ms,
      maxMs: report.latency.maxMs,
      commandP50Ms: report.commandAge.p50Ms,
      commandP99Ms: report.commandAge.p99Ms,
      cpuPerStatusUs: cpu / report.answered,
      cpuShare: cpu / wallUs / cores,
      coreShare: (after[4] - before[4]) / wallUs,
      foreignShare: Math.max(0, foreign) / wallUs / cores,
      report,
    };
  }

  /** Another load generator at the same broker, for cars that are not measured. */
  async addLoad(request: Omit<LoadRequest & { ask: "open" }, "ask" | "port" | "company">) {
    const load = new ScriptProcess(LOAD);
    this.#more.push(load);
    const open = { ask: "open", port: this.port, company: COMPANY, ...request };
    await load.ask(open, STARTED_MS);
    return async (next: LoadRequest): Promise<LoadReport> =>
      JSON.parse(await load.ask(next, ANSWER_MS)) as LoadReport;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const errors: unknown[] = [];
    for (const each of [...this.#more, this.#load, this.side, this.#broker]) {
      try {
        await each?.[Symbol.asyncDispose]();
      } catch (error) {
        // The others must be ended all the same.
        errors.push(error);
      }
    }
    if (errors.length > 0) {
      throw new AggregateError(errors, `Cannot end ${this.side.name} in order`);
    }
  }
}

function openRequest(options: StageOptions, port: number): LoadRequest {
  const { side, cars, firstCar = 1, deviceModules = [1000] } = options;
  return {
    ask: "open",
    port,
    company: COMPANY,
    first: firstCar,
    cars: cars - firstCar + 1,
    session: side === "server",
    modules: deviceModules,
    startsPerSecond: STARTS_PER_SECOND,
  };
}

/** Lets time pass, in milliseconds. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
