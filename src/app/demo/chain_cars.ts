// Cars as they are: two devices with the Internal Client, and a Module Gateway between them and the
// cloud.
import { loadGatewayConfig } from "../../config/mod.ts";
import { GatewayOperators } from "../../http/mod.ts";
import type { Logging } from "../../log/mod.ts";
import { GatewayStatistics } from "../../module/mod.ts";
import { BUTTON_TYPE, EXAMPLE_MODULE, LED_TYPE } from "../../simulator/mod.ts";
import {
  GatewayReloader,
  RunningGateway,
  type StartedModule,
  type StartModule,
  startModule,
} from "../gateway/mod.ts";
import type { Part } from "../mod.ts";
import { ChainDevice } from "./chain_device.ts";
import type { CarsSummary, DemoCars } from "./demo_cars.ts";
import type { DemoNarrator } from "./narrator.ts";

const HOST = "127.0.0.1";
/** Gateways with a page: nobody looks at more. */
const PAGES = 3;
/** A machine that is busy with something else may take longer than a gateway in a car has; in ms. */
const ANSWER_MS = 2_000;

/** What {@linkcode ChainCars} are made from. */
export interface ChainCarsOptions {
  readonly company: string;
  readonly cars: readonly string[];
  readonly broker: { readonly host: string; readonly port: number };
  /** The car's side of the example module. */
  readonly modulePath: string;
  readonly narrator: DemoNarrator;
  readonly logging: Pick<Logging, "log" | "configureLevels" | "setLevel">;
}

export class ChainCars implements DemoCars {
  readonly introduction: readonly string[];
  readonly #options: ChainCarsOptions;
  readonly #statistics = new GatewayStatistics();
  readonly #devices: ChainDevice[] = [];
  /** To be stopped in reverse. */
  readonly #parts: Pick<Part, "stop">[] = [];
  #module: StartedModule | undefined;

  constructor(options: ChainCarsOptions) {
    this.#options = options;
    this.introduction = [
      `${options.cars.length} cars, each with a button, an LED and a gateway; one broker, one server`,
      "button -> gateway -> broker -> server -> module, and a command back to the LED. Ctrl-C ends it",
    ];
  }

  get summary(): CarsSummary {
    let [answered, unanswered, slowestMs] = [0, 0, 0];
    for (const { counts } of this.#devices) {
      answered += counts.answered;
      unanswered += counts.unanswered;
      slowestMs = Math.max(slowestMs, counts.slowestMs);
    }
    return { answered, unanswered, slowestMs };
  }

  async start(): Promise<void> {
    const { cars } = this.#options;
    for (const [index, car] of cars.entries()) await this.#startCar(car, index);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#devices.map((device) => device.stop()));
    await Promise.all(this.#parts.map((part) => part.stop()));
    await this.#module?.stop();
  }

  async #startCar(car: string, index: number): Promise<void> {
    const { cars, narrator, logging: { log } } = this.#options;
    const load = () => loadGatewayConfig(this.#source(car));
    const { config } = await load();
    const gateway = new RunningGateway({
      config,
      log: log.forCar(car),
      startModule: this.#startModule,
      subscribers: [{ onTurn: (turn) => narrator.onGatewayTurn(car, turn) }],
    });
    this.#parts.push(gateway);
    await gateway.start();
    if (index < PAGES) await this.#startPage(car, gateway, load);
    const [address] = gateway.addresses;
    const { port } = address as Deno.NetAddr;
    const phase = index / cars.length;
    for (const type of [BUTTON_TYPE, LED_TYPE]) {
      const device = new ChainDevice({ car, type, port, phase, narrator });
      this.#devices.push(device);
      await device.start();
    }
  }

  /** One serves all gateways: it keeps nothing. */
  readonly #startModule: StartModule = async (order) => {
    const { log } = this.#options.logging;
    const module = this.#module ??= await startModule(order, { log, statistics: this.#statistics });
    return {
      number: module.number,
      call: (call) => module.call(call),
      snapshot: () => module.snapshot(),
      stop: () => Promise.resolve(),
    };
  };

  async #startPage(
    car: string,
    gateway: RunningGateway,
    load: () => ReturnType<typeof loadGatewayConfig>,
  ): Promise<void> {
    const { narrator, logging } = this.#options;
    const operators = new GatewayOperators({
      config: { address: HOST, port: 0 },
      log: logging.log,
      statistics: this.#statistics,
    });
    this.#parts.push(operators);
    const reloader = new GatewayReloader({ load, gateway, logging });
    await operators.start({
      gateway,
      reload: () => reloader.reload(),
      setLogLevel: (level) => logging.setLevel(level),
    });
    narrator.tell(car, `its gateway: ${operators.url}/`);
  }

  /** The configuration of a gateway, as a file would have it. */
  #source(car: string): Parameters<typeof loadGatewayConfig>[0] {
    const { company, broker, modulePath } = this.#options;
    const document = {
      "internal-server-settings": {
        "address": HOST,
        "port": 0,
        "limits": { "answer-ms": ANSWER_MS },
      },
      "module-paths": { [EXAMPLE_MODULE]: modulePath },
      "external-connection": {
        "company": company,
        "vehicle-name": car,
        "endpoints": [{
          "protocol-type": "mqtt",
          "server-ip": broker.host,
          "port": broker.port,
          "modules": [EXAMPLE_MODULE],
        }],
      },
    };
    return {
      name: `the gateway of ${car}`,
      folder: Deno.cwd(),
      read: () => Promise.resolve(JSON.stringify(document)),
    };
  }
}
