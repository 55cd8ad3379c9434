// @ts-check
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
// The latest incidents of all cars: as a list that is seen, and as words for a screen reader.
import { Dialog } from "./dialog.js";
import { keepChildren, make, makeIcon, say, setAttribute, setText } from "./dom.js";
import { counted, formatTime } from "./format.js";
import { carHash } from "./row.js";
import { operator } from "./operator.js";
import { incidentText, isNews } from "./car_condition.js";

/** @typedef {import("../../api/schemas.ts").IncidentView} IncidentView */

/** Nobody can listen to more. */
const ANNOUNCE_MS = 5000;
const NAMED = 3;

/** A few lines that are only there while there is news. */
export class IncidentList {
  #list = make("ul", { class: "latest", "aria-label": "Latest incidents" });
  #problem = make("p", { class: "result problem", role: "status" });
  #dialog = new Dialog();
  element = make("div", { hidden: true }, this.#list, this.#problem, this.#dialog.element);
  /** One for each incident, kept while it is news, so that its links keep the focus. */
  #lines = /** @type {Map<number, Line>} */ (new Map());

  /**
   * @param {readonly IncidentView[]} latest
   * @param {number} now
   */
  show(latest, now) {
    const news = latest.filter((incident) => isNews(incident, now));
    if (this.element.hidden !== (news.length === 0)) this.element.hidden = news.length === 0;
    const before = this.#lines;
    this.#lines = new Map(news.map(({ id }) => [id, before.get(id) ?? this.#line()]));
    for (const incident of news) this.#lines.get(incident.id)?.show(incident, now);
    keepChildren(
      this.#list,
      news,
      ({ id }) => String(id),
      ({ id }) => /** @type {Line} */ (this.#lines.get(id)).element,
    );
  }

  #line() {
    return new Line((incident) => {
      const name = { name: "name", label: "Your name", value: operator.name, maxlength: 100 };
      this.#dialog.ask({
        title: "Acknowledge the incident?",
        texts: [make("p", {}, incident.text), make("p", { class: "muted" }, incident.advice)],
        fields: [
          { ...name, required: true },
          { name: "note", label: "Note (optional)", maxlength: 1000 },
        ],
        word: "Acknowledge",
      }, (values) => void this.#acknowledge(incident.id, values));
    });
  }

  /**
   * @param {number} id
   * @param {Readonly<Record<string, string>>} by name and note
   */
  async #acknowledge(id, { name, note }) {
    try {
      await operator.call("incident.acknowledge", { id, name, note });
      say(this.#problem, "");
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      say(this.#problem, `Cannot acknowledge the incident: ${why}`);
    }
  }
}

/** One incident. */
class Line {
  #when = new Text();
  #cars = make("span", {});
  #text = new Text();
  #button = make("button", { type: "button", hidden: true }, "Acknowledge");
  /** @type {IncidentView | null} */
  #incident = null;
  element = make(
    "li",
    {},
    makeIcon("failed").svg,
    make("span", { class: "when" }, this.#when),
    " ",
    this.#cars,
    ": ",
    this.#text,
    " ",
    this.#button,
  );

  /** @param {(incident: IncidentView) => void} onTake called when somebody wants to acknowledge it */
  constructor(onTake) {
    this.#button.addEventListener("click", () => {
      if (this.#incident !== null) onTake(this.#incident);
    });
  }

  /**
   * @param {IncidentView} incident
   * @param {number} now
   */
  show(incident, now) {
    this.#incident = incident;
    const mayTake = operator.mayOperate && incident.acknowledged === null;
    if (this.#button.hidden === mayTake) this.#button.hidden = !mayTake;
    setText(this.#when, formatTime(incident.beganAt, now));
    keepChildren(this.#cars, carsOf(incident), ({ word }) => word, ({ car, word }) => {
      return car === null ? make("span", {}, word) : make("a", { href: carHash(car) }, word);
    });
    setText(this.#text, incidentText(incident, now));
    setAttribute(this.element, "title", incident.advice);
    setAttribute(this.element, "data-over", String(incident.endedAt !== null));
  }
}

/**
 * The one that it is about, with a link, or how many there are.
 *
 * @param {IncidentView} incident
 */
function carsOf({ cars, carCount, culprit }) {
  const [first = ""] = cars;
  const car = culprit?.car ?? (carCount === 1 ? first : null);
  if (car === null) return [{ car, word: counted(carCount, "car") }];
  const others = carCount - (cars.includes(car) ? 1 : 0);
  const along = others > 0 ? [{ car: null, word: ` and ${counted(others, "car")} with it` }] : [];
  return [{ car, word: car }, ...along];
}

/** Says new incidents aloud, many at once as one sentence. */
export class Announcer {
  /** @type {Map<number, IncidentView>} */
  #waiting = new Map();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {HTMLElement} */
  #region;

  /** @param {HTMLElement} region a live region */
  constructor(region) {
    this.#region = region;
  }

  /** @param {readonly IncidentView[]} incidents that have begun */
  add(incidents) {
    for (const incident of incidents) this.#waiting.set(incident.id, incident);
    if (this.#timer === undefined) this.#speak();
  }

  #speak() {
    this.#timer = undefined;
    if (this.#waiting.size === 0) return;
    say(this.#region, sentence([...this.#waiting.values()]));
    this.#waiting.clear();
    this.#timer = setTimeout(() => this.#speak(), ANNOUNCE_MS);
  }
}

/**
 * @param {readonly IncidentView[]} incidents
 * @returns {string}
 */
export function sentence(incidents) {
  const said = incidents.slice(0, NAMED).map((incident) => {
    return `${carsOf(incident).map(({ word }) => word).join("")}: ${incident.text}`;
  });
  const more = incidents.length > NAMED ? ` and ${incidents.length - NAMED} more` : "";
  const count = incidents.length === 1 ? "" : `${counted(incidents.length, "incident")}: `;
  return count + said.join("; ") + more;
}
