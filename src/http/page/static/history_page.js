// @ts-check
/// <reference lib="dom" />
// The last hour or day of the fleet or of one car, and what happened.
import { make, say, setAttribute } from "./dom.js";
import { EventList, makeToggle } from "./event_list.js";
import { HistoryChart } from "./history_chart.js";
import { operator } from "./operator.js";
import { wayBack } from "./view_parts.js";

/** @typedef {import("./event_list.js").Query} Query */
/**
 * What is shown; `until` is what a datetime-local field has.
 *
 * @typedef {{
 *   car: string, span: string, level: string, find: string, kind: string, until: string
 * }} Wanted
 */

const REFRESH_MS = 15_000;
const LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR"];
/** What kinds of the event log begin with. */
const KINDS = [
  "session",
  "device",
  "status",
  "command",
  "module",
  "host",
  "broker",
  "message",
  "operator",
  "config",
  "server",
  "sink",
];
/** Points of each span. */
const POINTS = /** @type {const} */ ({ hour: 240, day: 288 });
const FILE = "/api/v1/history/events";

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
    kind: KINDS.find((kind) => kind === words.get("kind")) ?? "",
    until: words.get("until") ?? "",
  };
}

/** Chart and list. */
export class HistoryPage {
  title = "History";
  #wanted;
  #onWanted;
  #stopped = false;
  /** What was asked last: an older answer is of no use. */
  #asked = 0;
  #chart = new HistoryChart();
  #events;
  #note = make("p", { class: "empty", role: "status" });
  #csv = make("a", { download: true }, "Download as CSV");
  #ndjson = make("a", { download: true }, "as NDJSON");
  #kind = make(
    "select",
    {},
    make("option", { value: "" }, "All"),
    ...KINDS.map((kind) => make("option", { value: kind }, kind)),
  );
  #until = make("input", { type: "datetime-local" });
  #follow = makeToggle("Follow", (pressed) => this.#events.follow(pressed));
  /** Only an event log knows kinds, and what happens. */
  #ofLog = make(
    "span",
    { class: "tools", hidden: true },
    make("label", {}, make("span", {}, "Kind "), this.#kind),
    this.#follow,
    this.#ndjson,
  );
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
    this.#wanted = wanted;
    this.#onWanted = onWanted;
    const { car } = wanted;
    this.#heading = make("h1", { tabindex: "-1" }, car === "" ? "History" : `History of ${car}`);
    this.#find.value = wanted.find;
    this.#level.value = wanted.level;
    this.#kind.value = wanted.kind;
    this.#until.value = wanted.until;
    this.#events = new EventList(() => fleet.now(), ({ source }) => {
      const isLog = source === "log";
      if (this.#ofLog.hidden === isLog) this.#ofLog.hidden = !isLog;
    });
    this.#find.addEventListener("input", () => this.#want({ find: this.#find.value }));
    this.#level.addEventListener("change", () => this.#want({ level: this.#level.value }));
    this.#kind.addEventListener("change", () => this.#want({ kind: this.#kind.value }));
    this.#until.addEventListener("change", () => this.#want({ until: this.#until.value }));
    this.element = make(
      "article",
      { class: "one" },
      wayBack(back),
      this.#heading,
      make("div", { class: "tools" }, ...this.#spans.map(({ button }) => button)),
      this.#note,
      this.#chart.element,
      make("h2", {}, "Events"),
      make(
        "div",
        { class: "tools" },
        make("label", {}, make("span", {}, "Find "), this.#find),
        make("label", {}, make("span", {}, "Level "), this.#level),
        make("label", {}, make("span", {}, "Until "), this.#until),
        this.#csv,
        this.#ofLog,
      ),
      this.#events.element,
    );
    this.#timer = setInterval(() => this.#refresh(), REFRESH_MS);
    this.#showWanted();
    void this.#refreshChart();
  }

  focus() {
    this.#heading.focus();
  }

  update() {}
  tick() {}

  stop() {
    this.#stopped = true;
    clearInterval(this.#timer);
    this.#events.stop();
  }

  /** @param {Partial<Wanted>} change */
  #want(change) {
    this.#wanted = { ...this.#wanted, ...change };
    this.#onWanted(this.#wanted);
    this.#showWanted();
    if (change.span !== undefined) void this.#refreshChart();
  }

  #showWanted() {
    for (const { span, button } of this.#spans) {
      setAttribute(button, "aria-pressed", `${span === this.#wanted.span}`);
    }
    const query = this.#query();
    const words = new URLSearchParams(
      Object.entries(query).flatMap(([name, value]) =>
        [value].flat().map((one) => [name, String(one)])
      ),
    );
    this.#csv.href = `${FILE}.csv?${words}`;
    this.#ndjson.href = `${FILE}.ndjson?${words}`;
    this.#events.want(query);
  }

  /** @returns {Query} */
  #query() {
    const { car, level, find, kind, until } = this.#wanted;
    const to = new Date(until).getTime();
    return {
      level,
      ...(car === "" ? {} : { cars: [car] }),
      ...(kind === "" ? {} : { kinds: [kind] }),
      ...(find.trim() === "" ? {} : { text: find.trim() }),
      ...(Number.isNaN(to) ? {} : { to }),
    };
  }

  #refresh() {
    if (document.hidden) return;
    void this.#events.refresh();
    void this.#refreshChart();
  }

  async #refreshChart() {
    const asked = ++this.#asked;
    const span = this.#wanted.span === "day" ? "day" : "hour";
    const { car } = this.#wanted;
    try {
      const history = await operator.call("history.get", {
        span,
        ...(car === "" ? {} : { car }),
      });
      if (this.#stopped || asked !== this.#asked) return;
      say(this.#note, "");
      this.#chart.draw(history, POINTS[span]);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      say(this.#note, `The history cannot be had: ${why}`);
    }
  }
}
