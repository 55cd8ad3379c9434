// @ts-check
/// <reference lib="dom" />
// A car on the map and in the list beside it.
import { conditionOf, CONDITIONS } from "./car_condition.js";
import { make, makeIcon, makeSvg, say, setAttribute, setText } from "./dom.js";
import { formatSilence } from "./format.js";
import { project } from "./map_view.js";
import { carHash } from "./row.js";

/** @typedef {import("../../api/schemas.ts").CarSummary} CarSummary */
/** @typedef {import("../../api/schemas.ts").PositionView} PositionView */
/** @typedef {import("./map_plot.js").MapPlot} MapPlot */

/** A position is old after this, in milliseconds. */
const OLD_MS = 60_000;
/** As the server keeps tracks: points, and milliseconds between two. */
const MAX_POINTS = 30;
const POINT_MS = 10_000;

/** A car on the map and in the list. */
export class MapCar {
  #name;
  #position;
  /** @type {readonly (readonly number[])[]} */
  #points = [];
  #pointAt = -Infinity;
  #icon = makeIcon("waiting");
  #word = new Text();
  #where = make("span", {});
  #seen = make("span", {});
  /** @type {import("./car_condition.js").Condition} */
  condition = "waiting";
  /** What is seen of it on the map, unless it is a dot. @type {Mark | null} */
  mark = null;
  item;

  /**
   * @param {string} name
   * @param {PositionView} position
   * @param {() => void} onCenter
   */
  constructor(name, position, onCenter) {
    this.#name = name;
    this.#position = position;
    const center = make(
      "button",
      { type: "button", "aria-label": `Center the map on ${name}` },
      "Center",
    );
    center.addEventListener("click", onCenter);
    this.item = make(
      "li",
      { "data-car": name },
      make("a", { href: carHash(name) }, name),
      center,
      make(
        "p",
        { class: "muted" },
        make("span", { class: "state" }, this.#icon.svg, " ", this.#word),
        " ",
        this.#where,
        " ",
        this.#seen,
      ),
    );
  }

  get spot() {
    return project(this.#position.latitude, this.#position.longitude);
  }

  remove() {
    this.item.remove();
    this.mark?.remove();
  }

  /**
   * @param {boolean} isMarked
   * @param {MapPlot} plot
   */
  setMarked(isMarked, plot) {
    if (isMarked === (this.mark !== null)) return;
    this.mark?.remove();
    this.mark = isMarked ? new Mark(this.#name, plot) : null;
    this.mark?.show(this.condition, false);
    this.showTrack(plot);
  }

  /**
   * Where it was before the page looked.
   *
   * @param {readonly (readonly number[])[]} points
   */
  start(points) {
    this.#points = points;
  }

  /** @param {PositionView} position */
  drive(position) {
    const { latitude, longitude, at } = this.#position;
    const hasMoved = latitude !== position.latitude || longitude !== position.longitude;
    if (hasMoved && at - this.#pointAt >= POINT_MS) {
      this.#points = [...this.#points, [latitude, longitude]].slice(-MAX_POINTS);
      this.#pointAt = at;
    }
    this.#position = position;
  }

  /** @param {MapPlot} plot */
  showTrack(plot) {
    if (this.mark === null) return;
    const { latitude, longitude } = this.#position;
    setAttribute(this.mark.line, "d", plot.track([...this.#points, [latitude, longitude]]));
  }

  /**
   * @param {CarSummary} car
   * @param {number} now
   */
  show(car, now) {
    const { latitude, longitude, at } = this.#position;
    this.condition = conditionOf(car);
    this.mark?.show(this.condition, now - at > OLD_MS);
    setAttribute(this.item, "data-condition", this.condition);
    setAttribute(this.#icon.use, "href", `#icon-${this.condition}`);
    setText(this.#word, CONDITIONS[this.condition].word);
    say(this.#where, `${latitude.toFixed(5)}, ${longitude.toFixed(5)}`);
    const silence = formatSilence(now - at);
    say(this.#seen, silence === "now" ? "" : `${silence} ago`);
  }
}

/** A car with its name, and where it was. */
class Mark {
  #icon = makeIcon("waiting");
  line = makeSvg("path", { "vector-effect": "non-scaling-stroke" });
  element;

  /**
   * @param {string} name
   * @param {MapPlot} plot
   */
  constructor(name, plot) {
    this.element = make(
      "a",
      { href: carHash(name), tabindex: "-1", class: "mark", draggable: "false", "data-car": name },
      this.#icon.svg,
      make("b", {}, name),
    );
    plot.add(this.element, this.line);
  }

  remove() {
    this.element.remove();
    this.line.remove();
  }

  /**
   * @param {import("./car_condition.js").Condition} condition
   * @param {boolean} isOld
   */
  show(condition, isOld) {
    setAttribute(this.element, "data-condition", condition);
    setAttribute(this.element, "data-old", String(isOld));
    setAttribute(this.#icon.use, "href", `#icon-${condition}`);
  }
}
