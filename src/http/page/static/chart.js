// @ts-check
/// <reference lib="dom" />
// Response times of the last minute as a small chart: a line for the mean, an area for the longest.
import { makeSvg, setAttribute } from "./dom.js";

/** @typedef {import("../../api/schemas.ts").CarRates} CarRates */

/** Seconds that are kept and drawn. */
export const SECONDS = 60;
const HEIGHT = 20;

/** What the last minute brought, a second each; seconds without a response are null. */
export class History {
  /** @type {(number | null)[]} */
  means = [];
  /** @type {(number | null)[]} */
  maxima = [];

  /** @param {CarRates | undefined} rates undefined when there was nothing */
  add(rates) {
    this.means.push(rates?.responseMeanMs ?? null);
    this.maxima.push(rates?.responseMaxMs ?? null);
    if (this.means.length > SECONDS) {
      this.means.shift();
      this.maxima.shift();
    }
  }

  /** The longest response of the minute, in milliseconds; null when there was none. */
  get longest() {
    let longest = null;
    for (const max of this.maxima) if (max !== null && max > (longest ?? -1)) longest = max;
    return longest;
  }
}

/**
 * The top of a scale: 10 ms or the next round figure, so that small differences look small.
 *
 * @param {number} longestMs
 * @returns {number}
 */
export function scaleTop(longestMs) {
  let top = 10;
  for (const factor of [2, 2.5, 2]) {
    if (longestMs <= top) return top;
    top *= factor;
  }
  return longestMs <= top ? top : 10 * scaleTop(longestMs / 10);
}

/**
 * The line through values, the newest at the right edge; it breaks where there is none.
 *
 * @param {readonly (number | null)[]} values
 * @param {number} top
 * @param {number} [start] where the first one is
 * @returns {string} for the attribute `d` of a path
 */
export function linePath(values, top, start = SECONDS - values.length) {
  const parts = [];
  for (const { from, run } of runs(values, start)) {
    const points = run.map((value, index) => `${from + index} ${height(value, top)}`);
    // A second alone is a short dash.
    if (points.length === 1) points.push(`${from + 0.6} ${height(run[0] ?? 0, top)}`);
    parts.push(`M${points.join("L")}`);
  }
  return parts.join("");
}

/**
 * The area below values.
 *
 * @param {readonly (number | null)[]} values
 * @param {number} top
 * @param {number} [start] where the first one is
 * @returns {string} for the attribute `d` of a path
 */
export function areaPath(values, top, start = SECONDS - values.length) {
  const parts = [];
  for (const { from, run } of runs(values, start)) {
    const points = run.map((value, index) => `${from + index} ${height(value, top)}`);
    parts.push(`M${from} ${HEIGHT}L${points.join("L")}V${HEIGHT}Z`);
  }
  return parts.join("");
}

/** Makes a chart, and draws a history into it as often as wanted. */
export class Chart {
  #area = makeSvg("path", { class: "area" });
  #line = makeSvg("path", { class: "line", "vector-effect": "non-scaling-stroke" });
  /** The figures stand in words beside it. */
  element = makeSvg(
    "svg",
    {
      class: "chart",
      viewBox: `0 0 ${SECONDS - 1} ${HEIGHT}`,
      preserveAspectRatio: "none",
      "aria-hidden": "true",
    },
    this.#area,
    this.#line,
  );

  /**
   * @param {History} history
   * @returns {number} the top of the scale, in milliseconds
   */
  draw(history) {
    const top = scaleTop(history.longest ?? 0);
    setAttribute(this.#area, "d", areaPath(history.maxima, top));
    setAttribute(this.#line, "d", linePath(history.means, top));
    return top;
  }
}

/** A line through numbers, whose scale is what they reach; gone while there are less than two. */
export class ValueChart {
  #line = makeSvg("path", { class: "line", "vector-effect": "non-scaling-stroke" });
  element = makeSvg(
    "svg",
    { class: "chart", preserveAspectRatio: "none", "aria-hidden": "true" },
    this.#line,
  );

  /** @param {readonly number[]} values the newest last */
  draw(values) {
    this.element.toggleAttribute("hidden", values.length < 2);
    setAttribute(this.element, "viewBox", `0 0 ${Math.max(1, values.length - 1)} ${HEIGHT}`);
    const low = Math.min(...values);
    const range = Math.max(...values) - low;
    // Numbers that stay the same are a line in the middle.
    const rising = values.map((value) => range === 0 ? 0.5 : (value - low) / range);
    setAttribute(this.#line, "d", values.length < 2 ? "" : linePath(rising, 1, 0));
  }
}

/**
 * Values without gaps, and where each run starts.
 *
 * @param {readonly (number | null)[]} values
 * @param {number} start
 */
function runs(values, start) {
  /** @type {{from: number, run: number[]}[]} */
  const found = [];
  let open = false;
  values.forEach((value, index) => {
    if (value === null) open = false;
    else if (open) found[found.length - 1]?.run.push(value);
    else {
      found.push({ from: start + index, run: [value] });
      open = true;
    }
  });
  return found;
}

/**
 * @param {number} value
 * @param {number} top
 */
function height(value, top) {
  return (HEIGHT - 1 - (HEIGHT - 2) * value / top).toFixed(1);
}
