// @ts-check
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
// All cars: how many do what, a filter, and the table.
import { Actions } from "./actions.js";
import { make, say, setAttribute } from "./dom.js";
import { counted, formatCount } from "./format.js";
import { IncidentList } from "./incidents.js";
import { reorder } from "./order.js";
import { Row } from "./row.js";
import { Selection } from "./selection.js";
import { session } from "./session.js";
import { COLUMNS, compareBy } from "./sorting.js";
import { Tiles } from "./tiles.js";
import { conditionOf, CONDITIONS, hasIncident, troubleText } from "./car_condition.js";

/** @typedef {import("../../api/schemas.ts").CarSummary} CarSummary */
/** @typedef {import("./fleet.js").Changes} Changes */
/** @typedef {import("./fleet.js").Fleet} Fleet */
/** @typedef {{show: string, find: string, sort: string, down: boolean}} View */

/** Rows sorted by figures that change every second change places only that often. */
const SETTLE_MS = 5000;
/** Rows made in one frame, more than a phone shows: a large fleet never keeps the browser busy. */
const ROWS_AT_ONCE = 40;

/** The page of the whole fleet. */
export class FleetPage {
  title = "";
  /** @type {Fleet} */
  #fleet;
  /** @type {View} */
  #view;
  /** @type {(view: View) => void} */
  #onView;
  /** @type {Map<string, Row>} */
  #rows = new Map();
  /** Cars whose rows are still to be made, in the order of the table. @type {string[]} */
  #pending = [];
  #filling = 0;
  #incidents = new IncidentList();
  #tiles = new Tiles((show) => this.#want({ show }));
  #find = make("input", { type: "search", id: "find", autocomplete: "off", spellcheck: "false" });
  #shown = make("caption", {});
  #body = make("tbody", { role: "rowgroup" });
  #selection = new Selection(() => this.#actions.update());
  #actions = new Actions("Selected cars", () => this.#selection.cars, true);
  #table;
  #empty = make("p", { class: "empty", hidden: true });
  /** @type {Map<string, HTMLTableCellElement>} */
  #heads = new Map();
  #sortedAt = 0;
  /** @type {HTMLElement} */
  element;

