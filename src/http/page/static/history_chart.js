// @ts-check
/// <reference lib="dom" />
// Response times and states of the last hour or day, with a time axis.
import { areaPath, linePath, scaleTop } from "./chart.js";
import { keepChildren, make, makeSvg, say, setAttribute } from "./dom.js";
import { counted, formatClock, formatMs, formatSpan } from "./format.js";

/** @typedef {import("../../api/schemas.ts").HistoryView} HistoryView */
/** @typedef {HistoryView["points"][number]} Point */

/** Sections of the time axis. */
const SECTIONS = 4;
const CHART_HEIGHT = 20;
const BAND_HEIGHT = 2;

/**
 * The points of a whole span; null where nothing is known.
 *
 * @param {HistoryView} history
 * @param {number} length
 * @returns {(Point | null)[]} the newest last
 */
export function filled({ points, stepMs, at }, length) {
  const byTime = new Map(points.map((point) => [point.at, point]));
  const last = Math.floor(at / stepMs) * stepMs;
  return Array.from(
    { length },
    (_, index) => byTime.get(last - (length - 1 - index) * stepMs) ?? null,
  );
}

/**
 * What a point counts as: a state of health, for the fleet whether any car was in trouble.
 *
 * @param {Point | null} point
 */
export function stateOf(point) {
  if (point === null) return "unknown";
  return point.health ?? ((point.troubled ?? 0) > 0 ? "degraded" : "healthy");
}

/**
 * Points without a break in their state.
 *
 * @param {readonly (Point | null)[]} points
 * @returns {{state: string, from: number, length: number}[]}
 */
export function runsOf(points) {
  /** @type {{state: string, from: number, length: number}[]} */
  const runs = [];
  points.forEach((point, from) => {
    const state = stateOf(point);
    const last = runs.at(-1);
    if (last?.state === state) last.length++;
    else runs.push({ state, from, length: 1 });
  });
  return runs;
}

/** A chart that is drawn as often as wanted. */
export class HistoryChart {
  #area = makeSvg("path", { class: "area" });
  #line = makeSvg("path", { class: "line", "vector-effect": "non-scaling-stroke" });
  #band = makeSvg("g", {});
  #svg = makeSvg(
    "svg",
    { class: "chart", preserveAspectRatio: "none", "aria-hidden": "true" },
    this.#area,
    this.#line,
    this.#band,
  );
  #axis = make("div", { class: "axis", "aria-hidden": "true" });
  #words = make("figcaption", {});
  element = make("figure", { class: "history" }, this.#svg, this.#axis, this.#words);

  /**
   * @param {HistoryView} history
   * @param {number} length how many points a whole span has
   */
  draw(history, length) {
    const points = filled(history, length);
    const longest = Math.max(0, ...points.map((point) => point?.responseMaxMs ?? 0));
    const top = scaleTop(longest);
    setAttribute(this.#svg, "viewBox", `0 0 ${length} ${CHART_HEIGHT + BAND_HEIGHT}`);
    const maxima = points.map((point) => point?.responseMaxMs ?? null);
    const means = points.map((point) => point?.responseMeanMs ?? null);
    setAttribute(this.#area, "d", areaPath(maxima, top, 0));
    setAttribute(this.#line, "d", linePath(means, top, 0));
    keepChildren(
      this.#band,
      runsOf(points),
      ({ state, from, length }) => `${state} ${from} ${length}`,
      ({ state, from, length }) =>
        makeSvg("rect", {
          class: `band ${state}`,
          x: `${from}`,
          y: `${CHART_HEIGHT}`,
          width: `${length}`,
          height: `${BAND_HEIGHT}`,
        }),
    );
    const spanMs = length * history.stepMs;
    const ticks = Array.from(
      { length: SECTIONS + 1 },
      (_, index) => formatClock(history.at - spanMs * (1 - index / SECTIONS)).slice(0, 5),
    );
    say(this.#axis, "");
    this.#axis.replaceChildren(...ticks.map((text) => make("span", {}, text)));
    say(this.#words, wordsOf(points, history.stepMs, longest));
  }
}

/**
 * The chart in words.
 *
 * @param {readonly (Point | null)[]} points
 * @param {number} stepMs
 * @param {number} longest
 */
function wordsOf(points, stepMs, longest) {
  const known = points.filter((point) => point !== null);
  if (known.length === 0) return "Nothing is known of this time.";
  const statuses = known.reduce((sum, point) => sum + point.statuses, 0);
  const lasting = (/** @type {string} */ state) =>
    points.filter((point) => stateOf(point) === state).length * stepMs;
  const states = ["down", "degraded", "waiting", "paused"]
    .filter((state) => lasting(state) > 0)
    .map((state) => `${state} for about ${formatSpan(lasting(state))}`);
  const response = statuses === 0 ? "" : `; longest response ${formatMs(longest)}`;
  return `${counted(statuses, "status", "statuses")}${response}` +
    `${states.length === 0 ? "" : `; ${states.join(", ")}`}. Line: mean response time, area: ` +
    `longest, band: states.`;
}
