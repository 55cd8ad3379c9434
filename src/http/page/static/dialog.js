// @ts-check
/// <reference lib="dom" />
// A question in front of the page, with fields to fill in.
import { make } from "./dom.js";

/** @typedef {{name: string, label: string, value?: string, maxlength: number, required?: boolean}} Field */

/** Asks one question at a time. */
export class Dialog {
  element = make("dialog", { class: "ask", "aria-labelledby": "ask-title" });

  /**
   * Opens it, with the focus on the first field that is empty.
   *
   * @param {object} question
   * @param {string} question.title
   * @param {readonly HTMLElement[]} question.texts
   * @param {readonly Field[]} question.fields
   * @param {string} question.word what the button says that does it
   * @param {(values: Readonly<Record<string, string>>) => void} onSubmit gets what was filled in,
   * without spaces around it
   */
  ask({ title, texts, fields, word }, onSubmit) {
    const inputs = fields.map(({ name, value = "", maxlength, required = false }) =>
      make("input", {
        id: `ask-${name}`,
        name,
        value,
        maxlength: String(maxlength),
        autocomplete: "off",
        required,
      })
    );
    const cancel = make("button", { type: "button" }, "Cancel");
    const form = make(
      "form",
      {},
      make("h2", { id: "ask-title" }, title),
      ...texts,
      ...inputs.flatMap((input, index) => [
        make("label", { for: input.id }, fields[index]?.label ?? ""),
        input,
      ]),
      make("div", { class: "buttons" }, cancel, make("button", { type: "submit" }, word)),
    );
    cancel.addEventListener("click", () => this.element.close());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.element.close();
      onSubmit(Object.fromEntries(inputs.map(({ name, value }) => [name, value.trim()])));
    });
    this.element.replaceChildren(form);
    this.element.showModal();
    (inputs.find(({ value }) => value === "") ?? inputs[0])?.focus();
  }
}