  /**
   * @param {Fleet} fleet
   * @param {View} view
   * @param {(view: View) => void} onView called when the user wants another one
   */
  constructor(fleet, view, onView) {
    this.#fleet = fleet;
    this.#view = view;
    this.#onView = onView;
    this.#find.value = view.find;
    this.#find.addEventListener("input", () => this.#want({ find: this.#find.value }));
    this.#body.addEventListener("keydown", (event) => this.#walk(event));
    this.#body.addEventListener("contentvisibilityautostatechange", (event) => this.#drawn(event));
    const columns = COLUMNS.map((column) => this.#head(column));
    const head = make("tr", { role: "row" }, this.#selection.head, ...columns);
    this.#table = make(
      "table",
      { role: "table", class: "cars" },
      this.#shown,
      make("thead", { role: "rowgroup" }, head),
      this.#body,
    );
    this.element = make(
      "section",
      { class: "fleet", "aria-labelledby": "fleet-title" },
      make("h1", { class: "unseen", id: "fleet-title", tabindex: "-1" }, "All cars"),
      make(
        "div",
        { class: "tools" },
        this.#tiles.element,
        make("label", { class: "find" }, make("span", {}, "Find"), this.#find),
      ),
      this.#incidents.element,
      this.#actions.element,
      this.#table,
      this.#empty,
    );
    this.#showHeads();
    this.#showAll();
  }

  /** @param {string | null} car the car that was looked at before, if any */
  focus(car) {
    while (car !== null && this.#pending.includes(car)) this.#fill();
    const row = car === null ? undefined : this.#rows.get(car);
    if (row !== undefined && !row.element.hidden) row.link.focus();
    else this.element.querySelector("h1")?.focus({ preventScroll: true });
  }

  focusFilter() {
    this.#find.focus();
    this.#find.select();
  }

  stop() {
    cancelAnimationFrame(this.#filling);
  }

  /** @param {Changes} changes */
  update(changes) {
    const now = this.#fleet.now();
    if (changes.fleet) return this.#showAll();
    for (const name of changes.cars) this.#show(name, now);
    if (changes.rates) this.#showRates(changes.ratesOf);
    if (changes.fleetIncidents) this.#incidents.show(this.#fleet.latest, now);
    if (changes.cars.size > 0) this.#arrange(now);
    else if (changes.rates && now - this.#sortedAt > SETTLE_MS) this.tick();
  }

  /** What changes by itself, as time goes by. */
  tick() {
    const now = this.#fleet.now();
    for (const [name, row] of this.#rows) {
      const car = this.#fleet.cars.get(name);
      if (car !== undefined) row.showTime(car, now);
    }
    this.#sortedAt = now;
    this.#arrange(now);
  }

  #showAll() {
    for (const [name, row] of this.#rows) {
      if (this.#fleet.cars.has(name)) continue;
      row.element.remove();
      this.#rows.delete(name);
      this.#selection.remove(name);
    }
    for (const name of this.#rows.keys()) this.#showCar(name);
    this.#pending = [...this.#fleet.cars.values()]
      .filter(({ car }) => !this.#rows.has(car))
      .sort(compareBy(this.#view.sort, this.#view.down))
      .map(({ car }) => car);
    this.#fill();
  }

  /** Makes the next rows, and the others in the frames to come. */
  #fill() {
    cancelAnimationFrame(this.#filling);
    const added = document.createDocumentFragment();
    for (const name of this.#pending.splice(0, ROWS_AT_ONCE)) {
      const row = new Row(name, this.#selection.cell(name));
      this.#rows.set(name, row);
      added.append(row.element);
      this.#showCar(name);
    }
    this.#body.append(added);
    this.#sortedAt = this.#fleet.now();
    this.#arrange(this.#sortedAt);
    if (this.#pending.length > 0) this.#filling = requestAnimationFrame(() => this.#fill());
  }

  /** @param {string} name */
  #showCar(name) {
    const car = this.#fleet.cars.get(name);
    if (car === undefined) return;
    this.#show(name, this.#fleet.now());
    this.#rows.get(name)?.showRates(car);
    this.#showHistory(name);
  }

  /**
   * @param {string} name
   * @param {number} now
   */
  #show(name, now) {
    const car = this.#fleet.cars.get(name);
    if (car !== undefined) this.#rows.get(name)?.show(car, now);
  }

  /** @param {ReadonlySet<string>} changed */
  #showRates(changed) {
    for (const name of changed) {
      const car = this.#fleet.cars.get(name);
      if (car !== undefined) this.#rows.get(name)?.showRates(car);
    }
    for (const [name, row] of this.#rows) if (row.drawn) this.#showHistory(name);
  }

  /** @param {string} name */
  #showHistory(name) {
    const history = this.#fleet.histories.get(name);
    if (history !== undefined) this.#rows.get(name)?.showHistory(history);
  }

  /** @param {Event} event */
  #drawn(event) {
    if (!(event instanceof ContentVisibilityAutoStateChangeEvent)) return;
    const name = /** @type {HTMLElement} */ (event.target).dataset["car"] ?? "";
    const row = this.#rows.get(name);
    if (row === undefined) return;
    row.drawn = !event.skipped;
    if (row.drawn) this.#showHistory(name);
  }

  /**
   * Order, filter and sums.
   *
   * @param {number} now
   */
  #arrange(now) {
    const cars = [...this.#fleet.cars.values()];
    // Figures that change every second do not move rows between two settlings.
    if (
      this.#sortedAt === now || !COLUMNS.some((it) => it.key === this.#view.sort && it.restless)
    ) {
      const sorted = cars.toSorted(compareBy(this.#view.sort, this.#view.down));
      reorder(this.#body, sorted.flatMap((car) => this.#rows.get(car.car)?.element ?? []));
    }
    let shown = 0;
    for (const car of cars) {
      const row = this.#rows.get(car.car);
      const visible = this.#matches(car, now);
      if (visible) shown++;
      if (row !== undefined && row.element.hidden === visible) row.element.hidden = !visible;
    }
    this.#table.classList.toggle("selectable", session.mayOperate);
    this.#selection.update();
    this.#tiles.show(cars, now, this.#view.show);
    this.#incidents.show(this.#fleet.latest, now);
    const all = counted(cars.length, "car");
    say(this.#shown, shown === cars.length ? all : `${formatCount(shown)} of ${all}`);
    this.#empty.hidden = shown > 0;
    say(this.#empty, cars.length === 0 ? "No cars are configured" : "No cars match the filter");
  }

  /**
   * @param {CarSummary} car
   * @param {number} now
   */
  #matches(car, now) {
    const { show, find } = this.#view;
    if (show === "incident" ? !hasIncident(car, now) : show !== "" && show !== conditionOf(car)) {
      return false;
    }
    if (find === "") return true;
    const modules = car.modules.map((module) => `module ${module}`).join(" ");
    const words = [car.car, CONDITIONS[conditionOf(car)].word, modules, troubleText(car, now)].join(
      "\n",
    );
    return words.toLowerCase().includes(find.trim().toLowerCase());
  }

  /** @param {import("./sorting.js").Column} column */
  #head({ key, word, name }) {
    const button = make("button", { type: "button" }, word);
    button.addEventListener("click", () => {
      const again = this.#view.sort === key;
      this.#want({ sort: key, down: again && !this.#view.down });
    });
    const head = make("th", { scope: "col", role: "columnheader", class: name }, button);
    this.#heads.set(key, head);
    return head;
  }

  #showHeads() {
    for (const [key, head] of this.#heads) {
      const { sort, down } = this.#view;
      if (key === sort) setAttribute(head, "aria-sort", down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
  }

  /** @param {Partial<View>} change */
  #want(change) {
    this.#view = { ...this.#view, ...change };
    this.#onView(this.#view);
    this.#showHeads();
    this.#sortedAt = this.#fleet.now();
    this.#arrange(this.#sortedAt);
  }

  /**
   * Arrow keys go from car to car.
   *
   * @param {KeyboardEvent} event
   */
  #walk(event) {
    const links = /** @type {HTMLElement[]} */ ([
      ...this.#body.querySelectorAll("tr:not([hidden]) th a"),
    ]);
    const here = links.findIndex((link) => link === document.activeElement);
    if (here < 0 || event.altKey || event.ctrlKey || event.metaKey) return;
    const places = { ArrowDown: here + 1, ArrowUp: here - 1, Home: 0, End: links.length - 1 };
    const link = links[places[/** @type {keyof typeof places} */ (event.key)] ?? -1];
    if (link === undefined) return;
    event.preventDefault();
    link.focus();
    link.scrollIntoView({ block: "nearest" });
  }
}
