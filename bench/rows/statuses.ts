// Statuses: how fast one is answered, how many a second, for how much CPU.
import { figure } from "../support/figure.ts";
import { type BenchContext, compareSides, type Comparison, type Row } from "./row.ts";

/** Of every status's data: about as long as what devices in the field send. */
const DATA_BYTES = 64;

export const oneInFlight: Row = {
  name: "one_in_flight",
  byDefault: true,
  async run(context) {
    const pace = { rate: 0, window: 1, bytes: DATA_BYTES };
    const { server, echo } = await compareSides(context, 1, pace, { count: 5, seconds: 2 });
    return [figure({
      row: this.name,
      what: "1 car, 1 in flight: p50",
      unit: "ms",
      server: server.map(({ p50Ms }) => p50Ms),
      reference: echo.map(({ p50Ms }) => p50Ms),
      reach: "<= 2 x echo",
      reached: (_, ratio) => ratio <= 2,
      samples: server,
    })];
  },
};

/** Two rows look at the same run. */
let tenCars: Promise<Comparison> | undefined;

function runTenCars(context: BenchContext): Promise<Comparison> {
  const pace = { rate: 0, window: 10, bytes: DATA_BYTES };
  tenCars ??= compareSides(context, 10, pace, { count: 5, seconds: 3 });
  return tenCars;
}

export const throughput: Row = {
  name: "throughput",
  byDefault: true,
  async run(context) {
    const { server, echo } = await runTenCars(context);
    return [figure({
      row: this.name,
      what: "10 cars, 10 in flight each",
      unit: "/s",
      server: server.map(({ perSecond }) => perSecond),
      reference: echo.map(({ perSecond }) => perSecond),
      reach: ">= 0.6 x echo, >= 8000/s",
      reached: (perSecond, ratio) => ratio >= 0.6 && perSecond >= 8_000,
      samples: server,
    })];
  },
};

export const cpuPerStatus: Row = {
  name: "cpu_per_status",
  byDefault: true,
  async run(context) {
    const { server, echo } = await runTenCars(context);
    return [figure({
      row: this.name,
      what: "the same: CPU per status, hosts included",
      unit: "us",
      server: server.map(({ cpuPerStatusUs }) => cpuPerStatusUs),
      reference: echo.map(({ cpuPerStatusUs }) => cpuPerStatusUs),
      reach: "<= 2.2 x echo, <= 110 us",
      reached: (us, ratio) => ratio <= 2.2 && us <= 110,
      samples: server,
    })];
  },
};

export const hundredCars: Row = {
  name: "hundred_cars_p99",
  byDefault: true,
  async run(context) {
    const pace = { rate: 5, window: 100, bytes: DATA_BYTES };
    // A p99 rests on one status in a hundred: shorter samples differ by half.
    const { server, echo } = await compareSides(context, 100, pace, { count: 5, seconds: 8 });
    return [figure({
      row: this.name,
      what: "100 cars, 5/s each: p99",
      unit: "ms",
      server: server.map(({ p99Ms }) => p99Ms),
      reference: echo.map(({ p99Ms }) => p99Ms),
      reach: "<= 2 x echo",
      reached: (_, ratio) => ratio <= 2,
      samples: server,
    })];
  },
};
