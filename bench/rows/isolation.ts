// No car waits for another: what the other cars notice when one behaves badly.
import type { TestModule } from "../../tests/e2e/server_process.ts";
import { figure } from "../support/figure.ts";
import { cpuUs } from "../support/process_tree.ts";
import { pause, type Sample, Stage } from "../support/stage.ts";
import type { BenchContext, Row } from "./row.ts";

const CARS = 40;
const PACE = { rate: 5, window: 100, bytes: 64 };
/** Calls of the tests' module that take a car's context. */
const CALLS = [
  "device_connected",
  "device_disconnected",
  "forward_status",
  "forward_error_message",
  "wait_for_command",
  "pop_command",
  "command_ack",
];

/** How a car's modules behave. */
type ConfigOf = (car: string) => NonNullable<TestModule["config"]>;

const wellBehaved: ConfigOf = () => ({});

function fixtureModules(context: BenchContext, numbers: readonly number[], configOf: ConfigOf) {
  return (car: string): Record<string, TestModule> =>
    Object.fromEntries(numbers.map((number) => {
      const lib_path = context.fixtureModules[number] ?? "";
      return [number, { lib_path, config: configOf(car) }];
    }));
}

/** What another process does meanwhile; it lasts as long as the stage. */
type Disturbance = (stage: Stage) => Promise<void>;

/** The cars but the first one, with and without what disturbs them, in turn. */
async function compareOthers(
  context: BenchContext,
  configOf: ConfigOf,
  disturb: Disturbance,
): Promise<{ disturbed: Sample[]; quiet: Sample[] }> {
  const options = { side: "server", cars: CARS, firstCar: 2 } as const;
  const result = { disturbed: [] as Sample[], quiet: [] as Sample[] };
  for (let round = 0; round < 2; round++) {
    for (const [samples, config] of [[result.quiet, null], [result.disturbed, configOf]] as const) {
      const modules = fixtureModules(context, [1000], config ?? wellBehaved);
      await using stage = await Stage.set({ ...options, modules });
      if (config !== null) await disturb(stage);
      await stage.measure(PACE, 2);
      for (let i = 0; i < 3; i++) samples.push(await stage.measure(PACE, 4));
    }
  }
  return result;
}

function othersFigure(row: string, what: string, disturbed: Sample[], quiet: Sample[]) {
  const lost = disturbed.reduce((sum, { report }) => sum + report.lost + report.ended, 0);
  return figure({
    row,
    what: `${what}: p99 of the 39 others`,
    unit: "ms",
    server: disturbed.map(({ p99Ms }) => p99Ms),
    reference: quiet.map(({ p99Ms }) => p99Ms),
    reach: "<= 1.5 x without, none lost",
    reached: (_, ratio) => ratio <= 1.5 && lost === 0,
    samples: disturbed,
  });
}

/** The first car, driven by another process. */
async function driveFirstCar(stage: Stage, window: number): Promise<void> {
  const request = { first: 1, cars: 1, session: true, modules: [1000], startsPerSecond: 100 };
  const ask = await stage.addLoad(request);
  await ask({ ask: "load", rate: 0, window, bytes: 64 });
  await pause(1_000);
}

export const blockingModule: Row = {
  name: "isolation_blocking_module",
  byDefault: false,
  async run(context) {
    const blocked = Object.fromEntries(CALLS.map((name) => [`${name}_ms`, 10_000]));
    const { disturbed, quiet } = await compareOthers(
      context,
      (car) => car === "car_1" ? blocked : {},
      (stage) => driveFirstCar(stage, 10),
    );
    return [othersFigure(this.name, "1 of 40 cars blocks 10 s in every call", disturbed, quiet)];
  },
};

export const floodingCar: Row = {
  name: "isolation_flooding_car",
  byDefault: false,
  async run(context) {
    // Its module takes 5 ms for each status: the car sends far more than that.
    const { disturbed, quiet } = await compareOthers(
      context,
      (car) => car === "car_1" ? { forward_status_ms: 5 } : {},
      (stage) => driveFirstCar(stage, 5_000),
    );
    return [othersFigure(this.name, "1 of 40 cars sends without waiting", disturbed, quiet)];
  },
};

export const ignoredTimeouts: Row = {
  name: "isolation_ignored_timeouts",
  byDefault: false,
  async run(context) {
    const numbers = [1000, 2, 3];
    const seconds: number[] = [];
    const samples = { quiet: [] as Sample[], blocking: [] as Sample[] };
    for (const [name, waitMs] of [["quiet", 0], ["blocking", 5_000]] as const) {
      const config = waitMs === 0 ? {} : { wait_ms: waitMs };
      await using stage = await Stage.set({
        side: "server",
        cars: CARS,
        modules: fixtureModules(context, numbers, () => config),
        deviceModules: numbers,
        gatewaysFirst: true,
      });
      const { runningSinceUs } = await stage.ask({ ask: "report" });
      if (waitMs > 0) seconds.push((runningSinceUs - stage.startedUs) / 1e6);
      await stage.measure(PACE, 2);
      for (let i = 0; i < 4; i++) samples[name].push(await stage.measure(PACE, 4));
    }
    const common = { row: this.name, samples: samples.blocking };
    return [
      figure({
        ...common,
        what: "40 cars x 3 modules, waits of 5 s: all RUNNING after the start",
        unit: "s",
        server: seconds,
        reach: "<= 5 s",
        reached: (value) => value <= 5,
      }),
      figure({
        ...common,
        what: "the same: p99 against waits that honor their timeout",
        unit: "ms",
        server: samples.blocking.map(({ p99Ms }) => p99Ms),
        reference: samples.quiet.map(({ p99Ms }) => p99Ms),
        reach: "<= 1.2 x",
        reached: (_, ratio) => ratio <= 1.2,
      }),
    ];
  },
};

export const interfacesAway: Row = {
  name: "isolation_interfaces_away",
  byDefault: false,
  async run(context) {
    await using stage = await Stage.set({
      side: "server",
      cars: CARS,
      modules: fixtureModules(context, [1000], () => ({ forward_status_ms: 3_000 })),
      noWait: true,
    });
    // The first statuses are forwarded, too, without holding up the sequence.
    await stage.allRunning(20_000);
    await stage.ask({ ask: "load", rate: 0.2, window: 100, bytes: 64 });
    await pause(10_000);
    const before = cpuUs([stage.side.pid]);
    const sample = await stage.observe(30);
    const share = (cpuUs([stage.side.pid]) - before) / (sample.seconds * 1e6);
    const common = { row: this.name, samples: [sample] };
    return [
      figure({
        ...common,
        what: "every forward_status takes 3 s; 40 cars, one each 5 s: sessions that failed",
        unit: "",
        server: [sample.report.ended],
        reach: "0",
        reached: (ended) => ended === 0 && sample.report.answered > 200,
      }),
      figure({
        ...common,
        what: "the same: the server's own loop, share of a core",
        unit: "",
        server: [share],
        reach: "<= 0.05",
        reached: (value) => value <= 0.05,
      }),
    ];
  },
};
