// @ts-check
/// <reference lib="dom" />
// What became of the commands of the fleet or of one car, as it happens.
import { make, say } from "./dom.js";
import { formatMs, formatTime } from "./format.js";
import { operator } from "./operator.js";
import { makePayload, visible } from "./payload.js";
import { wayBack, WideTable } from "./view_parts.js";

/** @typedef {import("../../api/commands.ts").CommandsEvent} CommandsEvent */
/** @typedef {import("../../api/commands.ts").LedgerCommandView} LedgerCommandView */

/** What was missed shows up at the latest then. */
const REFRESH_MS = 10_000;
const PAGE = 100;
/** Commands that are shown at a time; those that scroll off are still in the log. */
const MAX_SHOWN = 2000;
/** Changes that wait for the first answer; it, or the one after it, tells the others. */
const MAX_EARLY = 1000;
const COLUMNS = ["Time", "Car", "Device", "State", "After", "What became of it", "Data"];
/** States that somebody should look at. */
const BAD = new Set(["refused", "expired", "dropped", "lost"]);

/** The list, of all cars or of one. */
export class CommandsPage {
  title = "Commands";
  #fleet;
  #car;
  /** @type {Map<string, LedgerCommandView>} */
  #commands = new Map();
  /** Changes of commands that no answer has told yet. @type {CommandsEvent["changes"][number][]} */
  #early = [];
  #isLoaded = false;
  #asking = false;
  #again = false;
  /** Where older ones begin. @type {string | null} */
  #next = null;
  #stopped = false;
  #table = new WideTable("Commands", COLUMNS);
  #note = make("p", { class: "empty", role: "status" });
  #more = make("button", { type: "button", hidden: true }, "Show older");
  #heading;
  #timer;
  element;

  /**
   * @param {import("./fleet.js").Fleet} fleet
   * @param {string} car empty: all
   * @param {string} back where the list of all cars is
   */
  constructor(fleet, car, back) {
    this.#fleet = fleet;
    this.#car = car;
    this.#heading = make("h1", { tabindex: "-1" }, car === "" ? "Commands" : `Commands of ${car}`);
    this.element = make(
      "article",
      { class: "one" },
      wayBack(back),
      this.#heading,
      this.#note,
      this.#table.element,
      this.#more,
    );
    this.#more.addEventListener("click", () => void this.#showOlder());
    this.#timer = setInterval(() => void this.#refresh(), REFRESH_MS);
    void this.#refresh();
  }

  focus() {
    this.#heading.focus();
  }

  tick() {}

  stop() {
    this.#stopped = true;
    clearInterval(this.#timer);
  }

  /** @param {import("./fleet.js").Changes} changes */
  update({ fleet, commands, missedCommands }) {
    const own = commands.filter(({ car }) => this.#car === "" || car === this.#car);
    if (!this.#isLoaded) this.#early = [...this.#early, ...own].slice(0, MAX_EARLY);
    else if (own.length > 0) {
      for (const change of own) this.#apply(change);
      this.#show();
    }
    // The connection was lost, or there was too much to tell.
    if (fleet || missedCommands > 0) void this.#refresh();
  }

  /** Asks for the newest ones. */
  async #refresh() {
    if (document.hidden) return;
    if (this.#asking) {
      this.#again = true;
      return;
    }
    this.#asking = true;
    try {
      const page = await this.#ask({});
      if (this.#stopped) return;
      const isFirst = !this.#isLoaded;
      this.#isLoaded = true;
      for (const command of page.commands) this.#take(command);
      for (const change of this.#early.splice(0)) this.#apply(change);
      if (isFirst) this.#next = page.next;
      this.#show();
    } catch (error) {
      this.#refused(error);
    }
    this.#asking = false;
    if (this.#again && !this.#stopped) {
      this.#again = false;
      void this.#refresh();
    }
  }

  async #showOlder() {
    if (this.#next === null) return;
    this.#more.disabled = true;
    try {
      const page = await this.#ask({ before: this.#next });
      if (this.#stopped) return;
      for (const command of page.commands) this.#take(command);
      this.#next = page.next;
      this.#show();
    } catch (error) {
      this.#refused(error);
    }
    this.#more.disabled = false;
  }

  /**
   * @param {{before?: string}} place
   * @returns {Promise<{commands: readonly LedgerCommandView[], next: string | null}>}
   */
  #ask(place) {
    const car = this.#car === "" ? {} : { car: this.#car };
    return operator.call("commands.list", { limit: PAGE, ...car, ...place });
  }

  /** @param {unknown} error */
  #refused(error) {
    const why = error instanceof Error ? error.message : String(error);
    say(this.#note, `The commands cannot be had: ${why}`);
  }

  /** The log may be behind what was told already. @param {LedgerCommandView} command */
  #take(command) {
    const known = this.#commands.get(command.id);
    if (known !== undefined && known.changes.length > command.changes.length) return;
    this.#commands.set(command.id, command);
  }

  /** @param {CommandsEvent["changes"][number]} change */
  #apply({ id, car, device, data, ...change }) {
    const known = this.#commands.get(id);
    if (known === undefined) {
      if (data === null) return;
      this.#commands.set(id, { id, car, device, data, state: change.state, changes: [change] });
      return;
    }
    const { state, at, counter } = change;
    const isTold = known.changes.some((old) =>
      old.state === state && old.at === at && old.counter === counter
    );
    if (isTold) return;
    this.#commands.set(id, { ...known, state, changes: [...known.changes, change] });
  }

  #show() {
    const all = [...this.#commands.values()].sort(newestFirst);
    for (const { id } of all.splice(MAX_SHOWN)) this.#commands.delete(id);
    say(this.#note, all.length === 0 ? "No command yet" : "");
    this.#more.hidden = this.#next === null || all.length >= MAX_SHOWN;
    this.#table.element.hidden = all.length === 0;
    const now = this.#fleet.now();
    this.#table.show(all.map((command) => {
      const { id, car, device, data, state, changes } = command;
      const last = changes.at(-1);
      return {
        key: `${id} ${changes.length} ${state}`,
        mark: BAD.has(state) ? "bad" : "",
        cells: () => [
          formatTime(beganAt(command), now),
          make("a", { href: `#/cars/${encodeURIComponent(car)}` }, car),
          visible(device),
          state,
          last === undefined ? "" : formatMs(last.at - beganAt(command)),
          changes.map((change) => changeText(change, now)).join(", "),
          makePayload(data),
        ],
      };
    }));
  }
}

/** @param {LedgerCommandView} command */
function beganAt({ changes }) {
  return changes[0]?.at ?? 0;
}

/**
 * @param {LedgerCommandView} one
 * @param {LedgerCommandView} other
 */
function newestFirst(one, other) {
  return beganAt(other) - beganAt(one) || numberOf(other) - numberOf(one);
}

/** @param {LedgerCommandView} command */
function numberOf({ id }) {
  return Number(id.slice(id.lastIndexOf("/") + 1));
}

/**
 * Such as `sent as 5 at 10:00:01`.
 *
 * @param {LedgerCommandView["changes"][number]} change
 * @param {number} now
 */
function changeText({ state, at, counter, why }, now) {
  const as = state === "sent" && counter !== null ? ` as ${counter}` : "";
  const because = why === null ? "" : ` (${why})`;
  return `${state}${as} at ${formatTime(at, now)}${because}`;
}
