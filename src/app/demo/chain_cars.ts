// Cars as they are: two devices with the Internal Client, and a Module Gateway between them and the
// cloud.
import { INTERNAL_SERVER_LIMITS, INTERNAL_SERVER_SETTINGS } from "../../internal_server/mod.ts";
import type { Log } from "../../log/mod.ts";
import { HostedGatewayModule } from "../../module/mod.ts";
import { type GatewayTurn, ModuleGateway } from "../../module_gateway/mod.ts";
import { readScript } from "../../script/mod.ts";
import { BUTTON_TYPE, EXAMPLE_MODULE } from "../../simulator/mod.ts";
import { quote } from "../../text/mod.ts";
import { ChainDevice } from "./chain_device.ts";
import type { CarsSummary, DemoCars } from "./demo_cars.ts";
import type { DemoNarrator } from "./narrator.ts";

/** A machine that is busy with something else may take longer than a gateway in a car has. */
const INTERNAL_SERVER = {
  ...INTERNAL_SERVER_SETTINGS,
  limits: { ...INTERNAL_SERVER_LIMITS, answerMs: 2_000 },
};
/** The cloud's endpoint is tried again after so long, in milliseconds: everything is on one machine. */
const RETRY_MS = 500;

/** What {@linkcode ChainCars} are made from. */
export interface ChainCarsOptions {
  readonly company: string;
  readonly cars: readonly string[];
  readonly broker: { readonly host: string; readonly port: number };
  /** The car's side of the example module. */
  readonly modulePath: string;
  readonly narrator: DemoNarrator;
  readonly log: Log;
}

export class ChainCars implements DemoCars {
  readonly introduction: readonly string[];
  readonly #options: ChainCarsOptions;
  readonly #gateways: ModuleGateway[] = [];
  readonly #devices: ChainDevice[] = [];
  #module: HostedGatewayModule | undefined;

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
    const { cars, modulePath: libPath, log } = this.#options;
    const script = await readScript(libPath);
    // It keeps nothing, so that one serves the gateways of all cars.
    this.#module = await HostedGatewayModule.start({ module: EXAMPLE_MODULE, libPath, script }, {
      log,
      onOutput: (line) => log.info(() => `[module ${EXAMPLE_MODULE}] ${quote(line)}`),
    });
    for (const [index, car] of cars.entries()) await this.#startCar(car, index / cars.length);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#devices.map((device) => device.stop()));
    await Promise.all(this.#gateways.map((gateway) => gateway.stop()));
    await this.#module?.stop();
  }

  /** @param phase from 0 up to 1: where its presses lie between those of the first car */
  async #startCar(car: string, phase: number): Promise<void> {
    const { company, broker, narrator, log } = this.#options;
    const module = this.#module;
    if (module === undefined) return;
    const gateway = new ModuleGateway({
      company,
      car,
      modules: new Map([[EXAMPLE_MODULE, module]]),
      endpoints: [{ name: "cloud", broker, modules: [EXAMPLE_MODULE] }],
      listen: [{ host: "127.0.0.1", port: 0 }],
      log: log.forCar(car),
      internalServer: INTERNAL_SERVER,
      times: { retryMs: RETRY_MS },
      subscribers: [{ onTurn: (turn: GatewayTurn) => narrator.onGatewayTurn(car, turn) }],
    });
    this.#gateways.push(gateway);
    await gateway.start();
    const [address] = gateway.addresses;
    const port = (address as Deno.NetAddr).port;
    for (const type of [BUTTON_TYPE, BUTTON_TYPE + 1]) {
      const device = new ChainDevice({ car, type, port, phase, narrator });
      this.#devices.push(device);
      await device.start();
    }
  }
}
