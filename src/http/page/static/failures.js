// @ts-check
/// <reference lib="dom" />
// The latest failures of all cars: as a list that is seen, and as words for a screen reader.
import { keepChildren, make, makeIcon, say } from "./dom.js";
import { counted, formatTime } from "./format.js";
import { carHash } from "./row.js";
import { failureText, NEWS_MS, reasonOf } from "./words.js";

/** @typedef {import("../../api.ts").FailureView} FailureView */
/** @typedef {import("./fleet.js").CarFailure} CarFailure */

/** Nobody can listen to more. */
const ANNOUNCE_MS = 5000;
const NAMED = 3;

/** A few lines that are only there while there is news. */
export class FailureList {
  element = make("ul", { class: "latest", "aria-label": "Latest failures", hidden: true });

  /**
   * @param {readonly CarFailure[]} latest
   * @param {number} now
   */
  show(latest, now) {
    const news = latest.filter(({ failure }) => now - failure.at < NEWS_MS);
    if (this.element.hidden !== (news.length === 0)) this.element.hidden = news.length === 0;
    const keyOf = (/** @type {CarFailure} */ { car, failure }) => `${car} ${failure.at}`;
    keepChildren(this.element, news, keyOf, ({ car, failure }) =>
      make(
        "li",
        { title: failure.advice },
        makeIcon("failed").svg,
        make("span", { class: "when" }, formatTime(failure.at, now)),
        " ",
        make("a", { href: carHash(car) }, car),
        " ",
        failureText(failure),
      ));
  }
}

/** Says failures aloud, many at once as one sentence. */
export class Announcer {
  /** @type {Map<string, string>} */
  #waiting = new Map();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {HTMLElement} */
  #region;

  /** @param {HTMLElement} region a live region */
  constructor(region) {
    this.#region = region;
  }

  /** @param {ReadonlyMap<string, FailureView>} failures by car */
  add(failures) {
    for (const [car, failure] of failures) this.#waiting.set(car, reasonOf(failure));
    if (this.#timer === undefined) this.#speak();
  }

  #speak() {
    this.#timer = undefined;
    if (this.#waiting.size === 0) return;
    say(this.#region, sentence([...this.#waiting]));
    this.#waiting.clear();
    this.#timer = setTimeout(() => this.#speak(), ANNOUNCE_MS);
  }
}

/**
 * @param {readonly [string, string][]} failed cars and why
 * @returns {string}
 */
export function sentence(failed) {
  const [first] = failed;
  if (failed.length === 1 && first !== undefined) return `${first[0]} failed: ${first[1]}`;
  const named = failed.slice(0, NAMED).map(([car]) => car).join(", ");
  const more = failed.length > NAMED ? ` and ${failed.length - NAMED} more` : "";
  return `${counted(failed.length, "car")} failed: ${named}${more}`;
}
