// @ts-check
/// <reference lib="dom" />
// The last hour or day of the fleet or of one car, and what happened.
import { make, say, setAttribute } from "./dom.js";
import { formatTime } from "./format.js";
import { HistoryChart } from "./history_chart.js";
import { operator } from "./operator.js";
import { wayBack, WideTable } from "./view_parts.js";

/** @typedef {import("../../../observe/mod.ts").ListedEvent} ListedEvent */
/** @typedef {{car: string, span: string, level: string, find: string}} Wanted */

const REFRESH_MS = 15_000;
const PAGE = 100;
const COLUMNS = ["Time", "Car", "Level", "What", "Device"];
const LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR"];
/** Points of each span. */
const POINTS = /** @type {const} */ ({ hour: 240, day: 288 });
const CSV = "/api/v1/history/events.csv";

/**
 * What the address asks for.
 *
 * @param {URLSearchParams} words
 * @returns {Wanted}
 */
export function wantedOf(words) {
  return {
    car: words.get("car") ?? "",
    span: words.get("span") === "day" ? "day" : "hour",
    level: LEVELS.find((level) => level === words.get("level")) ?? "INFO",
    find: words.get("find") ?? "",
  };
}

/** Chart and list. */
export class HistoryPage {
  title = "History";
  #fleet;
  #wanted;
  #onWanted;
  #limit = PAGE;
  #stopped = false;
  /** What was asked last: an older answer is of no use. */
  #asked = 0;
  #chart = new HistoryChart();
  #table = new WideTable("Events", COLUMNS);
  #note = make("p", { class: "empty", role: "status" });
  #more = make("button", { type: "button", hidden: true }, "Show older");
  #download = make("a", { download: true }, "Download as CSV");
  #spans = /** @type {const} */ (["hour", "day"]).map((span) => {
    const button = make("button", { type: "button" }, `Last ${span}`);
    button.addEventListener("click", () => this.#want({ span }));
    return { span, button };
  });
  #find = make("input", { type: "search", autocomplete: "off", spellcheck: "false" });
  #level = make(
    "select",
    {},
    ...LEVELS.map((level) =>
      make("option", { value: level }, `${level[0]}${level.slice(1).toLowerCase()} and above`)
    ),
  );
  #heading;
  #timer;
  element;

  /**
   * @param {import("./fleet.js").Fleet} fleet
   * @param {Wanted} wanted
   * @param {string} back where the list of all cars is
   * @param {(wanted: Wanted) => void} onWanted called when the user wants something else
   */
  constructor(fleet, wanted, back, onWanted) {
    this.#fleet = fleet;
    this.#wanted = wanted;
    this.#onWanted = onWanted;
    const { car } = wanted;
    this.#heading = make("h1", { tabindex: "-1" }, car === "" ? "History" : `History of ${car}`);
    this.#find.value = wanted.find;
    this.#level.value = wanted.level;
    this.#find.addEventListener("input", () => this.#want({ find: this.#find.value }));
    this.#level.addEventListener("change", () => this.#want({ level: this.#level.value }));
    this.#more.addEventListener("click", () => {
      this.#limit += PAGE;
      void this.#refresh();
    });
    this.element = make(
      "article",
      { class: "one" },
      wayBack(back),
      this.#heading,
      make("div", { class: "tools" }, ...this.#spans.map(({ button }) => button)),
      this.#chart.element,
      make("h2", {}, "Events"),
      make(
        "div",
        { class: "tools" },
        make("label", {}, make("span", {}, "Find "), this.#find),
        make("label", {}, make("span", {}, "Level "), this.#level),
        this.#download,
      ),
      this.#note,
      this.#table.element,
      this.#more,
    );
    this.#timer = setInterval(() => void this.#refresh(), REFRESH_MS);
    this.#showWanted();
    void this.#refresh();
  }

  focus() {
    this.#heading.focus();
  }

  update() {}
  tick() {}

  stop() {
    this.#stopped = true;
    clearInterval(this.#timer);
  }

  /** @param {Partial<Wanted>} change */
  #want(change) {
    this.#wanted = { ...this.#wanted, ...change };
    this.#limit = PAGE;
    this.#onWanted(this.#wanted);
    this.#showWanted();
    void this.#refresh();
  }

  #showWanted() {
    for (const { span, button } of this.#spans) {
      setAttribute(button, "aria-pressed", `${span === this.#wanted.span}`);
    }
    this.#download.href = `${CSV}?${new URLSearchParams({ ...this.#query(), limit: "10000" })}`;
  }

  /** @returns {Record<string, string>} */
  #query() {
    const { car, level, find } = this.#wanted;
    return {
      level,
      ...(car === "" ? {} : { car }),
      ...(find.trim() === "" ? {} : { q: find.trim() }),
    };
  }

  async #refresh() {
    if (document.hidden) return;
    const asked = ++this.#asked;
    const span = this.#wanted.span === "day" ? "day" : "hour";
    const { car } = this.#wanted;
    try {
      const [history, events] = await Promise.all([
        operator.call("history.get", { span, ...(car === "" ? {} : { car }) }),
        operator.call("event.list", { ...this.#query(), limit: this.#limit }),
      ]);
      if (this.#stopped || asked !== this.#asked) return;
      this.#chart.draw(history, POINTS[span]);
      this.#show(events);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      say(this.#note, `The history cannot be had: ${why}`);
    }
  }

  /** @param {readonly ListedEvent[]} events */
  #show(events) {
    say(this.#note, events.length === 0 ? "No such event is remembered" : "");
    this.#more.hidden = events.length < this.#limit;
    this.#table.show(events.map(({ id, at, car, level, text, device }) => ({
      key: String(id),
      mark: level === "ERROR" || level === "CRITICAL" ? "bad" : "",
      cells: () => [
        formatTime(at, this.#fleet.now()),
        make("a", { href: `#/cars/${encodeURIComponent(car)}` }, car),
        level,
        text,
        device ?? "",
      ],
    })));
  }
}
