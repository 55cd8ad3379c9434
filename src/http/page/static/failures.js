// @ts-check
/// <reference lib="dom" />
// The latest failures of all cars: as a list that is seen, and as words for a screen reader.
import { keepChildren, make, makeIcon, say, setAttribute, setText } from "./dom.js";
import { counted, formatTime } from "./format.js";
import { carHash } from "./row.js";
import { failureText, NEWS_MS } from "./car_condition.js";

/** @typedef {import("../../api/schemas.ts").FailureView} FailureView */
/** @typedef {import("./fleet.js").CarFailure} CarFailure */

/** Nobody can listen to more. */
const ANNOUNCE_MS = 5000;
const NAMED = 3;

/** A few lines that are only there while there is news. */
export class FailureList {
  element = make("ul", { class: "latest", "aria-label": "Latest failures", hidden: true });
  /** One for each car, kept while it is news, so that its link keeps the focus. */
  #lines = /** @type {Map<string, Line>} */ (new Map());

  /**
   * @param {readonly CarFailure[]} latest
   * @param {number} now
   */
  show(latest, now) {
    const news = latest.filter(({ failure }) => now - failure.at < NEWS_MS);
    if (this.element.hidden !== (news.length === 0)) this.element.hidden = news.length === 0;
    const before = this.#lines;
    this.#lines = new Map(news.map(({ car }) => [car, before.get(car) ?? new Line(car)]));
    for (const { car, failure } of news) this.#lines.get(car)?.show(failure, now);
    keepChildren(
      this.element,
      news,
      ({ car }) => car,
      ({ car }) => /** @type {Line} */ (this.#lines.get(car)).element,
    );
  }
}

/** The newest failure of one car. */
class Line {
  #when = new Text();
  #text = new Text();
  element;

  /** @param {string} car */
  constructor(car) {
    this.element = make(
      "li",
      {},
      makeIcon("failed").svg,
      make("span", { class: "when" }, this.#when),
      " ",
      make("a", { href: carHash(car) }, car),
      " ",
      this.#text,
    );
  }

  /**
   * @param {FailureView} failure
   * @param {number} now
   */
  show(failure, now) {
    setText(this.#when, formatTime(failure.at, now));
    setText(this.#text, failureText(failure));
    setAttribute(this.element, "title", failure.advice);
  }
}

/**
 * Says failures aloud, many at once as one sentence. What a car suffers again and again is said once,
 * until it has been quiet for a while.
 */
export class Announcer {
  /** @type {Map<string, string>} */
  #waiting = new Map();
  /** What cars have suffered lately. @type {Map<string, {title: string, at: number}>} */
  #known = new Map();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {HTMLElement} */
  #region;

  /** @param {HTMLElement} region a live region */
  constructor(region) {
    this.#region = region;
  }

  /**
   * @param {ReadonlyMap<string, FailureView>} failures by car
   * @param {number} now
   */
  add(failures, now) {
    for (const [car, { at }] of this.#known) if (now - at > NEWS_MS) this.#known.delete(car);
    for (const [car, failure] of failures) {
      const { title } = failure;
      if (this.#known.get(car)?.title !== title) this.#waiting.set(car, title);
      this.#known.set(car, { title, at: now });
    }
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
