// A sink that is away: `deno task outage [--minutes N] [--rate N] [--bytes-per-second N]`. Ends with
// status 1 unless everything arrives in order, at the configured rate, and memory stays flat.
import { parseArgs } from "node:util";
import type { SinkView } from "../../src/http/api/sinks.ts";
import { freePort } from "../../tests/support/mosquitto.ts";
import { TempFolder } from "../../tests/support/temp.ts";
import { median } from "../support/figure.ts";
import { BenchModule } from "../support/module.ts";
import { privateBytes } from "../support/process_tree.ts";
import { pause, Stage } from "../support/stage.ts";

const CARS = 10;
const MIB = 1024 * 1024;
const SAMPLE_SECONDS = 5;
/** The sink is there for so long before it goes. */
const BEFORE_SECONDS = 60;
/** How much more memory may be in use with the sink away, and while it is drained. */
const SLACK_MIB = 16;
/** Longer than the longest pause after failures, in seconds. */
const PAUSE_SECONDS = 40;

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "10" },
    rate: { type: "string", default: "500" },
    "bytes-per-second": { type: "string", default: "1000000" },
  },
});
const awaySeconds = Number(values.minutes) * 60;
const rate = Number(values.rate);
const bytesPerSecond = Number(values["bytes-per-second"]);

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}

/** Counts events; one that comes twice, or before one that happened earlier, is wrong. */
class Receiver {
  isAway = false;
  events = 0;
  wrong = 0;
  readonly #last = new Map<string, number>();

  async answer(request: Request): Promise<Response> {
    const text = await request.text();
    if (this.isAway) return new Response(null, { status: 503 });
    for (const line of text.split("\n")) if (line !== "") this.#count(JSON.parse(line).id);
    return new Response(null, { status: 204 });
  }

  #count(id: string): void {
    const [, car = "", , place = ""] = id.split("/");
    const [record = 0, part = 0] = place.split(".").map(Number);
    const at = record * 1000 + part;
    if (at <= (this.#last.get(car) ?? 0)) this.wrong++;
    else this.events++;
    this.#last.set(car, at);
  }
}

function memoryText(phase: keyof typeof memory): string {
  return `${median(memory[phase]).toFixed(0)}, ${Math.max(...memory[phase]).toFixed(0)}`;
}

await using benchModule = await BenchModule.build();
await using folder = await TempFolder.make();
const receiver = new Receiver();
await using http = Deno.serve(
  { hostname: "127.0.0.1", port: 0, onListen() {} },
  (request) => receiver.answer(request),
);
const port = freePort();
await using stage = await Stage.set({
  side: "server",
  cars: CARS,
  modules: () => ({ 1000: { lib_path: benchModule.path, config: {} } }),
  more: {
    http: { port },
    event_log: { directory: folder.file("events") },
    state_dir: folder.file("state"),
    sinks: {
      hook: {
        kind: "webhook",
        url: `http://127.0.0.1:${http.addr.port}/`,
        secret_file: await folder.write("secret", "a-secret-that-is-long-enough"),
        events: ["status.accepted"],
        bytes_per_second: bytesPerSecond,
      },
    },
  },
});

const startedAt = performance.now();
const elapsed = () => (performance.now() - startedAt) / 1000;
const memory = { before: [] as number[], away: [] as number[], after: [] as number[] };

async function look(phase: keyof typeof memory): Promise<SinkView> {
  const answer = await fetch(`http://127.0.0.1:${port}/api/v1/sinks`);
  const [sink] = await answer.json() as SinkView[];
  if (sink === undefined) throw new Error("Cannot see the sink: the server has none");
  const mib = privateBytes([stage.side.pid]) / MIB;
  memory[phase].push(mib);
  const { lag, delivered, rate } = sink;
  print(
    `${elapsed().toFixed(0).padStart(5)} s  ${phase.padEnd(6)}  ${sink.state.padEnd(10)}  lag ` +
      `${lag.records} records, ${(lag.bytes / MIB).toFixed(1)} MiB, ${lag.seconds.toFixed(0)} s; ` +
      `delivered ${delivered.records}, ${(rate.bytes / 1000).toFixed(0)} kB/s; ${
        mib.toFixed(0)
      } MiB`,
  );
  return sink;
}

async function lookFor(phase: keyof typeof memory, seconds: number): Promise<void> {
  for (const until = elapsed() + seconds; elapsed() < until;) {
    await pause(SAMPLE_SECONDS * 1000);
    await look(phase);
  }
}

await stage.ask({ ask: "reset" });
await stage.ask({ ask: "load", rate: rate / CARS, window: 100, bytes: 64 });
await lookFor("before", BEFORE_SECONDS);
receiver.isAway = true;
await lookFor("away", awaySeconds);
const behind = await look("away");
receiver.isAway = false;
// The load goes on: the sink has to catch up with what is new, too.
let caughtUpSeconds = 0;
let first: { readonly at: number; readonly bytes: number } | undefined;
let last = { at: elapsed(), bytes: behind.delivered.bytes };
const backAt = elapsed();
const giveUpAt = backAt + PAUSE_SECONDS + 10 * behind.lag.bytes / bytesPerSecond;
for (;;) {
  await pause(1000);
  const { lag, delivered } = await look("after");
  if (delivered.bytes > behind.delivered.bytes) {
    first ??= { at: elapsed(), bytes: delivered.bytes };
    // While it is behind, the rate is what limits it.
    if (lag.seconds > 5) last = { at: elapsed(), bytes: delivered.bytes };
  }
  caughtUpSeconds = elapsed() - backAt;
  if (lag.seconds <= 3 || elapsed() > giveUpAt) break;
}
await lookFor("after", 2 * SAMPLE_SECONDS);
const { answered, lost } = await stage.ask({ ask: "drain", timeoutMs: 5000 });
await pause(3000);
const end = await look("after");
const drainRate = first === undefined ? 0 : (last.bytes - first.bytes) / (last.at - first.at);
// The sequence of each car's session begins with statuses that the load does not count.
const findings: readonly (readonly [string, boolean])[] = [
  [`${answered} statuses answered, ${lost} lost`, lost === 0],
  [
    `${receiver.events} events arrived, ${receiver.wrong} again or out of order`,
    receiver.events >= answered && receiver.wrong === 0,
  ],
  [`lag at the end: ${end.lag.records} records`, end.lag.records === 0],
  [`missed: ${end.missed} records`, end.missed === 0],
  [`caught up ${caughtUpSeconds.toFixed(0)} s after it was back`, elapsed() < giveUpAt],
  [
    `drained at ${(drainRate / 1000).toFixed(0)} kB/s of ${bytesPerSecond / 1000}`,
    drainRate > 0.9 * bytesPerSecond && drainRate < 1.05 * bytesPerSecond,
  ],
  [
    `private memory, median and at most: ${memoryText("before")} MiB before, ${
      memoryText("away")
    } ` +
    `while it was away, ${memoryText("after")} after`,
    // What is garbage comes and goes.
    median(memory.away) < Math.max(...memory.before) + SLACK_MIB &&
    median(memory.after) < Math.max(...memory.before) + SLACK_MIB,
  ],
];
for (const [text, ok] of findings) print(`${ok ? "ok    " : "FAILED"}  ${text}`);
if (findings.some(([, ok]) => !ok)) Deno.exitCode = 1;
