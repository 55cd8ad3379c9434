// Many cars, commands, and how soon the server is there.
import { COMPANY } from "../../tests/e2e/server_process.ts";
import { Mosquitto } from "../../tests/support/mosquitto.ts";
import { waitFor } from "../../tests/support/wait.ts";
import { figure } from "../support/figure.ts";
import { monotonicUs } from "../support/monotonic.ts";
import { privateBytes } from "../support/process_tree.ts";
import { launchSide, type SideName } from "../support/side.ts";
import { pause, type Sample, Stage } from "../support/stage.ts";
import { type BenchContext, plainModules, type Row } from "./row.ts";

const MIB = 1024 * 1024;
const SIDES = ["server", "echo"] as const;

interface Fleet {
  readonly secondsToRun: number;
  readonly mibPerCar: number;
  readonly sample: Sample;
}

const FLEET_CARS = 500;

async function runFleet(context: BenchContext, side: SideName): Promise<Fleet> {
  const modules = plainModules(context);
  const options = { side, cars: FLEET_CARS, modules, gatewaysFirst: true };
  await using stage = await Stage.set(options);
  const { runningSinceUs } = await stage.ask({ ask: "report" });
  // The echo's cars run once they have subscribed themselves; it is done when it is ready itself.
  const doneUs = side === "server" ? runningSinceUs : monotonicUs();
  const secondsToRun = (doneUs - stage.startedUs) / 1e6;
  await stage.ask({ ask: "load", rate: 1, window: 100, bytes: 64 });
  await pause(3_000);
  const sample = await stage.observe(10);
  return { secondsToRun, mibPerCar: privateBytes(stage.pids) / MIB / FLEET_CARS, sample };
}

export const fiveHundredCars: Row = {
  name: "five_hundred_cars",
  byDefault: true,
  async run(context) {
    const server = await runFleet(context, "server");
    const echo = await runFleet(context, "echo");
    const common = { row: this.name, samples: [server.sample] };
    return [
      figure({
        ...common,
        what: "500 cars, 1/s each: all RUNNING after the process start",
        unit: "s",
        server: [server.secondsToRun],
        reference: [echo.secondsToRun],
        reach: "<= 15 s",
        reached: (seconds) => seconds <= 15,
      }),
      figure({
        ...common,
        what: "the same: private memory per car, hosts included",
        unit: "MiB",
        server: [server.mibPerCar],
        reference: [echo.mibPerCar],
        reach: "<= 1.2 MiB",
        reached: (mib) => mib <= 1.2,
      }),
      figure({
        ...common,
        what: "the same: p99",
        unit: "ms",
        server: [server.sample.p99Ms],
        reference: [echo.sample.p99Ms],
        reach: "< 50 ms, none lost",
        reached: (ms) => ms < 50 && server.sample.report.lost === 0,
      }),
    ];
  },
};

const COMMANDS_PER_SECOND = 5;

export const commands: Row = {
  name: "commands",
  byDefault: true,
  async run(context) {
    const modules = plainModules(context, { commands_per_second: COMMANDS_PER_SECOND });
    const samples: Record<SideName, Sample[]> = { server: [], echo: [] };
    for (let round = 0; round < 2; round++) {
      for (const side of SIDES) {
        const echoCommandsPerSecond = COMMANDS_PER_SECOND;
        await using stage = await Stage.set({ side, cars: 100, modules, echoCommandsPerSecond });
        await pause(2_000);
        for (let i = 0; i < 2; i++) samples[side].push(await stage.observe(4));
      }
    }
    const { server, echo } = samples;
    const expected = 100 * COMMANDS_PER_SECOND * 4;
    const fewest = Math.min(...server.map(({ report }) => report.commands));
    const common = { row: this.name, unit: "ms", samples: server };
    return [
      figure({
        ...common,
        what: "100 cars, 5/s each: wait_for_command to the gateway, p99",
        server: server.map(({ commandP99Ms }) => commandP99Ms),
        reference: echo.map(({ commandP99Ms }) => commandP99Ms),
        reach: "<= 5 ms, all of them",
        reached: (ms) => ms <= 5 && fewest > 0.9 * expected,
      }),
      figure({
        ...common,
        what: "the same, p50",
        server: server.map(({ commandP50Ms }) => commandP50Ms),
        reference: echo.map(({ commandP50Ms }) => commandP50Ms),
        reach: "<= 5 ms",
        reached: (ms) => ms <= 5,
      }),
    ];
  },
};

/** From the start of the process to its SUBSCRIBE at the broker, which answers at once. */
async function secondsToSubscribe(context: BenchContext, name: SideName): Promise<number> {
  await using broker = await Mosquitto.start({
    lines: ["set_tcp_nodelay true", "log_type subscribe"],
  });
  const startedUs = monotonicUs();
  const modules = plainModules(context);
  await using side = await launchSide(name, { port: broker.port, cars: 1, modules });
  const topic = `${COMPANY}/car_1/module_gateway`;
  await waitFor(() => broker.log.includes(topic), `${side.name} to subscribe`, 20_000);
  return (monotonicUs() - startedUs) / 1e6;
}

export const start: Row = {
  name: "start",
  byDefault: true,
  async run(context) {
    const seconds: Record<SideName, number[]> = { server: [], echo: [] };
    for (let round = 0; round < 5; round++) {
      for (const side of SIDES) seconds[side].push(await secondsToSubscribe(context, side));
    }
    return [figure({
      row: this.name,
      what: "1 car: process start to subscribed",
      unit: "s",
      server: seconds.server,
      reference: seconds.echo,
      reach: "<= 1 s",
      reached: (value) => value <= 1,
    })];
  },
};
