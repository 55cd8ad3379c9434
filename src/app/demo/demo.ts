// The parts of the demo: broker, server with its page, and cars, with the text before and after.
import { type LoadedConfig, parseConfig, systemFiles, withFiles } from "../../config/mod.ts";
import type { TurnSubscriber } from "../../car/mod.ts";
import type { GatewayVersion } from "../../gateway/mod.ts";
import type { Operators } from "../../http/mod.ts";
import type { Logging } from "../../log/mod.ts";
import { EmbeddedBroker } from "../../broker/mod.ts";
import type { Device } from "../../protocol/mod.ts";
import type { Server } from "../../server/mod.ts";
import {
  BUTTON_TYPE,
  EXAMPLE_MODULE,
  exampleStatuses,
  Fleet,
  type GatewayOptions,
  LED_TYPE,
} from "../../simulator/mod.ts";
import { systemClock } from "../../time/mod.ts";
import { assembleServer, type Part } from "../mod.ts";
import { DemoNarrator } from "./narrator.ts";
import type { Output } from "../../text/mod.ts";

/** The company of the demo. */
export const COMPANY = "demo";
/** Statuses per second and car: slow enough to follow. */
const RATE = 1;
const HOST = "127.0.0.1";
/** How long to wait for open statuses at the end, in milliseconds. */
const DRAIN_MS = 5000;

/** What a {@linkcode Demo} is made from. */
export interface DemoSetting {
  readonly cars: number;
  readonly gateway: GatewayVersion;
  /** The example module's library. */
  readonly libPath: string;
  readonly output: Output;
  readonly logging: Logging;
  /** Subscribes beside the narrator. */
  readonly recorder?: (Part & TurnSubscriber) | undefined;
}

export class Demo {
  /** In the order in which they start. */
  readonly parts: readonly Part[];
  readonly #output: Output;
  readonly #logging: Logging;
  readonly #libPath: string;
  readonly #cars: readonly string[];
  readonly #gateway: GatewayVersion;
  readonly #narrator: DemoNarrator;
  readonly #recorder: (Part & TurnSubscriber) | undefined;
  readonly #broker: EmbeddedBroker;
  #operators: Operators | undefined;
  #server: Server | undefined;
  #fleet: Fleet | undefined;

  constructor({ cars, gateway, libPath, output, logging, recorder }: DemoSetting) {
    const { log } = logging;
    this.#recorder = recorder;
    this.#output = output;
    this.#logging = logging;
    this.#libPath = libPath;
    this.#gateway = gateway;
    this.#cars = Array.from({ length: cars }, (_, index) => `car_${index + 1}`);
    this.#narrator = new DemoNarrator(output, systemClock);
    this.#broker = new EmbeddedBroker({
      broker: { protocol: "mqtt", host: HOST, port: 0, path: "" },
      maxMessageBytes: 1 << 20,
      log,
    });
    this.parts = [
      ...(recorder === undefined ? [] : [recorder]),
      {
        name: "the broker",
        start: async () => void await this.#broker.start(),
        stop: () => this.#broker.stop(),
      },
      {
        name: "the server",
        start: () => this.#startServer(),
        stop: async () => await this.#server?.stop(),
      },
      {
        name: "the page",
        start: () => this.#startPage(),
        stop: async () => await this.#operators?.stop(),
      },
      {
        name: "the simulated cars",
        start: () => this.#startCars(),
        stop: () => this.#stopCars(),
      },
    ];
  }

  /** Prints where to watch, and what is about to happen. */
  #introduce(): void {
    const { out } = this.#output;
    out(`Watch it at ${this.#operators?.url}/`);
    out("");
    out(
      `${this.#cars.length} simulated cars, each with a button and an LED, one broker, one module`,
    );
    out("The module answers every press of a button with a command to the LED. Ctrl-C ends it");
    out("");
  }

  /** Prints the summary, and returns the exit status. */
  summarize(): number {
    const { out, err } = this.#output;
    const { statuses, commands, acknowledged } = this.#narrator.counts;
    const answered = this.#fleet?.stats.answered ?? 0;
    const unanswered = this.#fleet?.stats.unanswered ?? 0;
    const slowest = (this.#fleet?.stats.latency.maxMs ?? 0).toFixed(1);
    out("");
    out(
      `${this.#cars.length} cars, ${statuses} statuses forwarded, ${commands} commands sent, ` +
        `${acknowledged} acknowledged, slowest response ${slowest} ms`,
    );
    if (unanswered > 0) err(`${unanswered} statuses stayed unanswered, ${answered} did not`);
    return unanswered > 0 ? 1 : 0;
  }

  async #startServer(): Promise<void> {
    const { config } = await demoConfig(this.#cars, this.#libPath, this.#broker.port);
    // `start` loads this file, and nothing of HTTP while that is off.
    const { Operators } = await import("../../http/mod.ts");
    this.#operators = new Operators({ config: { address: HOST, port: 0 }, log: this.#logging.log });
    const { metrics: { statistics }, subscribers: seen } = this.#operators;
    const subscribers = [this.#narrator, ...seen, this.#recorder].filter((one) =>
      one !== undefined
    );
    const { log } = this.#logging;
    this.#server = await assembleServer({ config, log, subscribers, statistics });
    await this.#server.start();
  }

  async #startPage(): Promise<void> {
    if (this.#server === undefined) return;
    const setLogLevel = this.#logging.setLevel.bind(this.#logging);
    await this.#operators?.start({ fleet: this.#server, setLogLevel });
    this.#introduce();
  }

  async #startCars(): Promise<void> {
    await this.#narrator.listening(this.#cars);
    const gateway = this.#gateway;
    const gateways = this.#cars.map((car) => ({
      ...gatewayOptions(car, this.#broker.port),
      gateway,
    }));
    this.#fleet = new Fleet({ gateways });
    this.#fleet.start();
  }

  async #stopCars(): Promise<void> {
    await this.#fleet?.drain(DRAIN_MS);
    await this.#fleet?.stop();
  }
}

function demoConfig(cars: readonly string[], libPath: string, port: number): Promise<LoadedConfig> {
  const document = {
    company_name: COMPANY,
    mqtt_address: HOST,
    mqtt_port: port,
    common_modules: { [EXAMPLE_MODULE]: { lib_path: libPath } },
    cars: Object.fromEntries(cars.map((car) => [car, {}])),
  };
  const workingDirectory = Deno.cwd();
  return withFiles(
    systemFiles,
    (files) => parseConfig(document, { workingDirectory, folder: workingDirectory, files }),
  );
}

/** A car whose button is pressed and released in turn, and whose LED reports its last command. */
function gatewayOptions(car: string, port: number): GatewayOptions {
  const common = { module: EXAMPLE_MODULE, deviceRole: "front", priority: 0 };
  const devices: Device[] = [
    { ...common, deviceType: BUTTON_TYPE, deviceName: "button" },
    { ...common, deviceType: LED_TYPE, deviceName: "led" },
  ];
  return {
    company: COMPANY,
    car,
    broker: { host: HOST, port },
    devices,
    rate: RATE,
    payload: exampleStatuses(),
  };
}
