// @ts-check
/// <reference lib="dom" />
// What operators have done.
import { make, say } from "./dom.js";
import { formatTime } from "./format.js";
import { operator } from "./operator.js";
import { wayBack, WideTable } from "./view_parts.js";

/** @typedef {import("../../access/audit.ts").AuditedAction} AuditedAction */

const REFRESH_MS = 5000;
const PAGE = 100;
const COLUMNS = ["Time", "Who", "From", "What", "Cars", "Detail", "Result"];

/** The audit list, of all cars or of one. */
export class AuditPage {
  title = "Actions";
  #fleet;
  #car;
  #limit = PAGE;
  #stopped = false;
  #table = new WideTable("Actions", COLUMNS);
  #note = make("p", { class: "empty", role: "status" });
  #more = make("button", { type: "button", hidden: true }, "Show more");
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
    this.#heading = make("h1", { tabindex: "-1" }, car === "" ? "Actions" : `Actions on ${car}`);
    this.element = make(
      "article",
      { class: "one" },
      wayBack(back),
      this.#heading,
      this.#note,
      this.#table.element,
      this.#more,
    );
    this.#more.addEventListener("click", () => {
      this.#limit = Math.min(this.#limit + PAGE, 500);
      void this.#refresh();
    });
    this.#timer = setInterval(() => void this.#refresh(), REFRESH_MS);
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

  async #refresh() {
    if (document.hidden) return;
    try {
      const car = this.#car === "" ? {} : { car: this.#car };
      /** @type {readonly AuditedAction[]} */
      const actions = await operator.call("audit.list", { limit: this.#limit, ...car });
      if (!this.#stopped) this.#show(actions);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      say(this.#note, `The list cannot be had: ${why}`);
    }
  }

  /** @param {readonly AuditedAction[]} actions */
  #show(actions) {
    say(this.#note, actions.length === 0 ? "Nobody has done anything yet" : "");
    this.#more.hidden = actions.length < this.#limit || this.#limit >= 500;
    this.#table.show(actions.map((action) => ({
      key: String(action.id),
      cells: () => {
        const { cars, carCount } = action;
        const more = carCount > 8 ? ` and ${carCount - 8} more` : "";
        return [
          formatTime(action.at, this.#fleet.now()),
          action.who,
          action.from,
          action.action,
          cars.slice(0, 8).join(", ") + more,
          action.detail,
          action.result,
        ];
      },
    })));
  }
}
