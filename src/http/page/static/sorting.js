// @ts-check
// The columns of the table, and how cars are sorted by them.
import { rankOf } from "./car_condition.js";

/** @typedef {import("../../api/schemas.ts").CarSummary} CarSummary */
/**
 * @typedef {object} Column
 * @property {string} key
 * @property {string} word
 * @property {string} name the class of its cells
 * @property {boolean} [restless] whether it changes every second
 * @property {(car: CarSummary) => number | string} by what "ascending" goes by
 */

/** @type {readonly Column[]} */
export const COLUMNS = [
  { key: "car", word: "Car", name: "car", by: (car) => car.car },
  { key: "state", word: "State", name: "state", by: rankOf },
  { key: "since", word: "For", name: "age", by: (car) => -car.since },
  {
    key: "heard",
    word: "Heard",
    name: "heard",
    restless: true,
    by: (car) => car.lastMessageAt ?? 0,
  },
  { key: "devices", word: "Devices", name: "devices number", by: (car) => car.connectedDevices },
  {
    key: "rate",
    word: "Statuses/s",
    name: "rate number",
    restless: true,
    by: (car) => -car.rates.statuses,
  },
  {
    key: "response",
    word: "Response, 60 s",
    name: "response number",
    restless: true,
    by: (car) => -(car.rates.responseMeanMs ?? -1),
  },
  {
    key: "trouble",
    word: "What is wrong",
    name: "trouble",
    by: (car) => -(car.health.causes[0]?.since ?? car.lastIncident?.beganAt ?? 0),
  },
];

/** Cars that need attention come first. */
export const DEFAULT_SORT = "state";

/**
 * Cars in the order of a column, and by name where that is equal.
 *
 * @param {readonly CarSummary[]} cars
 * @param {string} sort
 * @param {boolean} down
 */
export function sorted(cars, sort, down) {
  const column = COLUMNS.find(({ key }) => key === sort) ??
    /** @type {Column} */ (COLUMNS.find(({ key }) => key === DEFAULT_SORT));
  const sign = down ? -1 : 1;
  const keyed = cars.map((car) => {
    const by = column.by(car);
    return { car, by: typeof by === "number" ? by : nameKey(by), name: nameKey(car.car) };
  });
  keyed.sort((a, b) => sign * compare(a.by, b.by) || compare(a.name, b.name));
  return keyed.map(({ car }) => car);
}

/**
 * @template {number | string} T
 * @param {T} a
 * @param {T} b
 */
function compare(a, b) {
  return a < b ? -1 : Number(a > b);
}

/**
 * A name by which people count: `car_2` comes before `car_10`. Names of cars are ASCII, so that
 * no collation is needed.
 *
 * @param {string} name
 */
function nameKey(name) {
  return name.replace(/\d+/g, (digits) => digits.padStart(16, "0"));
}
