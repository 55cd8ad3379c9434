// The parts of the demo: broker, server with its page, and cars, with the text before and after.
import { type LoadedConfig, parseConfig, systemFiles, withFiles } from "../../config/mod.ts";
import type { TurnSubscriber } from "../../car/mod.ts";
import type { Operators } from "../../http/mod.ts";
import type { Logging } from "../../log/mod.ts";
import { EmbeddedBroker } from "../../broker/mod.ts";
import type { Server } from "../../server/mod.ts";
import { EXAMPLE_MODULE } from "../../simulator/mod.ts";
import { systemClock } from "../../time/mod.ts";
import { assembleServer, type Part } from "../mod.ts";
import type { ChainCarsOptions } from "./chain_cars.ts";
import type { DemoCars } from "./demo_cars.ts";
import { DemoNarrator } from "./narrator.ts";
import type { Output } from "../../text/mod.ts";

/** The company of the demo. */
export const COMPANY = "demo";
const HOST = "127.0.0.1";

/** What drives cars is made from. */
export type CarsSetting = Omit<ChainCarsOptions, "modulePath">;

/** What a {@linkcode Demo} is made from. */
export interface DemoSetting {
  readonly cars: number;
  /** Makes what drives the cars; called when there is a broker. */
  readonly makeCars: (setting: CarsSetting) => DemoCars;
  /** The server's side of the example module. */
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
  readonly #makeCars: DemoSetting["makeCars"];
  readonly #narrator: DemoNarrator;
  readonly #recorder: (Part & TurnSubscriber) | undefined;
  readonly #broker: EmbeddedBroker;
  #operators: Operators | undefined;
  #server: Server | undefined;
  #driven: DemoCars | undefined;

  constructor({ cars, makeCars, libPath, output, logging, recorder }: DemoSetting) {
    const { log } = logging;
    this.#recorder = recorder;
    this.#output = output;
    this.#logging = logging;
    this.#libPath = libPath;
    this.#makeCars = makeCars;
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
        start: () => this.#startBroker(),
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
        name: "the cars",
        start: () => this.#startCars(),
        stop: async () => await this.#driven?.stop(),
      },
    ];
  }

  /** Prints where to watch, and what is about to happen. */
  #introduce(): void {
    const { out } = this.#output;
    out(`Watch it at ${this.#operators?.url}/`);
    out("");
    for (const line of this.#driven?.introduction ?? []) out(line);
    out("");
  }

  /** Prints the summary, and returns the exit status. */
  summarize(): number {
    const { out, err } = this.#output;
    const { statuses, commands, acknowledged } = this.#narrator.counts;
    const { answered = 0, unanswered = 0, slowestMs = 0 } = this.#driven?.summary ?? {};
    const slowest = slowestMs.toFixed(1);
    out("");
    out(
      `${this.#cars.length} cars, ${statuses} statuses forwarded, ${commands} commands sent, ` +
        `${acknowledged} acknowledged, slowest response ${slowest} ms`,
    );
    if (unanswered > 0) err(`${unanswered} statuses stayed unanswered, ${answered} did not`);
    return unanswered > 0 ? 1 : 0;
  }

  async #startBroker(): Promise<void> {
    const port = await this.#broker.start();
    this.#driven = this.#makeCars({
      company: COMPANY,
      cars: this.#cars,
      broker: { host: HOST, port },
      narrator: this.#narrator,
      logging: this.#logging,
    });
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
    await this.#driven?.start();
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
