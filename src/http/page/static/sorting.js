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

const NAMES = new Intl.Collator(undefined, { numeric: true });

/**
 * A comparison by a column, and by name where that is equal.
 *
 * @param {string} sort
 * @param {boolean} down
 * @returns {(a: CarSummary, b: CarSummary) => number}
 */
export function compareBy(sort, down) {
  const column = COLUMNS.find(({ key }) => key === sort) ??
    /** @type {Column} */ (COLUMNS.find(({ key }) => key === DEFAULT_SORT));
  const sign = down ? -1 : 1;
  return (a, b) => {
    const [left, right] = [column.by(a), column.by(b)];
    const order = typeof left === "number" && typeof right === "number"
      ? left - right
      : NAMES.compare(String(left), String(right));
    return order === 0 ? NAMES.compare(a.car, b.car) : sign * order;
  };
}
