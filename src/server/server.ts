// The server: all cars of the configuration with their transports and modules; starts them
// together, and stops them in order [STOP-ORDER].
import { Car, type CarSnapshot, sessionIdOf, type Turn } from "../car/mod.ts";
import {
  type CarConfig,
  type ConfigDifference,
  reconnects,
  type ServerConfig,
} from "../config/mod.ts";
import type { CarTransport } from "../transport/mod.ts";
import type { Log } from "../log/mod.ts";
import { type ContextHostKind, loadErrorLines } from "../module/mod.ts";
import { type Clock, firstOf, systemClock, within } from "../time/mod.ts";
import { contextSpecs, hasOtherSettings, messageLimits, sessionSettings } from "./car_settings.ts";
import { ChangeRefusedError, ServerStartError } from "./errors.ts";
import type { ServerSubscriber } from "./host_losses.ts";
import type { Host, HostEvents } from "./hosts.ts";
import type { OpenWatch } from "./contexts.ts";
import type { MissingModules } from "./supervision/state.ts";
import { type HostPlacement, Supervisor } from "./supervisor.ts";

/** The parts of a server. */
export interface ServerOptions {
  readonly config: ServerConfig;
  readonly log: Log;
  /** Makes the transport of a car. */
  readonly createTransport: (car: CarConfig, config: ServerConfig) => CarTransport;
  /** Starts a module host with the settings of a configuration. */
  readonly startHost: (
    events: HostEvents,
    config: ServerConfig,
    kind: ContextHostKind,
  ) => Promise<Host>;
  /** Maximum number of contexts per host. */
  readonly contextsPerHost: number;
  /** @default {systemClock} */
  readonly clock?: Clock;
  /** Whether an operator has paused a car, perhaps before the server started. @default {none is} */
  readonly isPaused?: (car: string) => boolean;
  /** Observes all cars. */
  readonly subscribers?: readonly ServerSubscriber[];
  /** See {@linkcode CarOptions.beforeAnswer}. */
  readonly beforeAnswer?: (send: () => void) => void;
  /** Serves only the cars that {@linkcode Server.add} names. @default {false} */
  readonly shared?: boolean;
}

/** The server as plain data. */
export interface ServerSnapshot {
  readonly cars: readonly CarSnapshot[];
  readonly hosts: readonly HostPlacement[];
  /** Hosts that were lost since the server started. */
  readonly hostsLost: number;
}

/**
 * How long the start waits for libraries to be loaded, in milliseconds: so that one that cannot be
 * loaded is known before any car is served, even on a machine that is busy starting hundreds.
 */
const LOAD_GATE_MS = 10_000;
/** How long cars wait for each other's `init` after that, in milliseconds. */
const START_GATE_MS = 3000;

/** How long a reload waits for libraries, in milliseconds; cars do not wait. */
const CHANGE_GATE_MS = 10_000;

/**
 * Reconnects are spread out by this many milliseconds per car, and over at most the second value
 * altogether: for brokers, checking passwords and certificates takes time.
 */
const RECONNECT_SPREAD_MS = 20;
const MAX_RECONNECT_SPREAD_MS = 10_000;

/** A car that a change adds, or whose modules it replaces. */
interface Change {
  readonly config: CarConfig;
  readonly car: Car;
}

/** Serves the cars of one company. */
export class Server {
  readonly #options: ServerOptions;
  readonly #supervisor: Supervisor;
  readonly #clock: Clock;
  /** By name, in the order of the document. */
  #cars: ReadonlyMap<string, Car>;
  #config: ServerConfig;
  /** With the cars that are served only; `null`: to be made. */
  #served: ServerConfig | null = null;
  /** The configuration for new hosts while a change is tried. */
  #coming: ServerConfig | null = null;
  #serving = false;
  #stopped = false;
  readonly #stopAsked = Promise.withResolvers<void>();
  /** The change in progress; never rejects. */
  #changing: Promise<void> = Promise.resolve();

