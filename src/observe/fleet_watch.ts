// Observes all cars, and keeps their recent history and their health for operators; exists only
// while HTTP is on.
import type { Turn } from "../car/mod.ts";
import type { Log } from "../log/mod.ts";
import type { HostLoss, ServerSubscriber } from "../server/mod.ts";
import type { StateDirectory } from "../state/mod.ts";
import { type Clock, every, systemClock, type TimerHandle } from "../time/mod.ts";
import { addSeconds, CarRecord, QUIET, type SecondOfCar, type SeenEvent } from "./car_record.ts";
import { FleetHealth, type WatchedFleet } from "./health/fleet_health.ts";
import type { Position } from "./positions.ts";
import { type Health, type HealthState, levelOf } from "./health/health.ts";
import { History } from "./history/history.ts";
import type {
  Acknowledgment,
  Incident,
  IncidentChange,
  IncidentListener,
} from "./health/incident.ts";
import type { Incidents } from "./health/incidents.ts";
import { IncidentKeeper, type Kept } from "./health/kept_incidents.ts";

/** How long changes are collected before listeners are told, in milliseconds. */
const GATHER_MS = 100;

/** Counts of one second, of all cars. */
export interface SecondOfFleet {
  readonly fleet: SecondOfCar;
  /** Cars with any. */
  readonly cars: ReadonlyMap<string, SecondOfCar>;
  /** When gateways were last heard that were heard in that second, by car. */
  readonly heardAt: ReadonlyMap<string, number>;
  /** Where cars are that told it in that second. */
  readonly positions: ReadonlyMap<string, Position>;
}

/** Callbacks for live views. None of these may throw. */
export interface FleetListener extends IncidentListener {
  /** The rows of these cars may have changed. */
  onChanged(cars: readonly string[]): void;
  onSecond(second: SecondOfFleet): void;
}

