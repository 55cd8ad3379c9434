// @ts-check
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
// One car: what it does, its devices, and what it has said, been told and suffered.
import { Actions, pauseText } from "./actions.js";
import { CAR_LISTS, factsOf, TROUBLE } from "./car_lists.js";
import { Chart, History } from "./chart.js";
import { ask, messageOf } from "./connection.js";
import { DeviceCards } from "./device_cards.js";
import { keepChildren, make, makeIcon, say, setAttribute } from "./dom.js";
import { formatMs } from "./format.js";
import { conditionOf, CONDITIONS } from "./car_condition.js";
import { WideTable } from "./view_parts.js";

/** @typedef {import("../../api/schemas.ts").CarDetail} CarDetail */
/** @typedef {import("./fleet.js").Changes} Changes */
/** @typedef {import("./fleet.js").Fleet} Fleet */

/** The server tells only rows by itself; the rest is asked for that often. */
const REFRESH_MS = 2000;
const ANSWER_MS = 10_000;

/** The page of one car. */
export class CarPage {
  title;
  #fleet;
  #car;
  #onRefused;
  #gone = new AbortController();
  #asking = false;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #timer;
  #icon = makeIcon("waiting");
  #state = make("span", {});
  /** What only the server can fill; hidden until it has, and where it knows no such car. */
  #rest = make("div", { hidden: true });
  #condition = make("p", { class: "state", hidden: true }, this.#icon.svg, this.#state);
  #problem = make("p", { class: "problem", role: "status" });
  #pause = make("p", { class: "pause" });
  #actions;
  #facts = make("dl", { class: "facts" });
  #chart = new Chart();
  #scale = make("figcaption", {});
  #trouble = new List(TROUBLE);
  #cards = new DeviceCards();
  #lists = CAR_LISTS.map((list) => new List(list));
  #back = make("a", { href: "#/", class: "back" }, "All cars");
  #heading;
  element;

  /**
   * @param {Fleet} fleet
   * @param {string} car
   * @param {string} back where the list of all cars is
   * @param {() => void} onRefused called when the server does not take the key any more
   */
  constructor(fleet, car, back, onRefused) {
    this.title = car;
    this.#fleet = fleet;
    this.#car = car;
    this.#onRefused = onRefused;
    this.#back.setAttribute("href", back);
    this.#actions = new Actions("This car", () => [car], false);
    this.#heading = make("h1", { tabindex: "-1" }, car);
    this.element = make(
      "article",
      { class: "one" },
      make(
        "nav",
        { "aria-label": "Car", class: "tools" },
        this.#back,
        make("a", { href: `#/history?${new URLSearchParams({ car })}` }, "History of the car"),
        make("a", { href: `#/commands?${new URLSearchParams({ car })}` }, "Commands of the car"),
        make("a", { href: `#/actions?${new URLSearchParams({ car })}` }, "Actions on the car"),
      ),
      make("div", { class: "head" }, this.#heading, this.#condition),
      this.#pause,
      this.#actions.element,
      this.#problem,
      this.#rest,
    );
    this.#rest.append(
      this.#trouble.element,
      this.#cards.element,
      make("figure", {}, this.#chart.element, this.#scale),
      this.#facts,
      ...this.#lists.map((list) => list.folded()),
    );
    this.#timer = setInterval(() => this.#refresh(), REFRESH_MS);
    this.#showRow();
    this.#refresh();
  }

  focus() {
    this.#heading.focus();
  }

  stop() {
    clearInterval(this.#timer);
    this.#gone.abort();
  }

  tick() {
    this.#actions.update();
  }

  /** @param {Changes} changes */
  update(changes) {
    if (!changes.fleet && !changes.cars.has(this.#car)) return;
    this.#showRow();
    this.#refresh();
  }

  /** What the server has told by itself is shown at once. */
  #showRow() {
    const car = this.#fleet.cars.get(this.#car);
    if (car === undefined) return;
    const condition = conditionOf(car);
    this.#condition.hidden = false;
    setAttribute(this.element, "data-condition", condition);
    setAttribute(this.#icon.use, "href", `#icon-${condition}`);
    say(this.#state, CONDITIONS[condition].word);
    say(this.#pause, car.pause === null ? "" : pauseText(car.pause, this.#fleet.now()));
  }

  async #refresh() {
    if (this.#asking || document.hidden) return;
    this.#asking = true;
    try {
      const late = AbortSignal.timeout(ANSWER_MS);
      const signal = AbortSignal.any([this.#gone.signal, late]);
      const response = await ask(`/api/v1/cars/${encodeURIComponent(this.#car)}`, signal);
      if (response.status === 401) return this.#onRefused();
      if (response.ok) this.#show(await response.json());
      else if (response.status === 404) {
        this.#rest.hidden = this.#condition.hidden = true;
        say(this.#problem, "The server has no car of this name in its configuration.");
      } else say(this.#problem, `The server says: ${await messageOf(response)}`);
    } catch {
      // The connection is lost, which the page says above.
    } finally {
      this.#asking = false;
    }
  }

  /** @param {CarDetail} car */
  #show(car) {
    if (this.#gone.signal.aborted) return;
    const now = this.#fleet.now();
    say(this.#problem, "");
    this.#rest.hidden = false;
    const keyOf = (/** @type {readonly [string, string]} */ [name, text]) => `${name} ${text}`;
    keepChildren(
      this.#facts,
      factsOf(car, now),
      keyOf,
      ([name, text]) => make("div", {}, make("dt", {}, name), make("dd", {}, text)),
    );
    const history = new History();
    for (const rates of car.history) history.add(rates);
    const top = this.#chart.draw(history);
    const longest = history.longest;
    say(
      this.#scale,
      longest === null
        ? "No response in the last 60 s"
        : `Response time in the last 60 s: line mean, area longest, ${formatMs(longest)}; ` +
          `top ${formatMs(top)}`,
    );
    this.#cards.show(car, now);
    for (const list of [this.#trouble, ...this.#lists]) list.show(car, now);
  }
}

/** A list as a table, whose rows are only made while somebody can see them. */
class List {
  #list;
  #table;
  #empty;
  #count = make("span", { class: "muted" });
  #fold = /** @type {HTMLDetailsElement | null} */ (null);
  /** What it shows once it is unfolded. @type {[CarDetail, number] | null} */
  #latest = null;
  element;

  /** @param {import("./car_lists.js").CarList} list */
  constructor(list) {
    this.#list = list;
    this.#table = new WideTable(list.title, list.columns);
    this.#empty = make("p", { class: "empty" }, list.empty);
    this.element = make("section", {}, this.#table.element, this.#empty);
  }

  /** The list behind its title. */
  folded() {
    const title = make("h2", {}, this.#list.title);
    const fold = make("details", {}, make("summary", {}, title, " ", this.#count), this.element);
    fold.addEventListener("toggle", () => {
      if (this.#latest !== null) this.show(...this.#latest);
    });
    this.#fold = fold;
    return fold;
  }

  /**
   * @param {CarDetail} car
   * @param {number} now
   */
  show(car, now) {
    this.#latest = [car, now];
    const rows = this.#list.rows(car, now);
    say(this.#count, String(rows.length));
    if (this.#fold !== null && !this.#fold.open) return;
    this.#empty.hidden = rows.length > 0;
    this.#table.element.hidden = rows.length === 0;
    this.#table.show(rows);
  }
}
