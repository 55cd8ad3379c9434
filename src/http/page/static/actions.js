// @ts-check
/// <reference lib="dom" />
// What an operator can do to cars: buttons, a question before it, and what came of it.
import { Dialog } from "./dialog.js";
import { make, say } from "./dom.js";
import { counted, formatTime } from "./format.js";
import { operator } from "./operator.js";

/** @typedef {import("../../api/schemas.ts").OperatedCars} OperatedCars */
/** @typedef {import("../../api/schemas.ts").PauseView} PauseView */
/** @typedef {"pause" | "resume" | "restart"} Action */

/** Names in a question or an answer; the rest are counted. */
const NAMED = 8;

/** @type {Readonly<Record<Action, {word: string, done: string, unchanged: string, note: string}>>} */
const ACTIONS = {
  pause: {
    word: "Pause",
    done: "Paused",
    unchanged: "Paused already",
    note: "The session ends, and no gateway is answered until the car is resumed.",
  },
  resume: {
    word: "Resume",
    done: "Resumed",
    unchanged: "Not paused",
    note: "The gateway connects again by itself.",
  },
  restart: {
    word: "Restart",
    done: "Restarted",
    unchanged: "Not restarted, as paused",
    note: "The session ends, and the gateway connects again.",
  },
};

/** Buttons for the cars that are chosen; gone for those who may not act. */
export class Actions {
  #cars;
  #count = make("span", { class: "count" });
  #result = make("p", { class: "result", role: "status" });
  #dialog = new Dialog();
  #buttons;
  element;

  /**
   * @param {string} label
   * @param {() => readonly string[]} cars which are chosen
   * @param {boolean} counts whether it says how many
   */
  constructor(label, cars, counts) {
    this.#cars = cars;
    this.#buttons = /** @type {Action[]} */ (Object.keys(ACTIONS)).map((action) => {
      const button = make("button", { type: "button" }, ACTIONS[action].word);
      button.addEventListener("click", () => this.#ask(action, this.#cars()));
      return button;
    });
    const group = make("div", { class: "actions", role: "group", "aria-label": label });
    if (counts) group.append(this.#count);
    group.append(...this.#buttons);
    this.element = make("div", { hidden: true }, group, this.#result, this.#dialog.element);
    this.update();
  }

  /** Shows what is chosen now. */
  update() {
    const { length } = this.#cars();
    this.element.hidden = !operator.mayOperate;
    say(this.#count, length === 0 ? "Select cars to act on them" : `${length} selected`);
    for (const button of this.#buttons) button.disabled = length === 0;
  }

  /**
   * @param {Action} action
   * @param {readonly string[]} cars
   */
  #ask(action, cars) {
    const { word, note } = ACTIONS[action];
    const what = cars.length === 1 ? cars[0] ?? "" : counted(cars.length, "car");
    this.#dialog.ask({
      title: `${word} ${what}?`,
      texts: [
        make("p", {}, note),
        ...(cars.length > 1 ? [make("p", { class: "muted" }, namesText(cars))] : []),
      ],
      fields: [{ name: "reason", label: "Reason (optional)", maxlength: 200 }],
      word,
    }, ({ reason = "" }) => void this.#act(action, cars, reason));
  }

  /**
   * @param {Action} action
   * @param {readonly string[]} cars
   * @param {string} reason
   */
  async #act(action, cars, reason) {
    say(this.#result, "Working");
    this.#result.classList.remove("problem");
    try {
      const params = { cars, ...(reason === "" ? {} : { reason }) };
      say(this.#result, resultText(action, await operator.call(`fleet.${action}`, params)));
    } catch (error) {
      this.#result.classList.add("problem");
      const why = error instanceof Error ? error.message : String(error);
      say(this.#result, `Cannot ${action} ${namesText(cars)}: ${why}`);
    }
  }
}

/**
 * What came of an action, such as `Paused: car_1, car_2. Paused already: car_3.`
 *
 * @param {Action} action
 * @param {OperatedCars} operated
 */
export function resultText(action, { cars, kept }) {
  const { done, unchanged } = ACTIONS[action];
  const words = { done, unchanged, no_such_car: "Not in the configuration any more" };
  const sentences = Object.entries(words).flatMap(([result, word]) => {
    const names = cars.filter((one) => one.result === result).map(({ car }) => car);
    return names.length === 0 ? [] : [`${word}: ${namesText(names)}.`];
  });
  if (!kept) {
    sentences.push(
      action === "pause"
        ? "The server forgets this when it restarts."
        : "This is not on the server's disk.",
    );
  }
  return sentences.join(" ");
}

/**
 * Such as `Paused by desk 14:02:11: brakes`.
 *
 * @param {PauseView} pause
 * @param {number} now
 */
export function pauseText({ by, at, reason, kept }, now) {
  const why = reason === "" ? "" : `: ${reason}`;
  const lost = kept ? "" : " (until the server restarts)";
  return `Paused by ${by} ${formatTime(at, now)}${why}${lost}`;
}

/** @param {readonly string[]} names */
function namesText(names) {
  const more = names.length - NAMED;
  return names.slice(0, NAMED).join(", ") + (more > 0 ? ` and ${more} more` : "");
}
