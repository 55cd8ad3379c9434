// @ts-check
/// <reference lib="dom" />
// Which configuration is in use, from where and why.
import { make, say } from "./dom.js";
import { formatSpan, formatTime } from "./format.js";
import { operator } from "./operator.js";
import { wayBack, WideTable } from "./view_parts.js";

/** @typedef {import("../../api/config_source.ts").ConfigSourceView} ConfigSourceView */

const REFRESH_MS = 2000;

const ORIGINS = {
  remote: "the source",
  cache: "the cache, the last good one",
  previous: "the cache, the one before the last good one",
  local: "the local file",
};

/** @param {{ readonly hash: string; readonly version: number | null }} document */
export function documentText({ hash, version }) {
  const short = hash.slice(0, 12);
  return version === null ? short : `version ${version} (${short})`;
}

/**
 * What is known, as pairs of what and which.
 *
 * @param {ConfigSourceView} view
 * @param {number} now
 * @returns {readonly (readonly [what: string, text: string])[]}
 */
export function sourceLines({ url, live, trial, good, previous, pin, lastPull }, now) {
  /** @type {(readonly [string, string])[]} */
  const lines = [];
  if (live !== null) {
    lines.push(
      ["In use", documentText(live)],
      ["From", ORIGINS[live.origin]],
      ["Because", live.why],
      ["Age", formatSpan(live.ageSeconds * 1000)],
    );
  }
  if (trial !== null) {
    const who = trial.phase === "canary" ? "its canary" : "all cars";
    const end = trial.endsAt === null ? "" : `, until ${formatTime(trial.endsAt, now)}`;
    const running = `${trial.running} RUNNING, before ${trial.runningBefore}`;
    lines.push(["On probation", `${documentText(trial)} with ${who}: ${running}${end}`]);
  }
  if (pin !== null) {
    lines.push(["Held", `${pin.hash.slice(0, 12)} by ${pin.by}, ${formatTime(pin.at, now)}`]);
  }
  if (good !== null) lines.push(["Last good", documentText(good)]);
  if (previous !== null) lines.push(["The one before", documentText(previous)]);
  lines.push(["Source", url]);
  if (lastPull !== null) {
    const result = lastPull.failure ?? "done";
    lines.push(["Last look", `${formatTime(lastPull.at, now)}: ${result}`]);
  }
  return lines;
}

/** The configuration's source. */
export class ConfigPage {
  title = "Configuration";
  #stopped = false;
  #heading = make("h1", { tabindex: "-1" }, "Configuration");
  #note = make("p", { class: "empty", role: "status" });
  #known = new WideTable("Configuration in use", ["What", "Which"]);
  #refused = new WideTable("Refused", ["Refused", "Time", "Why"]);
  #fleet;
  #timer;
  element;

  /**
   * @param {import("./fleet.js").Fleet} fleet
   * @param {string} back where the list of all cars is
   */
  constructor(fleet, back) {
    this.#fleet = fleet;
    this.element = make(
      "article",
      { class: "one" },
      wayBack(back),
      this.#heading,
      this.#note,
      this.#known.element,
      this.#refused.element,
    );
    this.#timer = setInterval(() => void this.#refresh(), REFRESH_MS);
    this.#show(null);
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
      /** @type {ConfigSourceView | null} */
      const view = await operator.call("config.source", {});
      if (this.#stopped) return;
      say(this.#note, view === null ? "The configuration is a local file, nothing is pulled" : "");
      this.#show(view);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      say(this.#note, `It cannot be had: ${why}`);
    }
  }

  /** @param {ConfigSourceView | null} view */
  #show(view) {
    const now = this.#fleet.now();
    this.#known.element.hidden = view === null;
    this.#refused.element.hidden = view === null || view.refused.length === 0;
    if (view === null) return;
    this.#known.show(
      sourceLines(view, now).map(([what, text]) => ({
        key: `${what}: ${text}`,
        cells: () => [what, text],
      })),
    );
    this.#refused.show(
      [...view.refused].reverse().map((one) => ({
        key: `${one.hash} ${one.at}`,
        cells: () => [documentText(one), formatTime(one.at, now), one.why],
      })),
    );
  }
}
