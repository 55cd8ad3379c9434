// The server: every car of the configuration with its transport and its modules, started together,
// each on its own from then on, and stopped in order (section 4.4).
import { Car, type CarObserver, type CarSnapshot } from "../car/car.ts";
import type { SessionSettings } from "../car/settings.ts";
import type { CarConfig, ServerConfig } from "../config/model.ts";
import type { ContextSpec } from "../module/context.ts";
import type { CarTransport } from "../mqtt/transport.ts";
import type { Log } from "../observe/log.ts";
import { type Clock, systemClock } from "../time/clock.ts";
import { within } from "../time/within.ts";
import { CarModules } from "./car_modules.ts";
import { ServerStartError } from "./errors.ts";
import { type HostPlacement, HostPool, type StartHost } from "./host_pool.ts";

/** What a server is made of. */
export interface ServerOptions {
  readonly config: ServerConfig;
  readonly log: Log;
  /** Makes the broker connection of one car. */
  readonly createTransport: (car: CarConfig) => CarTransport;
  readonly startHost: StartHost;
  /** Contexts a host takes at most. */
  readonly contextsPerHost: number;
  /** @default {systemClock} */
  readonly clock?: Clock;
  /** Looks on while cars live. */
  readonly observer?: CarObserver;
}

/** The server as plain data. */
export interface ServerSnapshot {
  readonly cars: readonly CarSnapshot[];
  readonly hosts: readonly HostPlacement[];
}

/** How long cars may wait for each other's libraries when the server starts, in milliseconds. */
const START_GATE_MS = 3000;

interface Member {
  readonly car: Car;
  readonly modules: CarModules;
}

/** Serves the cars of one company. */
export class Server {
  readonly #options: ServerOptions;
  readonly #pool: HostPool;
  readonly #members: readonly Member[];
  #stopped = false;

  constructor(options: ServerOptions) {
    this.#options = options;
    const { config, log, startHost, contextsPerHost } = options;
    this.#pool = new HostPool({ startHost, log, contextsPerHost });
    this.#members = config.cars.map((car) => this.#createMember(car));
  }

  /**
   * Opens the modules of every car, then connects the cars; does not wait for the broker.
   *
   * @throws {ServerStartError} when libraries cannot be loaded; everything is undone by then.
   */
  async start(): Promise<void> {
    const { log, config, clock = systemClock } = this.#options;
    const found: Error[] = [];
    const opened = this.#members.map(({ modules }) => modules.start((error) => found.push(error)));
    await within(Promise.all(opened), START_GATE_MS, clock);
    if (found.length > 0) {
      await this.stop();
      throw new ServerStartError(found);
    }
    if (this.#stopped) return;
    for (const { car } of this.#members) car.start();
    log.info(() => `Serving ${config.cars.length} cars of ${config.company}`);
  }

  /**
   * Ends every session, leaves the broker, destroys contexts, stops hosts; all cars side by side.
   * Never rejects. A start under way comes to its end without connecting anybody.
   */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#members.map(async ({ car, modules }) => {
      await car.stop();
      await modules.stop();
    }));
    await this.#pool.stop();
  }

  /** Cars and hosts as plain data. */
  snapshot(): ServerSnapshot {
    return {
      cars: this.#members.map(({ car }) => car.snapshot()),
      hosts: this.#pool.snapshot(),
    };
  }

  #createMember(carConfig: CarConfig): Member {
    const { config, log, createTransport, clock = systemClock } = this.#options;
    const car = new Car({
      settings: sessionSettings(config, carConfig),
      transport: createTransport(carConfig),
      maxMessageBytes: config.limits.messageBytes,
      log,
      clock,
      observer: this.#options.observer,
    });
    const specs = contextSpecs(config, carConfig);
    return { car, modules: new CarModules({ car, specs, pool: this.#pool, log, clock }) };
  }
}

/** What the sessions of one car are told. */
function sessionSettings(config: ServerConfig, car: CarConfig): SessionSettings {
  const { company, timeouts, limits, sendInvalidCommand } = config;
  return {
    company,
    car: car.name,
    modules: new Set(car.modules.map(({ id }) => id)),
    sessionMs: timeouts.sessionMs,
    responseMs: timeouts.responseMs,
    sendInvalidCommand,
    maxDevices: limits.devices,
    maxStatusGap: limits.statusGap,
    maxWaitingStatuses: limits.waitingStatuses,
    maxWaitingCommands: limits.waitingCommands,
    maxUnansweredCommands: limits.unansweredCommands,
  };
}

/** What the contexts of one car are made from; `init` gets company and car first (section 3). */
export function contextSpecs({ company }: ServerConfig, car: CarConfig): ContextSpec[] {
  return car.modules.map(({ id, libPath, parameters, waitTimeoutMs }) => {
    const named = new Map([["company_name", company], ["car_name", car.name], ...parameters]);
    return {
      company,
      car: car.name,
      module: id,
      libPath,
      parameters: [...named],
      waitTimeoutMs,
    };
  });
}
