// Simulated cars: each speaks for its gateway and its devices.
import type { GatewayVersion } from "../../gateway/mod.ts";
import type { Device } from "../../protocol/mod.ts";
import {
  BUTTON_TYPE,
  EXAMPLE_MODULE,
  exampleStatuses,
  Fleet,
  type GatewayOptions,
  LED_TYPE,
} from "../../simulator/mod.ts";
import type { CarsSummary, DemoCars } from "./demo_cars.ts";

/** Statuses per second and car: slow enough to follow. */
const RATE = 1;
/** How long to wait for open statuses at the end, in milliseconds. */
const DRAIN_MS = 5000;

/** What {@linkcode SimulatedCars} are made from. */
export interface SimulatedCarsOptions {
  readonly company: string;
  readonly cars: readonly string[];
  readonly broker: { readonly host: string; readonly port: number };
  readonly version: GatewayVersion;
}

export class SimulatedCars implements DemoCars {
  readonly introduction: readonly string[];
  readonly #fleet: Fleet;

  constructor({ company, cars, broker, version }: SimulatedCarsOptions) {
    this.introduction = [
      `${cars.length} simulated cars, each with a button and an LED, one broker, one module`,
      "The module answers every press of a button with a command to the LED. Ctrl-C ends it",
    ];
    this.#fleet = new Fleet({
      gateways: cars.map((car): GatewayOptions => ({
        company,
        car,
        broker,
        devices: DEVICES,
        rate: RATE,
        payload: exampleStatuses(),
        gateway: version,
      })),
    });
  }

  get summary(): CarsSummary {
    const { answered, unanswered, latency } = this.#fleet.stats;
    return { answered, unanswered, slowestMs: latency.maxMs };
  }

  start(): Promise<void> {
    this.#fleet.start();
    return Promise.resolve();
  }

  async stop(): Promise<void> {
    await this.#fleet.drain(DRAIN_MS);
    await this.#fleet.stop();
  }
}

/** A button that is pressed and released in turn, and an LED that reports its last command. */
const COMMON = { module: EXAMPLE_MODULE, deviceRole: "front", priority: 0 };
const DEVICES: readonly Device[] = [
  { ...COMMON, deviceType: BUTTON_TYPE, deviceName: "button" },
  { ...COMMON, deviceType: LED_TYPE, deviceName: "led" },
];
