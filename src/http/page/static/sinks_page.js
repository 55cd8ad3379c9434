// @ts-check
/// <reference lib="dom" />
// Where events are delivered to.
import { make, say } from "./dom.js";
import { operator } from "./operator.js";
import { SinkCards } from "./sink_cards.js";
import { wayBack } from "./view_parts.js";

const REFRESH_MS = 2000;

/** All sinks of the configuration. */
export class SinksPage {
  title = "Sinks";
  #stopped = false;
  #heading = make("h1", { tabindex: "-1" }, "Sinks");
  #note = make("p", { class: "empty", role: "status" });
  #fleet;
  #cards = new SinkCards(() => this.#refresh());
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
      this.#cards.element,
    );
    this.#timer = setInterval(() => void this.#refresh(), REFRESH_MS);
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
      /** @type {readonly import("../../api/sinks.ts").SinkView[]} */
      const sinks = await operator.call("sink.list", {});
      if (this.#stopped) return;
      say(this.#note, sinks.length === 0 ? "No sinks are configured: events go nowhere" : "");
      this.#cards.show(sinks, this.#fleet.now());
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      say(this.#note, `The sinks cannot be had: ${why}`);
    }
  }
}