/** The history and the health of all cars. */
export class FleetWatch implements ServerSubscriber {
  /** Rates and states of a day, and events of all cars. */
  readonly history: History;
  readonly #clock: Clock;
  readonly #records = new Map<string, CarRecord>();
  readonly #listeners = new Set<FleetListener>();
  readonly #incidentListeners = new Set<IncidentListener>();
  readonly #health = new FleetHealth((change) => this.#tellIncident(change));
  readonly #keeper: IncidentKeeper;
  /** What was kept when it stopped: how cars end with the server says nothing about them. */
  #last: Kept | undefined;
  readonly #changed = new Set<string>();
  #gather: TimerHandle | null = null;
  #stopTicking: () => void = () => {};
  #isStopped = false;
  #heardUntil = 0;
  #second: SecondOfFleet = {
    fleet: QUIET,
    cars: new Map(),
    heardAt: new Map(),
    positions: new Map(),
  };

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
    this.history = new History(clock);
    this.#keeper = new IncidentKeeper(clock);
  }

  /**
   * Reads history and incidents that were kept, and keeps them from now on. Comes before the first
   * turn.
   *
   * @throws {StateError} when they can neither be used nor set aside.
   */
  async load(directory: StateDirectory, log: Log): Promise<void> {
    await this.history.load(directory);
    const kept = await this.#keeper.load(directory, () => this.#kept());
    this.#health.incidents.restore(kept?.incidents ?? [], Math.floor(this.#clock.now()));
    for (const [car, troubles] of Object.entries(kept?.troubles ?? {})) {
      this.record(car).health.restore(troubles);
    }
    const { open } = this.#health.incidents;
    if (open > 0) log.info(`Incidents from before the restart that go on: ${open}`);
  }

  /** Starts counting per second, and judging the health of the cars that the fleet has. */
  start(fleet: WatchedFleet): void {
    this.#health.start(fleet);
    const served = new Set(fleet.config.cars.map(({ name }) => name));
    for (const car of served) this.record(car);
    for (const car of this.#records.keys()) if (!served.has(car)) this.#records.delete(car);
    this.history.forgetOthers(served);
    this.#health.incidents.forgetOthers(served, this.#clock.now());
    this.#stopTicking = every(1000, () => this.#tick(fleet), this.#clock);
  }

  /** Stops counting and calling listeners, and writes what is kept. Never rejects. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#stopTicking();
    if (this.#gather !== null) this.#clock.clear(this.#gather);
    this.#gather = null;
    this.#listeners.clear();
    this.#incidentListeners.clear();
    this.#last = this.#kept();
    await Promise.all([this.history.stop(), this.#keeper.save()]);
  }

  /**
   * Somebody takes care of an incident; resolves when that is kept, if anything is.
   *
   * @returns undefined when there is none of that number
   */
  async acknowledge(id: number, acknowledged: Acknowledgment): Promise<Incident | undefined> {
    const incident = this.incidents.acknowledge(id, acknowledged);
    if (incident !== undefined) await this.#keeper.save();
    return incident;
  }

  /** The history of one car. */
  record(car: string): CarRecord {
    let record = this.#records.get(car);
    if (record === undefined) {
      const onEvent = (event: SeenEvent) => this.history.events.add({ ...event, car });
      this.#records.set(car, record = new CarRecord(this.#clock, onEvent));
    }
    return record;
  }

  /** The health of one car. */
  healthOf(car: string): Health {
    return this.#health.of(car, this.record(car).health, this.#clock.now());
  }

  /** How long ago a car's gateway was heard, in milliseconds; `null`: it never was. */
  lastMessageAgeMs(car: string): number | null {
    const at = this.record(car).health.lastMessageAt;
    return at === null ? null : Math.max(0, this.#clock.now() - at);
  }

  /** How many cars are in a state of health. */
  count(state: HealthState): number {
    let count = 0;
    for (const { health } of this.#records.values()) if (health.state === state) count++;
    return count;
  }

  /** What has gone wrong, by its cause, up to now. */
  get incidents(): Incidents {
    if (this.#changed.size > 0) this.#judge(this.#changed);
    return this.#health.incidents;
  }

  /** Counts of the last full second. */
  get lastSecond(): SecondOfFleet {
    return this.#second;
  }

  /** Adds a listener; the returned function removes it. */
  listen(listener: FleetListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Adds a listener that is told of incidents alone; the returned function removes it. */
  listenToIncidents(listener: IncidentListener): () => void {
    this.#incidentListeners.add(listener);
    return () => void this.#incidentListeners.delete(listener);
  }

  /** See {@linkcode ServerSubscriber}. */
  onTurn(turn: Turn): void {
    if (this.record(turn.car).onTurn(turn)) this.#change(turn.car);
  }

  /** See {@linkcode ServerSubscriber}. */
  onHostLost(loss: HostLoss): void {
    this.#health.hostLost(loss, (car) => this.record(car).health);
    for (const { car } of loss.contexts) this.#change(car);
  }

  #change(car: string): void {
    if (this.#isStopped) return;
    this.#changed.add(car);
    this.#gather ??= this.#clock.set(() => this.#tell(), GATHER_MS);
  }

  #tell(): void {
    this.#gather = null;
    const changed = [...this.#changed];
    this.#changed.clear();
    this.#judge(changed);
    for (const listener of [...this.#listeners]) listener.onChanged(changed);
  }

  #judge(cars: Iterable<string>): void {
    const health = [...cars].map((car) => [car, this.record(car).health] as const);
    this.#health.judge(health, this.#clock.now());
  }

  #tellIncident(change: IncidentChange): void {
    for (const listener of [this.#keeper, ...this.#incidentListeners, ...this.#listeners]) {
      listener.onIncident(change);
    }
  }

  #kept(): Kept {
    if (this.#last !== undefined) return this.#last;
    const troubles: Kept["troubles"] = {};
    for (const [car, { health }] of this.#records) {
      const own = health.keep();
      if (own.length > 0) troubles[car] = own;
    }
    return { incidents: this.incidents.keep(), troubles };
  }

  #tick(fleet: WatchedFleet): void {
    const now = this.#clock.now();
    const cars = new Map<string, SecondOfCar>();
    const heardAt = new Map<string, number>();
    const positions = new Map<string, Position>();
    for (const [car, record] of this.#records) {
      if (fleet.car(car) === undefined) {
        this.#records.delete(car);
        this.#changed.delete(car);
        this.#health.forget(car, now);
        this.history.forget(car);
        continue;
      }
      const second = record.second();
      if (second !== QUIET) cars.set(car, second);
      const { lastMessageAt } = record.health;
      if (lastMessageAt !== null && lastMessageAt >= this.#heardUntil) {
        heardAt.set(car, Math.floor(lastMessageAt));
        const position = record.positions.read(record.devices.lastStatuses(), fleet.config.map);
        if (position !== undefined) positions.set(car, position);
      }
      const { health } = record;
      const hasChanged = health.second(now, fleet.config.health);
      if (this.#health.isOutdated(car, health, now) || hasChanged) this.#change(car);
      this.history.add(car, now, second, levelOf(health.state));
    }
    this.#heardUntil = now;
    for (const { name } of fleet.config.cars) this.record(name);
    this.#judge(this.#records.keys());
    this.#second = { fleet: addSeconds(cars.values()), cars, heardAt, positions };
    this.history.fleet.add(now, this.#second.fleet, this.count("down") + this.count("degraded"));
    for (const listener of [...this.#listeners]) listener.onSecond(this.#second);
  }
}
