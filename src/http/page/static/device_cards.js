// @ts-check
/// <reference lib="dom" />
// The devices of a car as cards: what each said last, and how its numbers went while one watches.
import { SECONDS, ValueChart } from "./chart.js";
import { keepChildren, make, say, setAttribute } from "./dom.js";
import { counted, formatTime } from "./format.js";
import { makePayload, visible } from "./payload.js";

/** @typedef {import("../../api/schemas.ts").CarDetail} CarDetail */
/** @typedef {import("../../api/schemas.ts").DeviceView} DeviceView */
/** @typedef {CarDetail["statuses"][number]} StatusView */
/**
 * @typedef {object} Field
 * @property {string} name such as `door.open`
 * @property {string} text
 * @property {number | null} number to draw, where it is one
 */

/** Fields of one card; the raw message has the rest. */
const FIELDS = 12;
/** Characters of one value. */
const LONGEST = 80;
/** Digits of a number: enough for a position to the meter. */
const DIGITS = 8;
/** Values of one chart, and how deep fields are looked for. */
const VALUES = SECONDS;
const DEPTH = 6;

/**
 * JSON as fields, in its own order.
 *
 * @param {unknown} value
 * @returns {{fields: Field[], more: number}} `more`: how many are left out
 */
export function fieldsOf(value) {
  /** @type {Field[]} */
  const fields = [];
  let more = 0;
  const add = (
    /** @type {string} */ name,
    /** @type {unknown} */ part,
    /** @type {number} */ depth,
  ) => {
    const isParent = typeof part === "object" && part !== null && Object.keys(part).length > 0;
    if (isParent && depth < DEPTH) {
      for (const [key, child] of Object.entries(part)) {
        add(name === "" ? key : `${name}.${key}`, child, depth + 1);
      }
    } else if (fields.length === FIELDS) more++;
    else {
      const short = typeof part === "number" ? Number(part.toPrecision(DIGITS)) : part;
      const text = visible(typeof short === "string" ? short : JSON.stringify(short));
      const cut = text.length > LONGEST ? `${text.slice(0, LONGEST)}\u2026` : text;
      fields.push({
        name: visible(name),
        text: cut,
        number: typeof part === "number" ? part : null,
      });
    }
  };
  add("", value, 0);
  return { fields, more };
}

/** All devices of a car. */
export class DeviceCards {
  #grid = make("div", { class: "cards" });
  #empty = make("p", { class: "empty", hidden: true }, "No devices: there is no session");
  element = make(
    "section",
    { "aria-label": "Devices" },
    make("h2", {}, "Devices"),
    this.#grid,
    this.#empty,
  );
  /** @type {Map<string, Card>} */
  #cards = new Map();
  /** What the answer before had. @type {ReadonlySet<string>} */
  #seen = new Set();

  /**
   * @param {CarDetail} car
   * @param {number} now
   */
  show(car, now) {
    const before = this.#cards;
    this.#cards = new Map(car.devices.map(({ id }) => [id, before.get(id) ?? new Card()]));
    const keyOf = (/** @type {StatusView} */ { at, device, counter }) =>
      `${at} ${counter} ${device}`;
    // A device that is quiet beside a busy one has no status among the latest.
    const last = car.devices.flatMap(({ lastStatus }) => lastStatus ?? []);
    const isListed = new Set(car.statuses.map(keyOf));
    const older = last.filter((status) => !isListed.has(keyOf(status)));
    for (const status of [...older, ...car.statuses.toReversed()]) {
      const isNew = !this.#seen.has(keyOf(status)) || !before.has(status.device);
      if (isNew) this.#cards.get(status.device)?.add(status);
    }
    this.#seen = new Set([...isListed, ...older.map(keyOf)]);
    for (const device of car.devices) this.#cards.get(device.id)?.show(device, now);
    this.#empty.hidden = car.devices.length > 0;
    keepChildren(
      this.#grid,
      car.devices,
      ({ id }) => id,
      ({ id }) => /** @type {Card} */ (this.#cards.get(id)).element,
    );
  }
}

/** One device. */
class Card {
  #name = make("h3", {});
  #id = make("p", { class: "muted" });
  #state = make("p", {});
  #fields = make("dl", { class: "fields" });
  #raw = make("p", {});
  #more = make("p", { class: "muted" });
  /** Numbers by the name of their field. @type {Map<string, number[]>} */
  #values = new Map();
  /** @type {Map<string, {value: HTMLElement, chart: ValueChart}>} */
  #shown = new Map();
  /** @type {StatusView | null} */
  #last = null;
  element = make(
    "article",
    { class: "device" },
    this.#name,
    this.#id,
    this.#state,
    this.#fields,
    this.#raw,
    this.#more,
  );

  /** @param {StatusView} status */
  add(status) {
    this.#last = status;
    const numbers = parsed(status)?.fields.filter(({ number }) => number !== null) ?? [];
    /** @type {Map<string, number[]>} */
    const values = new Map();
    for (const { name, number } of numbers) {
      const before = this.#values.get(name) ?? [];
      values.set(name, [...before, number ?? 0].slice(-VALUES));
    }
    this.#values = values;
  }

  /**
   * @param {DeviceView} device
   * @param {number} now
   */
  show(device, now) {
    say(this.#name, visible(device.name));
    say(this.#id, visible(device.id));
    setAttribute(this.element, "data-connected", String(device.connected));
    const { lastStatusAt, lastStatusCounter, problem } = device;
    const since = device.connectedSince === null
      ? ""
      : ` since ${formatTime(device.connectedSince, now)}`;
    const state = device.connected
      ? `Connected${since}`
      : `Not connected${problem === null ? "" : `: ${problem}`}`;
    const last = lastStatusAt === null
      ? "no status yet"
      : `status ${lastStatusCounter ?? ""} at ${formatTime(lastStatusAt, now)}`;
    say(this.#state, `${state}; ${last}`);
    this.#showValue();
  }

  #showValue() {
    const last = this.#last;
    const found = last === null ? null : parsed(last);
    const fields = found?.fields ?? [];
    const before = this.#shown;
    this.#shown = new Map(fields.map(({ name }) => [name, before.get(name) ?? newField()]));
    for (const { name, text } of fields) {
      const field = this.#shown.get(name);
      if (field === undefined) continue;
      say(field.value, text);
      field.chart.draw(this.#values.get(name) ?? []);
    }
    keepChildren(this.#fields, fields, ({ name }) => name, ({ name }) => {
      const { value, chart } = this.#shown.get(name) ?? newField();
      return make("div", {}, make("dt", {}, name), make("dd", {}, value, chart.element));
    });
    this.#fields.hidden = fields.length === 0;
    const more = found?.more ?? 0;
    say(this.#more, more === 0 ? "" : `and ${counted(more, "field")}`);
    const raw = last === null || found !== null ? [] : [last];
    const keyOf = (/** @type {StatusView} */ { data }) => `${data.kind} ${data.bytes} ${data.text}`;
    keepChildren(this.#raw, raw, keyOf, ({ data }) => makePayload(data));
  }
}

function newField() {
  return { value: make("span", {}), chart: new ValueChart() };
}

/** @param {StatusView} status */
function parsed({ data }) {
  return data.kind === "json" ? fieldsOf(JSON.parse(data.text)) : null;
}
