// @ts-check
/// <reference lib="dom" />
// Asks for the API key.
import { make } from "./dom.js";

/** A form with one field. */
export class KeyForm {
  title = "API key";
  #input = make("input", {
    id: "key",
    type: "password",
    autocomplete: "off",
    spellcheck: "false",
    required: true,
    "aria-describedby": "key-problem key-note",
  });
  /** @type {HTMLElement} */
  element;

  /**
   * @param {string} problem why nobody is let in; empty when a key is all that is missing
   * @param {(key: string) => Promise<string>} onKey returns why the key is refused, if it is
   */
  constructor(problem, onKey) {
    const form = make(
      "form",
      {},
      make("label", { for: "key" }, "API key"),
      this.#input,
      make("button", { type: "submit" }, "Open"),
    );
    const alert = make("p", { class: "problem", id: "key-problem", role: "alert" }, problem);
    if (problem !== "") this.#input.setAttribute("aria-invalid", "true");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const key = this.#input.value.trim();
      // Anything else cannot stand in a header, so no server has such a key.
      const isKey = /^[\x21-\x7e]+$/.test(key);
      const refused = isKey
        ? onKey(key)
        : Promise.resolve("Not a key: keys are printable ASCII characters without spaces.");
      void refused.then((why) => {
        if (why === "") return;
        this.#input.setAttribute("aria-invalid", "true");
        alert.textContent = why;
      });
    });
    this.element = make(
      "section",
      { class: "key" },
      make("h1", {}, "This server requires a key"),
      form,
      alert,
      make(
        "p",
        { class: "muted", id: "key-note" },
        "It is sent to this server only, and not kept: the browser stays logged in with a cookie.",
      ),
    );
  }

  focus() {
    this.#input.focus();
  }

  update() {}
  tick() {}
  stop() {}
}
