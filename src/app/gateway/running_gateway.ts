// A Module Gateway that runs as its configuration says, and as another one says after a reload.
import { compareGateways, type GatewayConfig } from "../../config/mod.ts";
import type { Log } from "../../log/mod.ts";
import {
  type GatewayTurnSubscriber,
  ModuleGateway,
  type ModuleGatewaySnapshot,
} from "../../module_gateway/mod.ts";
import type { GatewayModule, HostedModuleSnapshot } from "../../module/mod.ts";
import { type Clock, systemClock } from "../../time/mod.ts";
import {
  type ModuleOrder,
  ModuleSlots,
  type PreparedModules,
  type StartModule,
} from "./module_slots.ts";
import { listenAddresses } from "../../internal_server/mod.ts";
import { internalServerSettings } from "./settings.ts";

export interface RunningGatewayOptions {
  readonly config: GatewayConfig;
  readonly startModule: StartModule;
  readonly log: Log;
  readonly clock?: Clock;
  /** Those of every gateway that is made. */
  readonly subscribers?: readonly GatewayTurnSubscriber[];
}

/** What a change has done. */
export interface GatewayChange {
  /** Modules that were started, and have taken over. */
  readonly modules: readonly number[];
  /** Whether devices and sessions have to connect again. */
  readonly reconnected: boolean;
}

/** The gateway and its modules. */
export class RunningGateway {
  readonly #options: RunningGatewayOptions;
  readonly #slots: ModuleSlots;
  #config: GatewayConfig;
  #gateway: ModuleGateway | null = null;
  /** What the system chose, to be used again. */
  #port = 0;

  constructor(options: RunningGatewayOptions) {
    const { config, startModule, log, clock = systemClock } = options;
    this.#options = options;
    this.#config = config;
    this.#slots = new ModuleSlots(startModule, log, clock);
  }

  /** What it runs with. */
  get config(): GatewayConfig {
    return this.#config;
  }

  /** The gateway as plain data; null while there is none. */
  snapshot(): ModuleGatewaySnapshot | null {
    return this.#gateway?.snapshot() ?? null;
  }

  moduleSnapshots(): readonly HostedModuleSnapshot[] {
    return this.#slots.snapshots();
  }

  /** Where devices connect. */
  get addresses(): readonly Deno.Addr[] {
    return this.#gateway?.addresses ?? [];
  }

  /**
   * Starts the modules, then listens for devices.
   *
   * @throws {AggregateError} with the reasons of modules that cannot be started.
   * @throws {ListenError | TlsFileError} when an address cannot be had.
   */
  async start(): Promise<void> {
    const { log } = this.#options;
    const prepared = await this.#slots.prepare(ordersOf(this.#config));
    prepared.commit();
    try {
      this.#gateway = await this.#open(this.#config, this.#slots.modules);
    } catch (error) {
      await this.#slots.stop();
      throw error;
    }
    const where = this.addresses.map(addressText).join(" and ");
    const { length } = this.#config.modules;
    log.info(() => `Serving devices of ${length} module${length === 1 ? "" : "s"} on ${where}`);
  }

  /** Leaves the brokers, closes the connections of devices, and ends the modules. Never rejects. */
  async stop(): Promise<void> {
    await this.#gateway?.stop();
    this.#gateway = null;
    await this.#slots.stop();
  }

  /**
   * Changes what differs: modules are replaced one by one, and only settings that concern the
   * listeners or the cloud make devices and sessions connect again.
   *
   * @throws as {@linkcode start}; then everything is as before.
   */
  async change(next: GatewayConfig): Promise<GatewayChange> {
    const gateway = this.#gateway;
    const difference = compareGateways(this.#config, next);
    const prepared = await this.#slots.prepare(ordersOf(next));
    const reconnects = gateway === null || prepared.isOtherSet ||
      difference.some(({ takes }) => takes === "reconnect");
    if (reconnects) await this.#replace(next, prepared);
    else gateway.configure(internalServerSettings(next.internalServer));
    prepared.commit();
    this.#config = next;
    return { modules: prepared.started, reconnected: reconnects };
  }

  /** Both cannot listen at once, and brokers know only one of a name. */
  async #replace(
    next: GatewayConfig,
    prepared: PreparedModules,
  ): Promise<void> {
    const gateway = this.#gateway;
    this.#gateway = null;
    await gateway?.stop();
    try {
      this.#gateway = await this.#open(next, prepared.modules);
    } catch (error) {
      await prepared.discard();
      this.#gateway = await this.#open(this.#config, this.#slots.modules);
      throw error;
    }
  }

  async #open(
    config: GatewayConfig,
    modules: ReadonlyMap<number, GatewayModule>,
  ): Promise<ModuleGateway> {
    const { log, clock, subscribers = [] } = this.#options;
    const { company, car, endpoints, history } = config;
    const gateway = new ModuleGateway({
      company,
      car,
      modules,
      endpoints,
      listen: listenAddresses(config.internalServer, this.#port),
      internalServer: internalServerSettings(config.internalServer),
      log,
      subscribers,
      ...(history === undefined ? {} : { history }),
      ...(clock === undefined ? {} : { clock }),
    });
    try {
      await gateway.start();
      const [tcp] = gateway.addresses;
      if (tcp !== undefined && "port" in tcp) this.#port = tcp.port;
      return gateway;
    } catch (error) {
      await gateway.stop();
      throw error;
    }
  }
}

/** Some supported runtimes do not say the transport of a TLS listener. */
function addressText(address: Deno.Addr): string {
  if ("hostname" in address) return `${address.hostname}:${address.port}`;
  return "path" in address ? address.path : address.transport;
}

function ordersOf({ modules, moduleLimits }: GatewayConfig): ModuleOrder[] {
  return modules.map((module) => ({ ...module, limits: moduleLimits }));
}
