// @ts-check
/// <reference lib="dom" />
// How many cars do what; each figure is a button that shows only these.
import { keepChildren, make, makeIcon, say, setAttribute } from "./dom.js";
import { formatCount } from "./format.js";
import { conditionOf, CONDITIONS, hasIncident } from "./car_condition.js";

/** @typedef {import("../../api/schemas.ts").CarSummary} CarSummary */

/** What can be shown; some are there even when no car is. */
const TILES = [
  { key: "", word: "All", always: true },
  { key: "running", word: CONDITIONS.running.word, always: true },
  ...(/** @type {const} */ ([
    "degraded",
    "connecting",
    "waiting",
    "broker",
    "modules",
    "paused",
    "stopped",
  ]))
    .map((key) => ({ key, word: CONDITIONS[key].word, always: key === "waiting" })),
  { key: "incident", word: "Incident in 5 min", always: true },
];

/** The figures above the table. */
export class Tiles {
  element = make("div", { class: "tiles", role: "group", "aria-label": "Show only cars by state" });
  /** @type {(key: string) => void} */
  #onPick;

  /** @param {(key: string) => void} onPick called with "" for all */
  constructor(onPick) {
    this.#onPick = onPick;
  }

  /**
   * @param {readonly CarSummary[]} cars
   * @param {number} now
   * @param {string} picked
   */
  show(cars, now, picked) {
    /** @type {Map<string, number>} */
    const counts = new Map([["", cars.length]]);
    const count = (/** @type {string} */ key) => counts.set(key, (counts.get(key) ?? 0) + 1);
    for (const car of cars) {
      count(conditionOf(car));
      if (hasIncident(car, now)) count("incident");
    }
    const tiles = TILES.filter(({ key, always }) => always || counts.has(key) || key === picked);
    keepChildren(this.element, tiles, ({ key }) => key, (tile) => this.#make(tile));
    for (const button of this.element.children) {
      const key = button.getAttribute("data-key") ?? "";
      const cars = counts.get(key) ?? 0;
      setAttribute(button, "aria-pressed", String(key === picked));
      setAttribute(button, "data-any", String(cars > 0));
      if (button.firstElementChild !== null) say(button.firstElementChild, formatCount(cars));
    }
  }

  /** @param {{key: string, word: string}} tile */
  #make({ key, word }) {
    const icon = key === "" ? [] : [makeIcon(key === "incident" ? "failed" : key).svg];
    const words = make("span", {}, ...icon, word);
    const button = make("button", { type: "button", class: "tile" }, make("b"), " ", words);
    button.addEventListener("click", () => {
      // A second press shows all again.
      this.#onPick(button.getAttribute("aria-pressed") === "true" ? "" : key);
    });
    return button;
  }
}