  constructor(options: ServerOptions) {
    this.#options = options;
    const { config, log, startHost, contextsPerHost, clock = systemClock } = options;
    this.#clock = clock;
    this.#config = config;
    this.#supervisor = new Supervisor({
      startHost: (events, kind) => startHost(events, this.#coming ?? this.#config, kind),
      log,
      contextsPerHost,
      clock,
      onHostLost: (loss) => {
        for (const subscriber of options.subscribers ?? []) subscriber.onHostLost?.(loss);
      },
    });
    const cars = options.shared ? [] : config.cars;
    this.#cars = new Map(cars.map((car) => [car.name, this.#createCar(car, config)]));
  }

  /**
   * Opens the modules of every car, then connects the cars; does not wait for the broker.
   *
   * @throws {ServerStartError} when libraries cannot be loaded; everything has been undone.
   */
  async start(): Promise<void> {
    const { log, config } = this.#options;
    const found: Error[] = [];
    const loaded: Promise<void>[] = [];
    const opened: Promise<void>[] = [];
    for (const carConfig of this.config.cars) {
      const car = this.#cars.get(carConfig.name);
      if (car === undefined) continue;
      const { promise, resolve: onLoaded } = Promise.withResolvers<void>();
      const onUnusable = (error: Error) => found.push(error);
      const specs = contextSpecs(config, carConfig);
      opened.push(this.#supervisor.add(car, specs, { onUnusable, onLoaded }));
      loaded.push(promise);
    }
    await within(Promise.all(loaded), LOAD_GATE_MS, this.#clock);
    await within(Promise.all(opened), START_GATE_MS, this.#clock);
    if (found.length > 0) {
      await this.stop();
      throw new ServerStartError(found);
    }
    if (this.#stopped) return;
    for (const car of this.#cars.values()) this.#startCar(car);
    this.#serving = true;
    if (this.#options.shared) return;
    const { length } = config.cars;
    log.info(() => `Serving ${length} ${length === 1 ? "car" : "cars"} of ${config.company}`);
  }

  /**
   * Ends every session, leaves the broker, destroys contexts, stops hosts; all cars in parallel.
   * Never rejects. A start in progress ends without connecting cars, and a change in progress is
   * aborted.
   */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#stopAsked.resolve();
    await Promise.all([
      this.#changing,
      ...[...this.#cars.values()].map((car) => this.#stopCar(car)),
    ]);
    await this.#supervisor.stop();
  }

  /**
   * Changes to another configuration, touching only what differs. Opens new contexts first; only
   * when all libraries are usable, the rest follows: cars are added, removed (in order), given
   * their new contexts (their sessions end as `module_lost`) or settings (their sessions go on), or
   * reconnected to the broker (`broker_lost`, spread over at most 10 s).
   *
   * @param difference between the current configuration and `next`
   * @param onSwitch called once nothing can fail, before the first car is changed
   * @throws {ChangeRefusedError} when a library cannot be loaded, another change is in progress, or
   * the server is starting or stopping; nothing has changed then.
   */
  async change(
    next: ServerConfig,
    difference: ConfigDifference,
    onSwitch: () => void = () => {},
  ): Promise<void> {
    if (!this.#serving || this.#stopped) {
      const what = this.#stopped ? "stopping" : "starting";
      throw new ChangeRefusedError([`The server is ${what}`]);
    }
    if (this.#coming !== null) throw new ChangeRefusedError(["Another change is in progress"]);
    this.#coming = next;
    const work = this.#change(next, difference, onSwitch);
    this.#changing = work.catch(() => {});
    try {
      await work;
    } finally {
      this.#coming = null;
    }
  }

  /** The current configuration, of a server that shares its cars with the cars that it serves. */
  get config(): ServerConfig {
    if (!this.#options.shared) return this.#config;
    return this.#served ??= {
      ...this.#config,
      cars: this.#config.cars.filter(({ name }) => this.#cars.has(name)),
    };
  }

  /** The current configuration with all cars. */
  get configured(): ServerConfig {
    return this.#config;
  }

  /**
   * Serves one more car of the configuration, which other servers may have served before. Its contexts
   * are opened meanwhile.
   *
   * @returns undefined when the configuration has no such car, it is served already, or the server is
   * not serving
   */
  async add(name: string): Promise<Car | undefined> {
    await this.#changing;
    const config = this.#config.cars.find((car) => car.name === name);
    if (config === undefined || this.#cars.has(name) || !this.#serving || this.#stopped) return;
    const car = this.#createCar(config, this.#config);
    this.#take(new Map([...this.#cars, [name, car]]));
    void this.#supervisor.add(car, contextSpecs(this.#config, config), {}, true);
    car.start();
    return car;
  }

  /**
   * Forgets a car that another server serves from now on: its gateway is told nothing. Resolves when
   * its contexts are gone. Never rejects.
   */
  async remove(car: Car): Promise<void> {
    if (this.#cars.get(car.name) === car) {
      const { name } = car;
      this.#take(new Map([...this.#cars].filter(([one]) => one !== name)));
    }
    // It has no session and no broker any more.
    await this.#stopCar(car);
  }

  /** The car of that name, for operators. */
  car(name: string): Car | undefined {
    return this.#cars.get(name);
  }

  /** What a car lacks; `null` when it has all its module contexts. */
  missingModules(car: string): MissingModules | null {
    return this.#supervisor.missingModules(car);
  }

  /** Cars and hosts as plain data. */
  snapshot(): ServerSnapshot {
    return {
      cars: [...this.#cars.values()].map((car) => car.snapshot()),
      hosts: this.#supervisor.snapshot(),
      hostsLost: this.#supervisor.hostsLost,
    };
  }

  #take(cars: ReadonlyMap<string, Car>): void {
    this.#cars = cars;
    this.#served = null;
  }

  async #change(
    next: ServerConfig,
    difference: ConfigDifference,
    onSwitch: () => void,
  ): Promise<void> {
    const isAdded = new Set(difference.added);
    const isChanged = new Set(difference.changed.map(({ car }) => car));
    const added = new Map<string, Change>();
    const changed = new Map<string, Change>();
    for (const config of next.cars) {
      const { name } = config;
      const car = this.#cars.get(name);
      if (isAdded.has(name) && !this.#options.shared) {
        added.set(name, { config, car: this.#createCar(config, next) });
      } else if (isChanged.has(name) && car !== undefined) changed.set(name, { config, car });
    }
    await this.#prove(next, [...added.values()], [...changed.values()]);

    onSwitch();
    const before = this.#config;
    const cars = this.#cars;
    this.#config = next;
    const gone = "The configuration no longer has the car";
    const leaving = difference.removed.map((name) => this.#stopCar(cars.get(name), gone));
    this.#take(
      new Map(next.cars.flatMap(({ name }) => {
        const car = added.get(name)?.car ?? cars.get(name);
        return car === undefined ? [] : [[name, car]];
      })),
    );
    for (const { config, car } of changed.values()) {
      car.releaseModules("Its modules were reconfigured");
      configure(car, next, config);
      leaving.push(this.#supervisor.takeOver(car));
    }
    this.#configureOthers(before, next, difference, changed);
    for (const { car } of added.values()) this.#startCar(car);
    await Promise.all(leaving);
  }

  /** Opens contexts; destroys them again when a library is unusable or the server stops. */
  async #prove(
    next: ServerConfig,
    added: readonly Change[],
    changed: readonly Change[],
  ): Promise<void> {
    const supervisor = this.#supervisor;
    const found: Error[] = [];
    const watch: OpenWatch = { onUnusable: (error) => found.push(error) };
    const opened = [
      ...added.map(({ config, car }) =>
        supervisor.add(car, contextSpecs(next, config), watch, true)
      ),
      ...changed.map(({ config, car }) =>
        supervisor.prepare(car, contextSpecs(next, config), watch)
      ),
    ];
    const end = firstOf<unknown>(Promise.all(opened), this.#stopAsked.promise);
    await within(end, CHANGE_GATE_MS, this.#clock);
    if (found.length === 0 && !this.#stopped) return;
    await Promise.all([
      ...added.map(({ car }) => supervisor.remove(car)),
      ...changed.map(({ car }) => supervisor.giveUp(car)),
    ]);
    if (this.#stopped) throw new ChangeRefusedError(["The server is stopping"]);
    const problems = loadErrorLines(found);
    throw new ChangeRefusedError(problems, { cause: found[0] });
  }

  /** Cars whose modules stay: new settings take effect at once, another broker soon. */
  #configureOthers(
    before: ServerConfig,
    next: ServerConfig,
    difference: ConfigDifference,
    changed: ReadonlyMap<string, Change>,
  ): void {
    const added = new Set(difference.added);
    const kept = next.cars.filter(({ name }) => !added.has(name));
    const carsBefore = new Map(before.cars.map((car) => [car.name, car]));
    const reconnecting = reconnects(difference);
    const spreadMs = Math.min(MAX_RECONNECT_SPREAD_MS, kept.length * RECONNECT_SPREAD_MS);
    for (const config of kept) {
      const car = this.#cars.get(config.name);
      if (car === undefined) continue;
      const old = carsBefore.get(config.name) ?? config;
      if (!changed.has(config.name) && hasOtherSettings([before, old], [next, config])) {
        configure(car, next, config);
      }
      if (reconnecting) car.reconnect("The configuration names another broker or login", spreadMs);
    }
  }

  #createCar(carConfig: CarConfig, config: ServerConfig): Car {
    const { log, createTransport, subscribers = [] } = this.#options;
    const onTurn = ({ before, after }: Turn) => {
      if (before.kind === after.kind) return;
      const isActive = sessionIdOf(after) !== null;
      if (isActive !== (sessionIdOf(before) !== null)) this.#supervisor.onSession(car, isActive);
    };
    const car = new Car({
      settings: sessionSettings(config, carConfig),
      transport: createTransport(carConfig, config),
      maxMessageBytes: config.limits.maxMessageBytes,
      log,
      clock: this.#clock,
      subscribers: [{ onTurn }, ...subscribers],
      beforeAnswer: this.#options.beforeAnswer,
    });
    return car;
  }

  #startCar(car: Car): void {
    if (this.#options.isPaused?.(car.name)) car.pause();
    car.start();
  }

  async #stopCar(car: Car | undefined, why?: string): Promise<void> {
    if (car === undefined) return;
    await car.stop(why);
    await this.#supervisor.remove(car);
  }
}

function configure(car: Car, config: ServerConfig, carConfig: CarConfig): void {
  car.configure(sessionSettings(config, carConfig), messageLimits(config));
}
