// The benchmark: `deno task bench [--only ROW] [--all] [--json FILE]`; see docs/benchmark.md.
import { parseArgs } from "node:util";
import { fileURLToPath } from "node:url";
import { buildFixtures } from "../tests/fixtures/build.ts";
import { chain, thousandDevices } from "./rows/devices.ts";
import * as cluster from "./rows/cluster.ts";
import * as eventLog from "./rows/event_log.ts";
import * as fleet from "./rows/fleet.ts";
import { connects, junk, reconnects, subscribers } from "./rows/hostile.ts";
import * as hostileLocal from "./rows/hostile_local.ts";
import * as http from "./rows/http.ts";
import * as isolation from "./rows/isolation.ts";
import { recovery } from "./rows/recovery.ts";
import type { Row } from "./rows/row.ts";
import * as scale from "./rows/scale.ts";
import * as statuses from "./rows/statuses.ts";
import type { Figure } from "./support/figure.ts";
import { BenchModule } from "./support/module.ts";
import { formatTable } from "./support/table.ts";

const ROWS: readonly Row[] = [
  statuses.oneInFlight,
  statuses.throughput,
  statuses.cpuPerStatus,
  statuses.hundredCars,
  fleet.fiveHundredCars,
  fleet.commands,
  fleet.start,
  ...Object.values(isolation),
  ...Object.values(scale),
  ...Object.values(http),
  ...Object.values(cluster),
  eventLog.eventLog,
  ...eventLog.sinks,
  thousandDevices,
  chain,
  recovery,
  reconnects,
  junk,
  connects,
  subscribers,
  ...Object.values(hostileLocal),
];

const RESULTS = fileURLToPath(new URL("results.json", import.meta.url));

function chooseRows(only: readonly string[], all: boolean): Row[] {
  const chosen = only.length === 0
    ? ROWS.filter(({ byDefault }) => all || byDefault)
    : ROWS.filter(({ name }) => only.some((wanted) => name.startsWith(wanted)));
  if (chosen.length > 0) return chosen;
  const names = ROWS.map(({ name }) => name).join(", ");
  throw new Error(`Cannot run row "${only.join('", "')}": there are ${names}`);
}

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

async function runRows(rows: readonly Row[]): Promise<Figure[]> {
  await using benchModule = await BenchModule.build();
  const { module, module2, module3 } = await buildFixtures();
  const fixtureModules = { 1000: module, 2: module2, 3: module3 };
  const figures: Figure[] = [];
  for (const row of rows) {
    print(`... ${row.name}`);
    try {
      figures.push(...await row.run({ benchModule: benchModule.path, fixtureModules }));
    } catch (error) {
      // What the other rows give is worth having all the same.
      const all = error instanceof AggregateError ? [error, ...error.errors] : [error];
      print(`Cannot finish row "${row.name}": ${all.map(messageOf).join(": ")}`);
      Deno.exitCode = 1;
    }
  }
  return figures;
}

const { values } = parseArgs({
  args: Deno.args,
  options: {
    only: { type: "string", multiple: true, default: [] },
    all: { type: "boolean", default: false },
    json: { type: "string", default: RESULTS },
  },
});
const startedAt = performance.now();
const figures = await runRows(chooseRows(values.only, values.all));
const seconds = Math.round((performance.now() - startedAt) / 1000);
const cores = navigator.hardwareConcurrency;
print(`\n${formatTable(figures)}\n`);
print(
  `${cores} cores, Deno ${Deno.version.deno}, ${seconds} s; "others": what other processes used`,
);
const result = { at: new Date().toISOString(), deno: Deno.version.deno, cores, seconds, figures };
await Deno.writeTextFile(values.json, `${JSON.stringify(result, null, 2)}\n`);
