// @ts-check
// What the page knows of the fleet, kept up to date by the server's events.
import { History, SECONDS } from "./chart.js";

/** @typedef {import("../../api/schemas.ts").CarRates} CarRates */
/** @typedef {import("../../api/schemas.ts").CarSummary} CarSummary */
/** @typedef {import("../../api/schemas.ts").FailureView} FailureView */
/** @typedef {import("../../api/schemas.ts").FleetEvent} FleetEvent */
/** @typedef {import("../../api/schemas.ts").RatesEvent} RatesEvent */
/** @typedef {import("../../api/schemas.ts").ServerEvent} ServerEvent */
/** @typedef {{car: string, failure: FailureView}} CarFailure */

/** How many failures are remembered across cars. */
const LATEST = 3;

/** @type {CarRates} */
const NOTHING = { statuses: 0, commands: 0, responseMeanMs: null, responseMaxMs: null };

/** What has changed since somebody looked; bounded by the number of cars. */
export class Changes {
  /** Which cars there are. */
  fleet = false;
  /** Cars whose row says something else. */
  cars = new Set();
  /** Another second has passed. */
  rates = false;
  /** Cars whose rates are others. */
  ratesOf = new Set();
  /** Failures nobody has been told of, by car. @type {Map<string, FailureView>} */
  failures = new Map();
}

/** The cars and their last minute. */
export class Fleet {
  company = "";
  version = "";
  /** In the order of the configuration. @type {Map<string, CarSummary>} */
  cars = new Map();
  /** @type {Map<string, History>} */
  histories = new Map();
  /** @type {CarRates} */
  rates = NOTHING;
  /** The newest first. @type {CarFailure[]} */
  latest = [];
  changes = new Changes();
  /** By how much the server's clock is ahead of this one. */
  #aheadMs = 0;
  #ratesAt = 0;

  /** The time by the server's clock. */
  now() {
    return Date.now() + this.#aheadMs;
  }

  /** Hands over what has changed, and starts anew. */
  takeChanges() {
    const { changes } = this;
    this.changes = new Changes();
    return changes;
  }

  /** @param {ServerEvent} event */
  apply(event) {
    if (event.type !== "failure") this.#aheadMs = event.at - Date.now();
    switch (event.type) {
      case "fleet":
        return this.#replace(event);
      case "car":
        return this.#change(event.car);
      case "rates":
        return this.#second(event);
      case "failure": {
        const car = this.cars.get(event.car);
        if (car === undefined) return;
        this.#change({ ...car, lastFailure: event.failure });
      }
    }
  }

  /** @param {FleetEvent} event */
  #replace(event) {
    this.company = event.company;
    this.version = event.version;
    const { cars, histories } = this;
    const first = cars.size === 0;
    this.cars = new Map();
    this.histories = new Map();
    this.latest = [];
    for (const car of event.cars) {
      this.cars.set(car.car, car);
      this.histories.set(car.car, histories.get(car.car) ?? new History());
      // While the connection was lost, cars may have failed.
      this.#remember(car, first ? car : cars.get(car.car));
    }
    this.changes.fleet = true;
  }

  /** @param {CarSummary} car */
  #change(car) {
    const before = this.cars.get(car.car);
    if (before === undefined) return;
    this.cars.set(car.car, car);
    this.changes.cars.add(car.car);
    this.#remember(car, before);
  }

  /** @param {RatesEvent} event */
  #second(event) {
    const missed = this.#ratesAt === 0 ? 0 : Math.round((event.at - this.#ratesAt) / 1000) - 1;
    this.#ratesAt = event.at;
    this.rates = event.fleet;
    this.changes.rates = true;
    for (const [name, car] of this.cars) {
      const rates = event.cars[name];
      const history = this.histories.get(name);
      for (let second = 0; second < Math.min(missed, SECONDS); second++) history?.add(undefined);
      history?.add(rates);
      if (rates === undefined && car.rates.statuses === 0 && car.rates.commands === 0) continue;
      this.cars.set(name, { ...car, rates: rates ?? NOTHING });
      this.changes.ratesOf.add(name);
    }
  }

  /**
   * Whichever event brings a failure first: it is news once.
   *
   * @param {CarSummary} car
   * @param {CarSummary | undefined} before
   */
  #remember({ car, lastFailure: failure }, before) {
    if (failure === null) return;
    if (failure.at > (before?.lastFailure?.at ?? 0)) this.changes.failures.set(car, failure);
    const others = this.latest.filter((other) => other.car !== car);
    this.latest = [...others, { car, failure }]
      .sort((a, b) => b.failure.at - a.failure.at)
      .slice(0, LATEST);
  }
}
