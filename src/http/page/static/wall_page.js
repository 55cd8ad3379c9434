// @ts-check
/// <reference lib="dom" />
// All cars for a large screen that nobody touches: the worst first, in type that is read from afar.
import { conditionOf, CONDITIONS, troubleText } from "./car_condition.js";
import { keepChildren, make, makeIcon, say, setAttribute, setText } from "./dom.js";
import { formatCount, formatSilence, formatTime } from "./format.js";
import { reorder } from "./order.js";
import { Slices } from "./slices.js";
import { DEFAULT_SORT, sorted } from "./sorting.js";

/** @typedef {import("../../api/schemas.ts").CarSummary} CarSummary */
/** @typedef {import("./car_condition.js").Condition} Condition */
/** @typedef {import("./fleet.js").Changes} Changes */

/** How large the type is, the largest first, and for how many cars at most it is tried. */
const SIZES = /** @type {const} */ ([["few", 12], ["some", 60], ["many", 240], ["more", 240], [
  "most",
  Infinity,
]]);
/** No screen shows more cars legibly; the others are counted. */
const MOST = 240;
/** Width and height that a car takes at least, in the unit of its type. */
const SMALLEST = { width: 13, height: 1.9 };

/** The wall: as many cars as the screen has room for, as nobody is there to scroll. */
export class WallPage {
  title = "Wall";
  #fleet;
  #heading = make("h1", { tabindex: "-1" });
  #clock = make("p", { class: "time" });
  #sums = make("ul", { class: "sums", "aria-label": "Cars by state" });
  #list = make("ul", { class: "wall-cars", "aria-label": "Cars, the worst first" });
  #more = make("p", { class: "more", hidden: true });
  #empty = make("p", { class: "empty" }, "No cars are configured");
  /** As high as the smallest type. */
  #smallest = make("span", { class: "smallest", "aria-hidden": "true" });
  /** Those there may be room for. @type {Map<string, WallCar>} */
  #cars = new Map();
  #making = new Slices(
    (/** @type {string} */ name) => this.#make(name),
    (isLast) => this.#madeSlice(isLast),
  );
  /** Cars of a slice. */
  #made = document.createDocumentFragment();
  /** Called when the wall is shown, too. */
  #resized = new ResizeObserver(() => this.#show([]));
  element = make(
    "section",
    { class: "wall" },
    make("div", { class: "wall-head" }, this.#heading, this.#sums, this.#clock),
    this.#list,
    this.#more,
    this.#empty,
    this.#smallest,
  );

  /** @param {import("./fleet.js").Fleet} fleet */
  constructor(fleet) {
    this.#fleet = fleet;
    this.#showAll();
    this.#showTime();
    this.#resized.observe(this.element);
  }

  focus() {
    this.#heading.focus();
  }

  stop() {
    this.#making.stop();
    this.#resized.disconnect();
  }

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
    const { size } = this.#fleet.cars;
    this.#empty.hidden = size > 0;
    this.#list.hidden = size === 0;
    setAttribute(this.element, "data-size", this.#sizes()[0] ?? "");
    if (this.element.isConnected) this.#show(this.#cars.keys());
  }

  /** @param {Iterable<string>} names */
  #show(names) {
    const now = this.#fleet.now();
    for (const name of names) {
      const car = this.#fleet.cars.get(name);
      if (car !== undefined) this.#cars.get(name)?.show(car, now);
    }
    const worst = this.#worst().map(({ car }) => car);
    const isWorst = new Set(worst);
    for (const [name, car] of this.#cars) {
      if (isWorst.has(name)) continue;
      car.element.remove();
      this.#cars.delete(name);
    }
    this.#making.start(worst.filter((name) => !this.#cars.has(name)));
  }

  /** Those there may be room for, with the smallest type. */
  #worst() {
    const { width, height } = this.element.getBoundingClientRect();
    const type = this.#smallest.getBoundingClientRect().height;
    const room = Math.floor(width / (type * SMALLEST.width) + 1) *
      Math.floor(height / (type * SMALLEST.height) + 1);
    const most = Math.min(MOST, room);
    return sorted([...this.#fleet.cars.values()], DEFAULT_SORT, false).slice(0, most);
  }

  /** @param {string} name */
  #make(name) {
    const car = this.#fleet.cars.get(name);
    if (car === undefined) return;
    const made = new WallCar(name);
    made.show(car, this.#fleet.now());
    this.#cars.set(name, made);
    this.#made.append(made.element);
  }

  /** @param {boolean} isLast */
  #madeSlice(isLast) {
    this.#list.append(this.#made);
    // New cars are seen together, as their type depends on all.
    this.#list.classList.toggle("filling", !isLast);
    if (isLast) this.#arrange();
  }

  /** Order, sums and size. */
  #arrange() {
    const elements = this.#worst().flatMap(({ car }) => this.#cars.get(car)?.element ?? []);
    reorder(this.#list, elements);
    const counts = countsOf(this.#fleet.cars.values());
    keepChildren(
      this.#sums,
      counts,
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
    this.#fit();
  }

  /** Sizes of type for so many cars, the largest first. */
  #sizes() {
    const { size } = this.#fleet.cars;
    return SIZES.flatMap(([name, most]) => size > most ? [] : [name]);
  }

  /** Takes the largest type with which all cars have room; else the last ones are only counted. */
  #fit() {
    const tiles = /** @type {HTMLElement[]} */ ([...this.#list.children]);
    const cars = [...this.#fleet.cars.values()];
    for (const tile of tiles) tile.hidden = false;
    this.#more.hidden = cars.length <= tiles.length;
    // As long as it can get, as the room for cars depends on it.
    say(this.#more, moreText(cars));
    const hasRoom = () => this.#list.scrollHeight <= this.#list.clientHeight;
    for (const name of this.#sizes()) {
      setAttribute(this.element, "data-size", name);
      if (hasRoom()) break;
    }
    if (!hasRoom()) {
      this.#more.hidden = false;
      const { bottom } = this.#list.getBoundingClientRect();
      const out = tiles.findIndex((tile) => tile.getBoundingClientRect().bottom > bottom);
      for (const tile of out < 0 ? [] : tiles.slice(out)) tile.hidden = true;
    }
    const isShown = new Set(tiles.flatMap((tile) => tile.hidden ? [] : [tile.dataset["car"]]));
    say(this.#more, moreText(cars.filter(({ car }) => !isShown.has(car))));
  }
}

/**
 * Such as `and 12 more: 2 Degraded, 10 Running`.
 *
 * @param {readonly CarSummary[]} cars
 */
function moreText(cars) {
  const words = countsOf(cars).map(([condition, count]) =>
    `${formatCount(count)} ${CONDITIONS[condition].word}`
  );
  return `and ${formatCount(cars.length)} more: ${words.join(", ")}`;
}

/**
 * How many cars are in which condition, the worst first.
 *
 * @param {Iterable<CarSummary>} cars
 * @returns {[Condition, number][]}
 */
function countsOf(cars) {
  /** @type {Map<Condition, number>} */
  const counts = new Map();
  for (const car of cars) {
    const condition = conditionOf(car);
    counts.set(condition, (counts.get(condition) ?? 0) + 1);
  }
  return [...counts].sort(([a], [b]) => CONDITIONS[a].rank - CONDITIONS[b].rank);
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
