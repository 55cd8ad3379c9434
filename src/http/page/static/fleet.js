// @ts-check
// What the page knows of the fleet, kept up to date by the server's events.
import { History, SECONDS } from "./chart.js";

/** @typedef {import("../../api/schemas.ts").CarRates} CarRates */
/** @typedef {import("../../api/schemas.ts").CarSummary} CarSummary */
/** @typedef {import("../../api/commands.ts").CommandsEvent} CommandsEvent */
/** @typedef {import("../../api/event_schemas.ts").FleetEvent} FleetEvent */
/** @typedef {import("../../api/schemas.ts").IncidentView} IncidentView */
/** @typedef {import("../../api/event_schemas.ts").RatesEvent} RatesEvent */
/** @typedef {import("../../api/event_schemas.ts").ServerEvent} ServerEvent */

/** How many incidents are remembered across cars. */
const LATEST = 3;

/** Changes of commands that are kept until somebody looks; further ones are only counted. */
const MAX_CHANGES = 1000;

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
  /** Cars that have told their position. */
  positions = new Set();
  /** Whether the latest incidents are others. */
  fleetIncidents = false;
  /** Incidents that have begun, nobody has been told of. @type {IncidentView[]} */
  incidents = [];
  /** What became of commands. @type {CommandsEvent["changes"][number][]} */
  commands = [];
  /** Changes of commands that are not known. */
  missedCommands = 0;
}

/** The cars and their last minute. */
export class Fleet {
  company = "";
  /** The server's id in its cluster. @type {string | null} */
  instance = null;
  version = "";
  /** In the order of the configuration. @type {Map<string, CarSummary>} */
  cars = new Map();
  /** @type {Map<string, History>} */
  histories = new Map();
  /** @type {CarRates} */
  rates = NOTHING;
  /** Incidents, those that go on first, then the newest. @type {IncidentView[]} */
  latest = [];
  /** What positions are shown on. */
  map = { tiles: "", attribution: "" };
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
    this.#aheadMs = event.at - Date.now();
    switch (event.type) {
      case "fleet":
        return this.#replace(event);
      case "car":
        return this.#change(event.car);
      case "rates":
        return this.#second(event);
      case "commands":
        return this.#tellCommands(event);
      case "incident":
        if (event.change === "began") this.changes.incidents.push(event.incident);
        this.changes.fleetIncidents = true;
        this.#remember([event.incident]);
    }
  }

  /** @param {CommandsEvent} event */
  #tellCommands({ changes, missed }) {
    const { commands } = this.changes;
    const taken = changes.slice(0, Math.max(0, MAX_CHANGES - commands.length));
    commands.push(...taken);
    this.changes.missedCommands += missed + changes.length - taken.length;
  }

  /** @param {FleetEvent} event */
  #replace(event) {
    this.company = event.company;
    this.instance = event.instance;
    this.version = event.version;
    this.map = event.map;
    const { cars, histories } = this;
    this.cars = new Map();
    this.histories = new Map();
    this.changes.fleetIncidents = true;
    const known = this.latest;
    this.latest = [];
    this.#remember(event.openIncidents);
    // While the connection was lost, incidents may have begun.
    if (cars.size > 0) {
      const isKnown = new Set(known.map(({ id }) => id));
      this.changes.incidents.push(...this.latest.filter(({ id }) => !isKnown.has(id)));
    }
    for (const car of event.cars) {
      this.cars.set(car.car, car);
      this.histories.set(car.car, histories.get(car.car) ?? new History());
    }
    this.changes.fleet = true;
  }

  /** @param {CarSummary} car */
  #change(car) {
    if (!this.cars.has(car.car)) return;
    this.cars.set(car.car, car);
    this.changes.cars.add(car.car);
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
      const heardAt = event.heardAt[name];
      const position = event.positions[name];
      if (position !== undefined) this.changes.positions.add(name);
      const isQuiet = rates === undefined && car.rates.statuses === 0 && car.rates.commands === 0;
      if (!isQuiet) this.changes.ratesOf.add(name);
      if (isQuiet && heardAt === undefined && position === undefined) continue;
      this.cars.set(name, {
        ...car,
        lastMessageAt: heardAt ?? car.lastMessageAt,
        position: position ?? car.position,
        rates: rates ?? NOTHING,
      });
    }
  }

  /** @param {readonly IncidentView[]} incidents */
  #remember(incidents) {
    const isNew = new Set(incidents.map(({ id }) => id));
    const others = this.latest.filter(({ id }) => !isNew.has(id));
    this.latest = [...others, ...incidents]
      .sort((a, b) => Number(a.endedAt !== null) - Number(b.endedAt !== null) || b.id - a.id)
      .slice(0, LATEST);
  }
}
