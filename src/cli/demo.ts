// `demo`: everything on one screen - embedded broker, example module, simulated cars.
import {
  buildExampleModule,
  ExampleBuildError,
  type ExampleModule,
} from "../../examples/module/build.ts";
import { type LoadedConfig, parseConfig } from "../config/load.ts";
import { systemFiles } from "../config/files.ts";
import { EmbeddedBroker } from "../mqtt/broker.ts";
import { startLogging } from "../log/logging.ts";
import type { Device } from "../protocol/messages.ts";
import { Fleet } from "../simulator/fleet.ts";
import type { GatewayOptions } from "../simulator/gateway_options.ts";
import { systemClock } from "../time/clock.ts";
import { assembleServer } from "./assemble.ts";
import type { ProgramContext } from "./context.ts";
import { DemoNarrator } from "./demo_narrator.ts";
import { type Part, runUntilStopped } from "./lifetime.ts";

/** At the end, open statuses have this long to be answered, in milliseconds. */
const DRAIN_MS = 5000;

/** What the command line said. */
export interface DemoOptions {
  readonly cars: number;
  /** How long it runs; absent: until it is interrupted. */
  readonly seconds?: number;
}

const COMPANY = "demo";
const MODULE = 1000;
const BUTTON = 0;
const LED = 1;
/** Statuses a second of one car: slow enough to be read. */
const RATE = 1;
const HOST = "127.0.0.1";

/**
 * Runs the demo until its time is up or it is interrupted, then prints a summary.
 *
 * @returns the exit status: 1 when it could not start or a status stayed unanswered, else 0
 */
export async function runDemo(options: DemoOptions, context: ProgramContext): Promise<number> {
  const { output } = context;
  const example = await exampleModule(output.err);
  if (example === undefined) return 1;
  await using module = example;
  const logging = startLogging({
    console: { use: true, level: "WARNING", format: "text" },
    file: { use: false, level: "INFO", format: "text", directory: "", maxBytes: 0, keep: 0 },
  });
  const { log } = logging;
  const narrator = new DemoNarrator(output, systemClock);
  const broker = new EmbeddedBroker({
    broker: { protocol: "mqtt", host: HOST, port: 0, path: "" },
    maxMessageBytes: 1 << 20,
    log,
  });
  const names = Array.from({ length: options.cars }, (_, index) => `car_${index + 1}`);
  let fleet: Fleet | undefined;
  const parts: Part[] = [
    { name: "the broker", start: async () => void await broker.start(), stop: () => broker.stop() },
    serverPart(),
    {
      name: "the simulated cars",
      async start() {
        await narrator.listening(names);
        fleet = new Fleet({ gateways: names.map((car) => gatewayOptions(car, broker.port)) });
        fleet.start();
      },
      async stop() {
        await fleet?.drain(DRAIN_MS);
        await fleet?.stop();
      },
    },
  ];
  output.out(
    `${options.cars} simulated cars, each with a button and an LED, one broker, one module`,
  );
  output.out(
    "The module answers every press of a button with a command to the LED. Ctrl-C ends it",
  );
  output.out("");
  const { stop, done } = stopAfter(options.seconds, context.stop);
  try {
    if (!await runUntilStopped(parts, { stop, log })) return 1;
  } finally {
    done();
    await logging.stop();
  }
  return summarize();

  function serverPart(): Part {
    let server: Awaited<ReturnType<typeof assembleServer>> | undefined;
    return {
      name: "the server",
      async start() {
        const { config } = demoConfig(names, module.path, broker.port);
        const observer = { onEffect: narrator.tell.bind(narrator) };
        server = await assembleServer({ config, log, observer });
        await server.start();
      },
      async stop() {
        await server?.stop();
      },
    };
  }

  function summarize(): number {
    const { statuses, commands, acknowledged } = narrator.counts;
    const answered = fleet?.stats.answered ?? 0;
    const unanswered = fleet?.stats.unanswered ?? 0;
    const slowest = (fleet?.stats.latency.maxMs ?? 0).toFixed(1);
    output.out("");
    output.out(
      `${options.cars} cars, ${statuses} statuses forwarded, ${commands} commands sent, ` +
        `${acknowledged} acknowledged, slowest response ${slowest} ms`,
    );
    if (unanswered > 0) output.err(`${unanswered} statuses stayed unanswered, ${answered} did not`);
    return unanswered > 0 ? 1 : 0;
  }
}

async function exampleModule(err: (line: string) => void): Promise<ExampleModule | undefined> {
  try {
    return await buildExampleModule();
  } catch (error) {
    if (!(error instanceof ExampleBuildError)) throw error;
    err(error.message);
    return undefined;
  }
}

/** Aborts when the time is up or the program is asked to stop; `done` leaves nothing behind. */
function stopAfter(seconds: number | undefined, asked: AbortSignal) {
  const controller = new AbortController();
  const end = () => controller.abort();
  const timer = seconds === undefined ? undefined : setTimeout(end, seconds * 1000);
  asked.addEventListener("abort", end);
  if (asked.aborted) end();
  return {
    stop: controller.signal,
    done() {
      clearTimeout(timer);
      asked.removeEventListener("abort", end);
    },
  };
}

function demoConfig(cars: readonly string[], libPath: string, port: number): LoadedConfig {
  const document = {
    company_name: COMPANY,
    mqtt_address: HOST,
    mqtt_port: port,
    common_modules: { [MODULE]: { lib_path: libPath } },
    cars: Object.fromEntries(cars.map((car) => [car, {}])),
  };
  const workingDirectory = Deno.cwd();
  return parseConfig(document, { workingDirectory, folder: workingDirectory, files: systemFiles });
}

/** A car whose button is pressed and let go in turn, and whose LED says what it was last told. */
function gatewayOptions(car: string, port: number): GatewayOptions {
  const common = { module: MODULE, deviceRole: "front", priority: 0 };
  const devices: Device[] = [
    { ...common, deviceType: BUTTON, deviceName: "button" },
    { ...common, deviceType: LED, deviceName: "led" },
  ];
  const text = new TextEncoder();
  let pressed = false;
  return {
    company: COMPANY,
    car,
    broker: { host: HOST, port },
    devices,
    rate: RATE,
    payload({ deviceType }) {
      if (deviceType === BUTTON) pressed = !pressed;
      return text.encode(JSON.stringify(deviceType === BUTTON ? { pressed } : { lit: pressed }));
    },
  };
}
