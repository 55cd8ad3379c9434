// Observes all cars, and keeps their recent history for operators; exists only while HTTP is on.
import type { Turn, TurnSubscriber } from "../car/mod.ts";
import { type Clock, systemClock, type TimerHandle } from "../time/mod.ts";
import { addSeconds, CarRecord, QUIET, type SecondOfCar } from "./car_record.ts";

/** How long changes are collected before listeners are told, in milliseconds. */
const GATHER_MS = 100;

/** Counts of one second, of all cars. */
export interface SecondOfFleet {
  readonly fleet: SecondOfCar;
  /** Cars with any. */
  readonly cars: ReadonlyMap<string, SecondOfCar>;
}

/** Callbacks for live views. None of these may throw. */
export interface FleetListener {
  /** The rows of these cars may have changed. */
  onChanged(cars: readonly string[]): void;
  /** Each of these cars has a new newest failure. */
  onFailed(cars: readonly string[]): void;
  onSecond(second: SecondOfFleet): void;
}

/** The history of all cars. */
export class FleetWatch implements TurnSubscriber {
  readonly #clock: Clock;
  readonly #records = new Map<string, CarRecord>();
  readonly #listeners = new Set<FleetListener>();
  readonly #changed = new Set<string>();
  readonly #failed = new Set<string>();
  #gather: TimerHandle | null = null;
  #ticker: TimerHandle | null = null;
  #second: SecondOfFleet = { fleet: QUIET, cars: new Map() };

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  /**
   * Starts counting per second.
   *
   * @param isServed Whether the server has a car of that name; the others are forgotten.
   */
  start(isServed: (car: string) => boolean): void {
    this.#ticker = this.#clock.set(() => {
      this.start(isServed);
      this.#tick(isServed);
    }, 1000);
  }

  /** Stops counting and calling listeners. */
  stop(): void {
    for (const timer of [this.#ticker, this.#gather]) if (timer !== null) this.#clock.clear(timer);
    this.#ticker = this.#gather = null;
    this.#listeners.clear();
  }

  /** The history of one car. */
  record(car: string): CarRecord {
    let record = this.#records.get(car);
    if (record === undefined) this.#records.set(car, record = new CarRecord(this.#clock));
    return record;
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

  /** See {@linkcode TurnSubscriber}. */
  onTurn(turn: Turn): void {
    const { car, effects } = turn;
    if (!this.record(car).onTurn(turn)) return;
    if (effects.some(({ type }) => type === "ended")) this.#failed.add(car);
    this.#change(car);
  }

  #change(car: string): void {
    if (this.#listeners.size === 0) {
      this.#failed.clear();
      return;
    }
    this.#changed.add(car);
    this.#gather ??= this.#clock.set(() => this.#tell(), GATHER_MS);
  }

  #tell(): void {
    this.#gather = null;
    const changed = [...this.#changed];
    const failed = [...this.#failed];
    this.#changed.clear();
    this.#failed.clear();
    for (const listener of [...this.#listeners]) {
      if (failed.length > 0) listener.onFailed(failed);
      listener.onChanged(changed);
    }
  }

  #tick(isServed: (car: string) => boolean): void {
    const cars = new Map<string, SecondOfCar>();
    for (const [car, record] of this.#records) {
      if (!isServed(car)) {
        this.#records.delete(car);
        continue;
      }
      const second = record.second();
      if (second !== QUIET) cars.set(car, second);
    }
    this.#second = { fleet: addSeconds(cars.values()), cars };
    for (const listener of [...this.#listeners]) listener.onSecond(this.#second);
  }
}
