// The soak: `deno task soak [--minutes N] [--rate N] [--record]`. A hundred cars with everything that goes wrong in the
// field; ends with status 1 unless memory, files and threads end where they were after a minute.
// `--cluster` is another one: several servers, see cluster.ts.
import { parseArgs } from "node:util";
import { COMPANY, ServerProcess, type TestModule } from "../../tests/e2e/server_process.ts";
import { buildFixtures } from "../../tests/fixtures/build.ts";
import { Mosquitto } from "../../tests/support/mosquitto.ts";
import { ScriptProcess } from "../../tests/support/script_process.ts";
import { BenchModule } from "../support/module.ts";
import { treeOf } from "../support/process_tree.ts";
import { pause } from "../support/stage.ts";
import { TempFolder } from "../../tests/support/temp.ts";
import { replayRecord } from "./replay.ts";
import { compareSamples, heapOf, type SoakSample, takeSample } from "./sample.ts";

const CARS = 100;
const SAMPLE_SECONDS = 10;
/** No faults in the first minute, with which the last one is compared, nor in the last one. */
const QUIET_SECONDS = 60;
const HOST_KILL_SECONDS = 30;
const BROKER_KILL_SECONDS = 50;
const BROKER_AWAY_MS = 3_000;
const ANSWER_MS = 10_000;

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}

/** Commands everywhere, and a few modules that are slow, or that crash sooner or later. */
function modulesOf(index: number, benchModule: string, fixture: string): TestModule {
  switch (index % 20) {
    case 7:
      return { lib_path: fixture, config: { forward_status_ms: 300, echo: 1 } };
    case 8:
      return { lib_path: fixture, config: { wait_ms: 3_000, forward_status_returns: -1 } };
    default:
      return { lib_path: benchModule, config: { commands_per_second: 1 } };
  }
}

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "10" },
    rate: { type: "string", default: "2" },
    record: { type: "boolean", default: false },
    cluster: { type: "boolean", default: false },
    seed: { type: "string", default: "1" },
  },
});
if (values.cluster) {
  const { soakCluster } = await import("./cluster.ts");
  const minutes = Number(values.minutes);
  const isWell = await soakCluster({ minutes, seed: Number(values.seed), print });
  Deno.exit(isWell ? 0 : 1);
}
const seconds = Math.max(4, Number(values.minutes)) * 60;

await using benchModule = await BenchModule.build();
const { module: fixture } = await buildFixtures();
await using broker = await Mosquitto.start({ lines: ["set_tcp_nodelay true"] });
await using folder = await TempFolder.make();
const names = Array.from({ length: CARS }, (_, i) => `car_${i + 1}`);
await using server = await ServerProcess.start({
  port: broker.port,
  cars: Object.fromEntries(
    names.map((car, i) => [car, { 1000: modulesOf(i, benchModule.path, fixture) }]),
  ),
  more: {
    logging: { console: { level: "INFO", use: true } },
    ...(values.record ? { event_log: { directory: folder.file("events") } } : {}),
  },
}, { env: { DENO_V8_FLAGS: "--trace-gc" }, record: false });
await using gateways = new ScriptProcess(new URL("gateways.ts", import.meta.url), [
  String(broker.port),
  COMPANY,
  String(CARS),
  values.rate,
]);

const startedAt = performance.now();
const elapsed = () => (performance.now() - startedAt) / 1_000;
const samples: SoakSample[] = [];
let heap = 0;
let faults = 0;
let nextHostKill = QUIET_SECONDS;
let nextBrokerKill = QUIET_SECONDS + HOST_KILL_SECONDS / 2;

/** What is due of all that can go wrong. */
async function disturb(): Promise<void> {
  if (elapsed() > seconds - QUIET_SECONDS) return;
  if (elapsed() >= nextHostKill) {
    nextHostKill += HOST_KILL_SECONDS;
    const hosts = treeOf(server.pid).slice(1);
    const victim = hosts[Math.floor(Math.random() * hosts.length)];
    if (victim !== undefined) Deno.kill(victim, "SIGKILL");
    faults++;
  }
  if (elapsed() >= nextBrokerKill) {
    nextBrokerKill += BROKER_KILL_SECONDS;
    await broker.kill();
    await pause(BROKER_AWAY_MS);
    await broker.restart();
    faults++;
  }
}

print("seconds  running  heap  rss  files  threads | hosts  private  files  threads (MiB)");
for (let at = SAMPLE_SECONDS; at <= seconds; at += SAMPLE_SECONDS) {
  await disturb();
  await pause(Math.max(0, at - elapsed()) * 1_000);
  for (const line of server.lines.splice(0)) {
    heap = heapOf(line) ?? heap;
    if (/CRITICAL.*Defect/.test(line)) print(line);
  }
  const sample = takeSample(server.pid, at, heap);
  samples.push(sample);
  const { running } = JSON.parse(await gateways.ask({}, ANSWER_MS)) as { running: number };
  const { rss, files, threads, hosts, hostsPrivate, hostsFiles, hostsThreads } = sample;
  const row = [at, running, heap, rss, files, threads];
  const hostRow = [hosts, hostsPrivate, hostsFiles, hostsThreads];
  const text = (cells: number[]) => cells.map((cell) => Math.round(cell).toString()).join("  ");
  print(`${text(row)} | ${text(hostRow)}`);
}

const { flat, lines } = compareSamples(samples);
print(`\nafter the first minute, and at the end (${faults} faults between):`);
for (const line of lines) print(line);
print(`\n${await gateways.ask({}, ANSWER_MS)}`);
print(flat ? "flat" : "NOT flat");
const servedSeconds = elapsed();
const { code } = await server.stop();
if (code !== 0) print(`Cannot call that a clean end: the server ended with status ${code}`);
const isSame = !values.record || await replayRecord(folder.file("events"), servedSeconds, print);
Deno.exitCode = flat && code === 0 && isSame ? 0 : 1;
