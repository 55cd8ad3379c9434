// What the event log costs, and one sink of each kind: the same server with and without, in turn.
import { LogReader } from "../../src/record/mod.ts";
import { TempFolder } from "../../tests/support/temp.ts";
import { type Figure, figure, median } from "../support/figure.ts";
import { pause, type Sample, Stage } from "../support/stage.ts";
import { type BenchContext, plainModules, type Row } from "./row.ts";
import { SINKS } from "./sinks.ts";

const CARS = 10;
const WINDOWS = 5;
const SECONDS = 3;
/** As many as there is an answer to. */
const FULL = { rate: 0, window: 10, bytes: 64 };
/** What every sink keeps up with. */
const STEADY = { rate: 100, window: 50, bytes: 64 };
/** A batch of the log is on the disk by then, in milliseconds. */
const WRITTEN_MS = 500;
const READ_BYTES = 4 * 1024 * 1024;
/** What a status may cost more, in microseconds. */
const MAX_ADDED_US = 4;

function stageOf(context: BenchContext, more: Readonly<Record<string, unknown>>): Promise<Stage> {
  return Stage.set({ side: "server", cars: CARS, modules: plainModules(context), more });
}

async function bytesPerStatus(directory: string): Promise<number> {
  using reader = new LogReader({ directory });
  for (let statuses = 0;;) {
    const { events, isEnd, position: { bytes } } = await reader.read(READ_BYTES);
    statuses += events.filter(({ kind }) => kind === "status.accepted").length;
    if (isEnd) return bytes / statuses;
  }
}

const perSecond = (samples: readonly Sample[]) => samples.map((one) => one.perSecond);
const cpuUs = (samples: readonly Sample[]) => samples.map((one) => one.cpuPerStatusUs);

export const eventLog: Row = {
  name: "event_log",
  byDefault: false,
  async run(context) {
    await using folder = await TempFolder.make();
    const logOf = (durability: string) => ({
      event_log: { directory: folder.file(durability), durability },
    });
    await using off = await stageOf(context, {});
    await using batch = await stageOf(context, logOf("batch"));
    await using each = await stageOf(context, logOf("each"));
    const stages = { off, batch, each };
    const samples = { off: [] as Sample[], batch: [] as Sample[], each: [] as Sample[] };
    for (const stage of Object.values(stages)) await stage.measure(FULL, 2);
    for (let i = 0; i < WINDOWS; i++) {
      samples.off.push(await off.measure(FULL, SECONDS));
      samples.batch.push(await batch.measure(FULL, SECONDS));
      samples.each.push(await each.measure(FULL, SECONDS));
    }
    await pause(WRITTEN_MS);
    const common = { row: this.name, samples: Object.values(samples).flat() };
    return [
      figure({
        ...common,
        what: "10 cars, 10 in flight each, event log `batch`, against none",
        unit: "/s",
        server: perSecond(samples.batch),
        reference: perSecond(samples.off),
        reach: ">= 0.95 x without",
        reached: (_, ratio) => ratio >= 0.95,
      }),
      figure({
        ...common,
        what: "the same: CPU per status, hosts included",
        unit: "us",
        server: cpuUs(samples.batch),
        reference: cpuUs(samples.off),
        reach: `<= ${MAX_ADDED_US} us more`,
        reached: (us, ratio) => us - us / ratio <= MAX_ADDED_US,
      }),
      figure({
        ...common,
        what: "event log `each`: a status is answered when it is on the disk",
        unit: "/s",
        server: perSecond(samples.each),
        reference: perSecond(samples.off),
        reach: "",
        reached: (value) => value > 0,
      }),
      figure({
        ...common,
        what: "the same: CPU per status",
        unit: "us",
        server: cpuUs(samples.each),
        reference: cpuUs(samples.off),
        reach: "",
        reached: (value) => value > 0,
      }),
      figure({
        ...common,
        what: "bytes a status on the disk",
        unit: "B",
        server: [await bytesPerStatus(folder.file("batch"))],
        reach: "",
        reached: (value) => value > 0,
      }),
    ];
  },
};

/** A row for each kind of sink, against the same server with an event log and no sink. */
export const sinks: readonly Row[] = Object.entries(SINKS).map(([kind, open]): Row => ({
  name: `sink_${kind}`,
  byDefault: false,
  async run(context): Promise<Figure[]> {
    await using folder = await TempFolder.make();
    await using receiver = await open(folder.file("receiver"));
    const keys = (name: string) => ({
      event_log: { directory: folder.file(`events_${name}`) },
      state_dir: folder.file(`state_${name}`),
    });
    await using off = await stageOf(context, keys("off"));
    await using on = await stageOf(context, { ...keys("on"), sinks: { sink: receiver.sink } });
    const samples = { on: [] as Sample[], off: [] as Sample[] };
    for (const stage of [off, on]) await stage.measure(STEADY, 2);
    for (let i = 0; i < WINDOWS; i++) {
      samples.on.push(await on.measure(STEADY, SECONDS));
      samples.off.push(await off.measure(STEADY, SECONDS));
    }
    const answered = samples.on.reduce((sum, { report }) => sum + report.answered, 0);
    // The last batch is on its way when its events have waited for others.
    for (let tries = 0; tries < 20 && await receiver.taken() < answered; tries++) await pause(200);
    const taken = await receiver.taken();
    if (taken < answered) throw new Error(`Cannot trust the sink: it has ${taken} of ${answered}`);
    const common = { row: this.name, samples: [...samples.on, ...samples.off] };
    const added = median(cpuUs(samples.on)) - median(cpuUs(samples.off));
    return [
      figure({
        ...common,
        what:
          `10 cars, 100/s each, sink "${kind}" against none: CPU per status, its events included`,
        unit: "us",
        server: cpuUs(samples.on),
        reference: cpuUs(samples.off),
        reach: "",
        reached: () => added < Infinity,
      }),
      figure({
        ...common,
        what: "the same: p99 of the answer",
        unit: "ms",
        server: samples.on.map(({ p99Ms }) => p99Ms),
        reference: samples.off.map(({ p99Ms }) => p99Ms),
        reach: "<= 2 x without",
        reached: (_, ratio) => ratio <= 2,
      }),
    ];
  },
}));
