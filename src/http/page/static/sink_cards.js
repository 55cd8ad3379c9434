// @ts-check
/// <reference lib="dom" />
// Sinks of events: what waits for each, how it does, and what operators can do about it.
import { Dialog } from "./dialog.js";
import { make, say } from "./dom.js";
import { counted, formatCount, formatSpan, formatTime } from "./format.js";
import { operator } from "./operator.js";

/** @typedef {import("../../api/sinks.ts").SinkView} SinkView */
/** @typedef {NonNullable<SinkView["replay"]>} ReplayView */

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];
const HOUR = 3_600_000;
const FIELDS = ["Target", "Waiting", "Rate", "Trouble", "Missed", "Replay"];

/** @param {number} bytes */
export function formatBytes(bytes) {
  let unit = 0;
  let value = bytes;
  for (; value >= 1000 && unit < UNITS.length - 1; unit++) value /= 1024;
  return `${value < 10 && unit > 0 ? value.toFixed(1) : value.toFixed(0)}\u00a0${UNITS[unit]}`;
}

/**
 * Such as `12 records, 3.1 KiB, the oldest for 8 s`.
 *
 * @param {SinkView["lag"]} lag
 */
export function lagText({ records, bytes, seconds }) {
  if (records === 0) return "nothing";
  const size = `${counted(records, "record")}, ${formatBytes(bytes)}`;
  return `${size}, the oldest for ${formatSpan(seconds * 1000)}`;
}

/**
 * Why, since when, and when it is tried again; empty: all is well.
 *
 * @param {SinkView} sink
 * @param {number} now
 */
export function troubleText({ trouble, failures, failingSince, nextAttemptAt }, now) {
  if (trouble === null) return "";
  const since = failingSince === null ? "" : ` since ${formatTime(failingSince, now)}`;
  const next = nextAttemptAt === null
    ? "trying now"
    : `next attempt in ${formatSpan(Math.max(0, nextAttemptAt - now))}`;
  return `${trouble} (${counted(failures, "failure")}${since}, ${next})`;
}

/**
 * @param {ReplayView | null} replay
 * @param {number} now
 */
export function replayText(replay, now) {
  if (replay === null) return "";
  const { from, to, cars, state, records, passed, trouble } = replay;
  const span = [
    ...(from === null ? [] : [`from ${formatTime(from, now)}`]),
    ...(to === null ? [] : [`to ${formatTime(to, now)}`]),
    ...(cars === null ? [] : [`of ${cars.slice(0, 8).join(", ")}`]),
  ].join(" ");
  const why = trouble === null ? "" : `: ${trouble}`;
  const share = records === 0 ? 100 : Math.floor(100 * passed / records);
  const what = `${state}, ${formatCount(passed)} of ${formatCount(records)} records (${share} %)`;
  return `${what}${span === "" ? "" : `, ${span}`}${why}`;
}

/** One sink; stays in place while its figures change. */
class SinkCard {
  #name;
  #state = make("span", { class: "sink-state" });
  #values = FIELDS.map(() => make("dd"));
  #result = make("p", { class: "result", role: "status" });
  #drain = make("button", { type: "button" }, "Deliver now");
  #replay = make("button", { type: "button" }, "Deliver again");
  #cancel = make("button", { type: "button" }, "Cancel the replay");
  #actions;
  element;

