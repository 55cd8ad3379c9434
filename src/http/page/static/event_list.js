// @ts-check
/// <reference lib="dom" />
// What happened, newest first: out of the event log page by page and as it happens, or what the
// server remembers without one.
import { ask, messageOf } from "./connection.js";
import { make, say, setAttribute } from "./dom.js";
import { EventParser } from "./event_parser.js";
import { formatTime } from "./format.js";
import { operator } from "./operator.js";
import { makePayload, visible } from "./payload.js";
import { WideTable } from "./view_parts.js";

/** @typedef {import("../../api/schemas.ts").EventPage} EventPage */
/** @typedef {import("../../api/schemas.ts").ListedEventView} ListedEventView */
/**
 * @typedef {object} Query
 * @property {readonly string[]} [cars]
 * @property {readonly string[]} [kinds]
 * @property {string} [level]
 * @property {string} [text]
 * @property {number} [to]
 */

const LIVE = "/api/v1/history/events/live";
const PAGE = 100;
/** More rows are not shown: older ones give way to what happens. */
const MAX_ROWS = 2000;
/** What happens is shown so often, in milliseconds. */
const SHOW_MS = 250;
const COLUMNS = ["Time", "Car", "Level", "What", "Device"];

/** The list, and what it says of itself. */
export class EventList {
  #now;
  #onPage;
  #query = /** @type {Query} */ ({});
  #events = /** @type {readonly ListedEventView[]} */ ([]);
  /** @type {string | null} */
  #next = null;
  /** What was asked last: an older answer is of no use. */
  #asked = 0;
  #following = false;
  /** The stream that is read. */
  #stream = new AbortController();
  #isReading = false;
  #table = new WideTable("Events", COLUMNS);
  #note = make("p", { class: "empty", role: "status" });
  #reach = make("p", { class: "muted" });
  #more = make("button", { type: "button", hidden: true }, "Show older");
  element = make("div", {}, this.#note, this.#table.element, this.#more, this.#reach);

  /**
   * @param {() => number} now the server's time
   * @param {(page: EventPage) => void} onPage called with every first page
   */
  constructor(now, onPage) {
    this.#now = now;
    this.#onPage = onPage;
    this.#more.addEventListener("click", () => void this.#older());
  }

  /**
   * Shows something else.
   *
   * @param {Query} query
   */
  want(query) {
    this.#query = query;
    this.#events = [];
    this.#next = null;
    this.#endStream();
    void this.refresh();
  }

  /** Whether events are shown as they happen. @param {boolean} following */
  follow(following) {
    this.#following = following;
    if (following) void this.#read();
    else this.#endStream();
  }

  stop() {
    this.#asked++;
    this.#following = false;
    this.#endStream();
  }

  /** Looks for what has happened since. */
  async refresh() {
    const asked = ++this.#asked;
    try {
      /** @type {EventPage} */
      const page = await operator.call("event.list", { ...this.#query, limit: PAGE });
      if (asked !== this.#asked) return;
      const known = new Set(this.#events.map(({ id }) => id));
      const fresh = page.events.filter(({ id }) => !known.has(id));
      if (fresh.length < page.events.length) this.#add(fresh);
      else {
        // There may be more between them and those that are shown.
        this.#events = page.events;
        this.#next = page.next;
      }
      this.#onPage(page);
      this.#show(page);
      if (this.#following) void this.#read();
    } catch (error) {
      this.#fail(error);
    }
  }

  async #older() {
    const asked = ++this.#asked;
    this.#more.disabled = true;
    try {
      /** @type {EventPage} */
      const page = await operator.call("event.list", {
        ...this.#query,
        cursor: this.#next,
        limit: PAGE,
      });
      if (asked !== this.#asked) return;
      this.#events = [...this.#events, ...page.events];
      this.#next = page.next;
      this.#show(page);
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#more.disabled = false;
    }
  }

  /** @param {readonly ListedEventView[]} fresh newer than all others */
  #add(fresh) {
    this.#events = [...fresh, ...this.#events];
    if (this.#events.length <= MAX_ROWS) return;
    this.#events = this.#events.slice(0, MAX_ROWS);
    // The place of the last one that is left is not known.
    this.#next = null;
  }

  /** Reads what happens, until that ends; the next refresh tries again. */
  async #read() {
    if (this.#isReading) return;
    this.#isReading = true;
    this.#stream = new AbortController();
    const { signal } = this.#stream;
    /** @type {ListedEventView[]} */
    let waiting = [];
    const showing = setInterval(() => {
      if (waiting.length === 0) return;
      const known = new Set(this.#events.slice(0, MAX_ROWS).map(({ id }) => id));
      this.#add(waiting.filter(({ id }) => !known.has(id)).reverse());
      waiting = [];
      this.#showRows();
    }, SHOW_MS);
    try {
      const { cars = [], kinds = [], level, text } = this.#query;
      const words = new URLSearchParams([
        ...cars.map((car) => ["cars", car]),
        ...kinds.map((kind) => ["kinds", kind]),
        ...Object.entries({ level, text }).flatMap(([name, value]) =>
          value === undefined ? [] : [[name, value]]
        ),
      ]);
      const response = await ask(`${LIVE}?${words}`, signal);
      if (!response.ok || response.body === null) throw new Error(await messageOf(response));
      const parser = new EventParser();
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        waiting.push(...parser.push(value).map((data) => JSON.parse(data)));
        // Nobody can read more; the list itself has the rest.
        if (waiting.length > MAX_ROWS) waiting = waiting.slice(-MAX_ROWS);
      }
    } catch (error) {
      if (!signal.aborted) this.#fail(error);
    } finally {
      clearInterval(showing);
      this.#isReading = false;
      // Something else is wanted.
      if (this.#following && signal.aborted) void this.#read();
    }
  }

  #endStream() {
    this.#stream.abort();
  }

  /** @param {unknown} error */
  #fail(error) {
    const why = error instanceof Error ? error.message : String(error);
    say(this.#note, `The events cannot be had: ${why}`);
  }

  /** @param {EventPage} page */
  #show({ source, events, searchedTo, reachesBackTo }) {
    const isFar = events.length === 0 && this.#next !== null && searchedTo !== null;
    const far = isFar ? `Nothing so far, back to ${formatTime(searchedTo, this.#now())}` : "";
    say(this.#note, far || (this.#events.length === 0 ? "No such event is remembered" : ""));
    const since = reachesBackTo === null ? "" : formatTime(reachesBackTo, this.#now());
    say(
      this.#reach,
      source === "log" && since !== "" ? `The event log reaches back to ${since}.` : "",
    );
    this.#showRows();
  }

  #showRows() {
    const isLonger = this.#next !== null;
    if (this.#more.hidden === isLonger) this.#more.hidden = !isLonger;
    if (this.#events.length > 0) say(this.#note, "");
    this.#table.show(this.#events.map(({ id, at, car, level, kind, text, device, payload }) => ({
      key: id,
      mark: level === "ERROR" || level === "CRITICAL" ? "bad" : "",
      cells: () => {
        const what = make("span", kind === null ? {} : { title: kind }, visible(text));
        if (payload !== null) what.append(" ", makePayload(payload));
        return [
          formatTime(at, this.#now()),
          car === null ? "" : make("a", { href: `#/cars/${encodeURIComponent(car)}` }, car),
          level,
          what,
          device === null ? "" : visible(device),
        ];
      },
    })));
  }
}

/**
 * A button that says whether it is pressed.
 *
 * @param {string} text
 * @param {(pressed: boolean) => void} onPress
 */
export function makeToggle(text, onPress) {
  const button = make("button", { type: "button", "aria-pressed": "false" }, text);
  button.addEventListener("click", () => {
    const pressed = button.getAttribute("aria-pressed") !== "true";
    setAttribute(button, "aria-pressed", String(pressed));
    onPress(pressed);
  });
  return button;
}
