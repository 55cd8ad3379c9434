// @ts-check
/// <reference lib="dom" />
// A car as a row of the table. It touches only what says something else than before.
import { pauseText } from "./actions.js";
import { Chart } from "./chart.js";
import { make, makeIcon, setAttribute, setText } from "./dom.js";
import { formatAge, formatCount, formatMs, formatSilence, formatTime } from "./format.js";
import { conditionOf, CONDITIONS, hasIncident, troubleText } from "./car_condition.js";

/** @typedef {import("../../api/schemas.ts").CarSummary} CarSummary */

/** The row of one car. */
export class Row {
  #icon = makeIcon("waiting");
  #state = new Text();
  #age = new Text();
  #heard = new Text();
  #devices = new Text();
  #rate = new Text();
  #response = new Text();
  #chart = new Chart();
  #wrongSince = new Text();
  #wrong = new Text();
  /** @type {HTMLAnchorElement} */
  link;
  /** @type {HTMLTableRowElement} */
  element;
  /** Whether the browser draws it; charts elsewhere need not be drawn. */
  drawn = true;

  /**
   * @param {string} car
   * @param {HTMLElement} select the cell with its check box
   */
  constructor(car, select) {
    this.link = make("a", { href: carHash(car) }, ...breakable(car));
    // The roles say what the elements say, for browsers that forget it when rows are grids.
    this.element = make(
      "tr",
      { role: "row", "data-car": car },
      select,
      make("th", { scope: "row", role: "rowheader", class: "car" }, this.link),
      cell("state", "", this.#icon.svg, make("span", {}, this.#state)),
      cell("age", "for", this.#age),
      cell("heard", "heard", this.#heard),
      cell("devices number", "devices", this.#devices),
      cell("rate number", "statuses/s", this.#rate),
      cell(
        "response number",
        "response",
        this.#chart.element,
        make("span", {}, this.#response),
      ),
      cell("trouble", "", make("span", { class: "when" }, this.#wrongSince), " ", this.#wrong),
    );
  }

  /**
   * Everything but rates.
   *
   * @param {CarSummary} car
   * @param {number} now
   */
  show(car, now) {
    const condition = conditionOf(car);
    setAttribute(this.element, "data-condition", condition);
    setAttribute(this.#icon.use, "href", `#icon-${condition}`);
    setText(this.#state, CONDITIONS[condition].word);
    setText(this.#devices, String(car.connectedDevices));
    this.showTime(car, now);
  }

  /**
   * What changes by itself.
   *
   * @param {CarSummary} car
   * @param {number} now
   */
  showTime(car, now) {
    setText(this.#age, formatAge(now - car.since));
    const { health: { causes: [worst] }, lastMessageAt, lastIncident, pause } = car;
    setText(this.#heard, lastMessageAt === null ? "never" : formatSilence(now - lastMessageAt));
    const isPaused = pause !== null && worst === undefined;
    const since = isPaused ? undefined : worst?.since ?? lastIncident?.beganAt;
    setText(this.#wrongSince, since === undefined ? "" : formatTime(since, now));
    setText(this.#wrong, isPaused ? pauseText(pause, now) : troubleText(car, now));
    setAttribute(this.element, "data-news", String(hasIncident(car, now) || worst !== undefined));
  }

  /** @param {CarSummary} car */
  showRates({ rates }) {
    setText(this.#rate, formatCount(rates.statuses));
    setText(this.#response, formatMs(rates.responseMeanMs));
  }

  /** @param {import("./chart.js").History} history */
  showHistory(history) {
    this.#chart.draw(history);
  }
}

/**
 * Where the page of a car is.
 *
 * @param {string} car
 */
export function carHash(car) {
  return `#/cars/${encodeURIComponent(car)}`;
}

/**
 * A name that may be longer than its column, with places where it may break.
 *
 * @param {string} name
 */
function breakable(name) {
  return name.split(/(?<=[_.-])/).flatMap((part, index) =>
    index === 0 ? [part] : [make("wbr"), part]
  );
}

/**
 * @param {string} name
 * @param {string} label shown where there is no room for a head of the table
 * @param {...(Node | string)} children
 */
function cell(name, label, ...children) {
  const attributes = {
    role: "cell",
    class: name,
    ...(label === "" ? {} : { "data-label": label }),
  };
  return make("td", attributes, ...children);
}
