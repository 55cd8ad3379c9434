// The car's side: an internal server with many devices, and the way from a device to the cloud.
import { fileURLToPath } from "node:url";
import { gatewayDocument, GatewayProcess } from "../../tests/e2e/gateway_process.ts";
import { ServerProcess } from "../../tests/e2e/server_process.ts";
import { Mosquitto } from "../../tests/support/mosquitto.ts";
import { ScriptProcess } from "../../tests/support/script_process.ts";
import type { DevicesReport, DevicesRequest } from "../load/devices.ts";
import { type Figure, figure, median } from "../support/figure.ts";
import type { Row } from "./row.ts";

const SERVER = new URL("../load/internal_server.ts", import.meta.url);
const DEVICES = new URL("../load/devices.ts", import.meta.url);
/** As the program has them. */
const FLAGS = ["--v8-flags=--max-semi-space-size=4"];
const ANSWER_MS = 120_000;
const COUNT = 1_000;
const FEW = 100;
const RATE = 10;
const SECONDS = 5;
const WINDOWS = 3;
/** Devices of modules that take 200 ms for each status. */
const SLOW = 20;

/** An internal server and devices, in a process each. */
class DevicesStage implements AsyncDisposable {
  readonly #server = new ScriptProcess(SERVER, [], FLAGS);
  readonly #devices = new ScriptProcess(DEVICES);
  #port = 0;
  #connected = 0;

  static async set(): Promise<DevicesStage> {
    const stage = new DevicesStage();
    stage.#port = Number(await stage.#server.line(ANSWER_MS));
    return stage;
  }

  async connect(module: number, count: number): Promise<void> {
    await this.#ask({ port: this.#port, module, count });
    this.#connected += count;
  }

  async measure(rate = RATE): Promise<DevicesReport> {
    const report = await this.#ask({ rate, seconds: SECONDS }) as DevicesReport;
    if (report.failed > 0) throw new Error(`Cannot trust the window: ${report.failed} unanswered`);
    const least = COUNT * RATE * SECONDS * 0.9;
    if (this.#connected >= COUNT && report.answered < least) {
      throw new Error(`Cannot trust the window: ${report.answered} statuses of ${least} at least`);
    }
    return report;
  }

  /** Resident memory of the server, in KiB. */
  async memoryKib(): Promise<number> {
    return Number(await this.#server.ask({}, ANSWER_MS));
  }

  async #ask(request: DevicesRequest): Promise<unknown> {
    return JSON.parse(await this.#devices.ask(request, ANSWER_MS));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#devices[Symbol.asyncDispose]();
    await this.#server[Symbol.asyncDispose]();
  }
}

export const thousandDevices: Row = {
  name: "thousand_devices",
  byDefault: false,
  async run(): Promise<Figure[]> {
    await using stage = await DevicesStage.set();
    // The same statuses a second of fewer devices: what a load takes is not a device's.
    await stage.connect(1, FEW);
    for (let window = 0; window < WINDOWS; window++) await stage.measure(COUNT / FEW * RATE);
    const before = await stage.memoryKib();
    await stage.connect(1, COUNT - FEW);
    await stage.measure();
    const alone: number[] = [];
    for (let window = 0; window < WINDOWS; window++) alone.push((await stage.measure()).p99Ms);
    const memory = (await stage.memoryKib() - before) / (COUNT - FEW);
    for (const module of [2, 3]) await stage.connect(module, SLOW / 2);
    const beside: number[] = [];
    for (let window = 0; window < WINDOWS; window++) beside.push((await stage.measure()).p99Ms);
    return [
      figure({
        row: this.name,
        what: "1,000 devices, 10 statuses/s each, p99 of the answer",
        unit: "ms",
        server: alone,
        reach: "< 10 ms",
        reached: (ms) => ms < 10,
      }),
      figure({
        row: this.name,
        what: "the same beside two modules that take 200 ms",
        unit: "ms",
        server: beside,
        reference: alone,
        reach: "< 10 ms",
        reached: (ms) => ms < 10,
      }),
      figure({
        row: this.name,
        what: "memory of the internal server for each device",
        unit: "KiB",
        server: [memory],
        reach: "<= 60 KiB",
        reached: (kib) => kib <= 60,
      }),
    ];
  },
};

function module(name: string): string {
  return fileURLToPath(new URL(`../module/${name}`, import.meta.url));
}

/** From `sendStatus` to the module of the server: the module tells the device when it got each. */
async function wayToTheModule(seconds: number): Promise<number[]> {
  await using broker = await Mosquitto.start({ lines: ["set_tcp_nodelay true"] });
  const cars = { car_1: { "1000": { lib_path: module("chain_server.ts") } } };
  const quiet = { logging: { console: { level: "WARNING", use: true } } };
  await using _server = await ServerProcess.launch({ port: broker.port, cars, more: quiet }, {
    record: false,
  });
  await using gateway = await GatewayProcess.start(
    await gatewayDocument(broker.port, { "module-paths": { "1000": module("chain_gateway.ts") } }),
  );
  const sent: number[] = [];
  const took = new Map<number, number>();
  await using device = await gateway.device();
  const until = performance.now() + seconds * 1_000;
  while (performance.now() < until) {
    const n = sent.push(performance.timeOrigin + performance.now()) - 1;
    const command = await device.sendStatus(JSON.stringify({ n }), { timeoutMs: ANSWER_MS });
    if (command.length > 0) {
      const said = JSON.parse(new TextDecoder().decode(command));
      took.set(said.n, said.at - (sent[said.n] ?? NaN));
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  // The first ones waited for the connect sequence.
  return [...took].filter(([n]) => n > sent.length / 4).map(([, ms]) => ms);
}

export const chain: Row = {
  name: "chain",
  byDefault: false,
  async run(): Promise<Figure[]> {
    const ways = await wayToTheModule(20);
    if (ways.length < 100) throw new Error(`Cannot trust ${ways.length} statuses`);
    const sorted = ways.toSorted((a, b) => a - b);
    const common = { row: this.name, unit: "ms" };
    const p99 = sorted[Math.floor(sorted.length * 0.99)] ?? NaN;
    return [
      figure({
        ...common,
        what: "from a device to the server's module, p50",
        server: [median(sorted)],
        reach: "< 10 ms",
        reached: (ms) => ms < 10,
      }),
      figure({
        ...common,
        what: "from a device to the server's module, p99",
        server: [p99],
        reach: "< 50 ms",
        reached: (ms) => ms < 50,
      }),
    ];
  },
};
