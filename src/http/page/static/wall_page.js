// @ts-check
/// <reference lib="dom" />
// All cars for a large screen that nobody touches: the worst first, in type that is read from afar.
import { conditionOf, CONDITIONS, troubleText } from "./car_condition.js";
import { keepChildren, make, makeIcon, say, setAttribute, setText } from "./dom.js";
import { formatCount, formatSilence, formatTime } from "./format.js";
import { reorder } from "./order.js";
import { compareBy, DEFAULT_SORT } from "./sorting.js";

/** @typedef {import("../../api/schemas.ts").CarSummary} CarSummary */
/** @typedef {import("./car_condition.js").Condition} Condition */
/** @typedef {import("./fleet.js").Changes} Changes */

/** Up to so many cars the type is large, and up to so many of middle size. */
const FEW = 12;
const SOME = 60;

/** The wall. */
export class WallPage {
  title = "Wall";
  #fleet;
  #heading = make("h1", { tabindex: "-1" });
  #clock = make("p", { class: "time" });
  #sums = make("ul", { class: "sums", "aria-label": "Cars by state" });
  #list = make("ul", { class: "wall-cars", "aria-label": "Cars, the worst first" });
  #empty = make("p", { class: "empty" }, "No cars are configured");
  /** @type {Map<string, WallCar>} */
  #cars = new Map();
  element = make(
    "section",
    { class: "wall" },
    make("div", { class: "wall-head" }, this.#heading, this.#sums, this.#clock),
    this.#list,
    this.#empty,
  );

  /** @param {import("./fleet.js").Fleet} fleet */
  constructor(fleet) {
    this.#fleet = fleet;
    this.#showAll();
    this.#showTime();
  }

  focus() {
    this.#heading.focus();
  }

  stop() {}

  /** @param {Changes} changes */
  update(changes) {
    this.#showTime();
    if (changes.fleet) this.#showAll();
    else if (changes.cars.size > 0) this.#show(changes.cars);
  }

  /** What changes by itself, as time goes by. */
  tick() {
    this.#show(this.#cars.keys());
  }

  #showTime() {
    const now = this.#fleet.now();
    say(this.#clock, formatTime(now, now));
  }

  #showAll() {
    say(this.#heading, this.#fleet.company);
    for (const [name, car] of this.#cars) {
      if (this.#fleet.cars.has(name)) continue;
      car.element.remove();
      this.#cars.delete(name);
    }
    for (const name of this.#fleet.cars.keys()) {
      if (this.#cars.has(name)) continue;
      const car = new WallCar(name);
      this.#cars.set(name, car);
      this.#list.append(car.element);
    }
    const { size } = this.#fleet.cars;
    setAttribute(this.element, "data-size", size <= FEW ? "few" : size <= SOME ? "some" : "many");
    this.#empty.hidden = size > 0;
    this.#list.hidden = size === 0;
    this.#show(this.#cars.keys());
  }

  /** @param {Iterable<string>} names */
  #show(names) {
    const now = this.#fleet.now();
    for (const name of names) {
      const car = this.#fleet.cars.get(name);
      if (car !== undefined) this.#cars.get(name)?.show(car, now);
    }
    const sorted = [...this.#fleet.cars.values()].sort(compareBy(DEFAULT_SORT, false));
    reorder(this.#list, sorted.map(({ car }) => this.#cars.get(car)?.element ?? this.#list));
    /** @type {Map<Condition, number>} */
    const counts = new Map();
    for (const car of sorted) {
      const condition = conditionOf(car);
      counts.set(condition, (counts.get(condition) ?? 0) + 1);
    }
    keepChildren(
      this.#sums,
      [...counts],
      (count) => count.join(" "),
      ([condition, count]) =>
        make(
          "li",
          { "data-condition": condition },
          make(
            "span",
            { class: "state" },
            makeIcon(condition).svg,
            ` ${formatCount(count)} ${CONDITIONS[condition].word}`,
          ),
        ),
    );
  }
}

/** One car. */
class WallCar {
  #icon = makeIcon("waiting");
  #word = new Text();
  #trouble = make("p", { class: "trouble" });
  element;

  /** @param {string} name */
  constructor(name) {
    this.element = make(
      "li",
      { "data-car": name },
      make("b", {}, name),
      make("span", { class: "state" }, this.#icon.svg, " ", this.#word),
      this.#trouble,
    );
  }

  /**
   * @param {CarSummary} car
   * @param {number} now
   */
  show(car, now) {
    const condition = conditionOf(car);
    setAttribute(this.element, "data-condition", condition);
    setAttribute(this.#icon.use, "href", `#icon-${condition}`);
    setText(this.#word, CONDITIONS[condition].word);
    const { lastMessageAt, health } = car;
    const silence = lastMessageAt === null ? "never" : formatSilence(now - lastMessageAt);
    const heard = /\d/.test(silence) ? `${silence} ago` : silence;
    const isWell = condition === "running";
    const trouble = health.causes.length === 0 ? "" : `${troubleText(car, now)}; `;
    say(this.#trouble, isWell ? "" : `${trouble}heard ${heard}`);
  }
}
