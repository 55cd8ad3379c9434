// Many cars for longer: a minute without a loss, twice as many, and a broker that goes away.
import { figure } from "../support/figure.ts";
import { monotonicUs } from "../support/monotonic.ts";
import { pause, Stage } from "../support/stage.ts";
import { type BenchContext, plainModules, type Row } from "./row.ts";

const PACE = { rate: 1, window: 100, bytes: 64 };

function setCars(context: BenchContext, cars: number): Promise<Stage> {
  const modules = plainModules(context);
  return Stage.set({ side: "server", cars, modules, gatewaysFirst: true });
}

export const fleetMinute: Row = {
  name: "fleet_minute",
  byDefault: false,
  async run(context) {
    await using stage = await setCars(context, 500);
    await stage.ask({ ask: "load", ...PACE });
    await pause(3_000);
    const sample = await stage.observe(60);
    const { sent, ...drained } = await stage.ask({ ask: "drain", timeoutMs: 5_000 });
    const missing = drained.lost + drained.wrong + drained.inFlight;
    const common = { row: this.name, samples: [sample] };
    return [
      figure({
        ...common,
        what: `500 cars, 1/s each for 60 s: lost of ${sent}`,
        unit: "",
        server: [missing],
        reach: "0",
        reached: (lost) => lost === 0 && sent > 29_000,
      }),
      figure({
        ...common,
        what: "the same: p99",
        unit: "ms",
        server: [sample.p99Ms],
        reach: "< 50 ms",
        reached: (ms) => ms < 50,
      }),
    ];
  },
};

export const thousandCars: Row = {
  name: "thousand_cars",
  byDefault: false,
  async run(context) {
    await using stage = await setCars(context, 1_000);
    const { runningSinceUs } = await stage.ask({ ask: "report" });
    await stage.ask({ ask: "load", ...PACE });
    await pause(3_000);
    const sample = await stage.observe(20);
    const { lost } = sample.report;
    const common = { row: this.name, samples: [sample] };
    return [
      figure({
        ...common,
        what: "1,000 cars: all RUNNING after the process start",
        unit: "s",
        server: [(runningSinceUs - stage.startedUs) / 1e6],
        reach: "they do",
        reached: (seconds) => seconds > 0,
      }),
      figure({
        ...common,
        what: "the same, 1/s each: p99",
        unit: "ms",
        server: [sample.p99Ms],
        reach: "none lost",
        reached: () => lost === 0 && sample.perSecond > 900,
      }),
    ];
  },
};

export const brokerRestart: Row = {
  name: "broker_restart",
  byDefault: false,
  async run(context) {
    await using stage = await setCars(context, 500);
    const seconds: number[] = [];
    for (let round = 0; round < 3; round++) {
      await stage.broker.kill();
      await pause(3_000);
      await stage.broker.restart();
      const backUs = monotonicUs();
      const { runningSinceUs } = await stage.allRunning(60_000);
      seconds.push((runningSinceUs - backUs) / 1e6);
      await pause(2_000);
    }
    return [figure({
      row: this.name,
      what: "500 cars: all RUNNING again after the broker is back",
      unit: "s",
      server: seconds,
      reach: "<= 15 s",
      reached: (value) => value <= 15,
    })];
  },
};