  /**
   * @param {string} name
   * @param {Dialog} dialog
   * @param {() => Promise<void>} refresh
   */
  constructor(name, dialog, refresh) {
    this.#name = name;
    const label = `Actions on ${name}`;
    this.#actions = make(
      "div",
      { class: "actions", role: "group", "aria-label": label },
      this.#drain,
      this.#replay,
      this.#cancel,
    );
    const fields = FIELDS.flatMap((field, index) => [
      make("dt", {}, field),
      this.#values[index] ?? "",
    ]);
    this.element = make(
      "section",
      { class: "sink" },
      make("h2", {}, name, " ", this.#state),
      make("dl", {}, ...fields),
      this.#actions,
      this.#result,
    );
    this.#drain.addEventListener(
      "click",
      () =>
        void this.#act(
          "export.drain",
          { sink: name },
          refresh,
          ({ sinks: [one] }) =>
            one.drained ? "Everything is delivered." : `Waiting: ${lagText(one.lag)}.`,
        ),
    );
    this.#cancel.addEventListener(
      "click",
      () => void this.#act("export.cancel_replay", { sink: name }, refresh, () => "Cancelled."),
    );
    this.#replay.addEventListener("click", () => this.#ask(dialog, refresh));
  }

  /**
   * @param {SinkView} sink
   * @param {number} now
   */
  show(sink, now) {
    const { lag, rate, missed, missedBytes, missedAt, replay } = sink;
    const isReplaying = replay?.state === "running" || replay?.state === "failing";
    const isBad = sink.state === "failing" || missed > 0;
    this.element.classList.toggle("bad", isBad);
    say(this.#state, sink.state);
    const lost = missedAt === null
      ? ""
      : `${counted(missed, "record")}, ${
        formatBytes(missedBytes)
      }, deleted before they were delivered; last noticed ${formatTime(missedAt, now)}`;
    const texts = [
      sink.target,
      lagText(lag),
      `${counted(rate.records, "record")}/s, ${formatBytes(rate.bytes)}/s`,
      troubleText(sink, now),
      lost,
      replayText(replay, now),
    ];
    for (const [index, value] of this.#values.entries()) {
      const text = texts[index] ?? "";
      say(value, text);
      value.hidden = text === "";
      const term = value.previousElementSibling;
      if (term instanceof HTMLElement) term.hidden = text === "";
    }
    this.#actions.hidden = !operator.mayOperate;
    this.#replay.hidden = isReplaying;
    this.#cancel.hidden = !isReplaying;
  }

  /**
   * @param {Dialog} dialog
   * @param {() => Promise<void>} refresh
   */
  #ask(dialog, refresh) {
    dialog.ask({
      title: `Deliver to ${this.#name} again?`,
      texts: [make("p", {}, "Events of the log come once more, with the same ids.")],
      fields: [
        { name: "hours", label: "Of the last hours (empty: all)", maxlength: 8 },
        { name: "cars", label: "Cars, by commas (empty: all)", maxlength: 2000 },
      ],
      word: "Deliver again",
    }, ({ hours = "", cars = "" }) => {
      const span = Number(hours.replace(",", "."));
      if (hours !== "" && !(span > 0)) {
        say(this.#result, `Expected a number of hours: found ${hours}`);
        return;
      }
      const names = cars.split(",").map((car) => car.trim()).filter((car) => car !== "");
      const params = {
        sink: this.#name,
        ...(hours === "" ? {} : { from: Math.max(0, Math.floor(Date.now() - span * HOUR)) }),
        ...(names.length === 0 ? {} : { cars: names }),
      };
      void this.#act("export.replay", params, refresh, () => "Begun.");
    });
  }

  /**
   * @param {string} method
   * @param {object} params
   * @param {() => Promise<void>} refresh
   * @param {(result: any) => string} text
   */
  async #act(method, params, refresh, text) {
    say(this.#result, "Working");
    this.#result.classList.remove("problem");
    try {
      say(this.#result, text(await operator.call(method, params)));
    } catch (error) {
      this.#result.classList.add("problem");
      say(this.#result, error instanceof Error ? error.message : String(error));
    }
    await refresh();
  }
}

/** All sinks, on the page of a server or a gateway. */
export class SinkCards {
  /** @type {Map<string, SinkCard>} */
  #cards = new Map();
  #dialog = new Dialog();
  #list = make("div", { class: "sinks" });
  #refresh;
  element = make("div", {}, this.#list, this.#dialog.element);

  /** @param {() => Promise<void>} refresh called after an action */
  constructor(refresh) {
    this.#refresh = refresh;
  }

  /**
   * @param {readonly SinkView[]} sinks
   * @param {number} now
   */
  show(sinks, now) {
    for (const sink of sinks) {
      let card = this.#cards.get(sink.name);
      if (card === undefined) {
        card = new SinkCard(sink.name, this.#dialog, this.#refresh);
        this.#cards.set(sink.name, card);
        this.#list.append(card.element);
      }
      card.show(sink, now);
    }
  }
}
