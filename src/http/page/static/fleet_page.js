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
import { operator } from "./operator.js";
import { Slices } from "./slices.js";
import { COLUMNS, sorted } from "./sorting.js";
import { Tiles } from "./tiles.js";
import { conditionOf, CONDITIONS, hasIncident, troubleText } from "./car_condition.js";

/** @typedef {import("../../api/schemas.ts").CarSummary} CarSummary */
/** @typedef {import("./fleet.js").Changes} Changes */
/** @typedef {import("./fleet.js").Fleet} Fleet */
/** @typedef {{show: string, find: string, sort: string, down: boolean}} View */

/** Rows sorted by figures that change every second change places only that often. */
const SETTLE_MS = 5000;

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
  /** Makes rows, in the order of the table: a large fleet never keeps the browser busy. */
  #making = new Slices(
    (/** @type {string} */ name) => this.#make(name),
    (isLast) => this.#madeSlice(isLast),
  );
  /** Rows that are not in the table yet. */
  #made = document.createDocumentFragment();
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
    if (car !== null) this.#making.takeUntil(car);
    const row = car === null ? undefined : this.#rows.get(car);
    if (row !== undefined && !row.element.hidden) row.link.focus();
    else this.element.querySelector("h1")?.focus({ preventScroll: true });
  }

  focusFilter() {
    this.#find.focus();
    this.#find.select();
  }

  stop() {
    this.#making.stop();
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
    // Sums are about all cars, whether their rows are there yet or not.
    this.#sum(this.#fleet.now());
    this.#making.start(this.#sorted().filter((name) => !this.#rows.has(name)));
  }

  /** @param {string} name */
  #make(name) {
    const row = new Row(name, this.#selection.cell(name));
    this.#rows.set(name, row);
    this.#made.append(row.element);
    this.#showCar(name);
    const car = this.#fleet.cars.get(name);
    row.element.hidden = car === undefined || !this.#matches(car, this.#fleet.now());
  }

  /** @param {boolean} isLast */
  #madeSlice(isLast) {
    this.#body.append(this.#made);
    if (!isLast) return;
    // Rows that stay stand between new ones, and meanwhile cars may have changed.
    this.#sortedAt = this.#fleet.now();
    this.#arrange(this.#sortedAt);
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

  /** Names in the order of the table. */
  #sorted() {
    const { sort, down } = this.#view;
    return sorted([...this.#fleet.cars.values()], sort, down).map(({ car }) => car);
  }

  /**
   * Order, filter and sums.
   *
   * @param {number} now
   */
  #arrange(now) {
    // Figures that change every second do not move rows between two settlings.
    if (
      this.#sortedAt === now || !COLUMNS.some((it) => it.key === this.#view.sort && it.restless)
    ) {
      reorder(this.#body, this.#sorted().flatMap((name) => this.#rows.get(name)?.element ?? []));
    }
    this.#sum(now);
  }

  /**
   * Filter and sums.
   *
   * @param {number} now
   */
  #sum(now) {
    const cars = [...this.#fleet.cars.values()];
    let shown = 0;
    for (const car of cars) {
      const row = this.#rows.get(car.car);
      const visible = this.#matches(car, now);
      if (visible) shown++;
      if (row !== undefined && row.element.hidden === visible) row.element.hidden = !visible;
    }
    this.#table.classList.toggle("selectable", operator.mayOperate);
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
