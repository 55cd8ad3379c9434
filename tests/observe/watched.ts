// A server of cars without broker, modules and gateways, and what its operators learn of it.
import { Car } from "../../src/car/car.ts";
import { FleetWatch } from "../../src/observe/fleet_watch.ts";
import type { Cause, Health, Thresholds } from "../../src/observe/health/health.ts";
import type { IncidentChange } from "../../src/observe/health/incident.ts";
import type { MissingModules } from "../../src/server/supervision/state.ts";
import { documented, load } from "../config/support.ts";
import { CarFixture } from "../car/car_fixture.ts";
import type { StateDirectory } from "../../src/state/state_directory.ts";
import { ListLog } from "../support/list_log.ts";
import { VirtualClock } from "../support/virtual_clock.ts";

/** Cars by name, and the watch that looks on; the watch has started. */
export class Watched {
  readonly clock: VirtualClock;
  readonly watch: FleetWatch;
  readonly changes: IncidentChange[] = [];
  readonly missing = new Map<string, MissingModules>();
  readonly #cars = new Map<string, CarFixture>();

  constructor(
    names: readonly string[] = ["car_a"],
    health: Partial<Thresholds> = {},
    watch: FleetWatch | undefined = undefined,
    clock = new VirtualClock(),
  ) {
    this.clock = clock;
    watch = this.watch = watch ?? new FleetWatch(clock);
    const { health: usual, map } = load(documented()).config;
    for (const car of names) {
      const fixture = new CarFixture({ clock, settings: { car }, subscribers: [watch] });
      this.#cars.set(car, fixture);
    }
    watch.listenToIncidents({ onIncident: (change) => this.changes.push(change) });
    watch.start({
      config: { health: { ...usual, ...health }, map, cars: names.map((name) => ({ name })) },
      car: (name): Car | undefined => this.#cars.get(name)?.car,
      missingModules: (name) => this.missing.get(name) ?? null,
    });
  }

  /** The same with what an earlier one has kept, until it is stopped. */
  static async keeping(
    directory: StateDirectory,
    clock: VirtualClock,
    names?: readonly string[],
  ): Promise<Watched> {
    const watch = new FleetWatch(clock);
    await watch.load(directory, new ListLog());
    return new Watched(names, {}, watch, clock);
  }

  /** Ends as a server does: first the watch, then the cars. */
  async stop(): Promise<void> {
    await this.watch.stop();
    for (const { car } of this.#cars.values()) await car.stop();
  }

  car(name = "car_a"): CarFixture {
    const car = this.#cars.get(name);
    if (car === undefined) throw new Error(`There is no car "${name}"`);
    return car;
  }

  health(name = "car_a"): Health {
    return this.watch.healthOf(name);
  }

  /** The only cause of a car. */
  cause(name = "car_a"): Cause | undefined {
    const { causes } = this.health(name);
    if (causes.length > 1) throw new Error(`${name} has ${causes.length} causes`);
    return causes[0];
  }

  /** What was told of incidents, as `began broker_away`. */
  get told(): string[] {
    return this.changes.filter(({ kind }) => kind !== "changed")
      .map(({ kind, incident }) => `${kind} ${incident.code}`);
  }
}
