// @ts-check
/// <reference lib="dom" />
// Which rows of the table are chosen.
import { make } from "./dom.js";

/** The check boxes of the rows, and one for all that are shown. */
export class Selection {
  /** @type {Map<string, HTMLInputElement>} */
  #boxes = new Map();
  #all = make("input", { type: "checkbox", "aria-label": "Select all cars that are shown" });
  #onChange;
  /** For the head of the table. */
  head = make("th", { scope: "col", role: "columnheader", class: "select" }, this.#all);

  /** @param {() => void} onChange */
  constructor(onChange) {
    this.#onChange = onChange;
    this.#all.addEventListener("change", () => {
      for (const box of this.#shown()) box.checked = this.#all.checked;
      this.update();
    });
  }

  /** The cars that are chosen; one that the filter hides is not. */
  get cars() {
    const shown = new Set(this.#shown());
    return [...this.#boxes].flatMap(([car, box]) => shown.has(box) && box.checked ? [car] : []);
  }

  /**
   * The cell of a row.
   *
   * @param {string} car
   */
  cell(car) {
    const box = make("input", { type: "checkbox", "aria-label": `Select ${car}` });
    box.addEventListener("change", () => this.update());
    this.#boxes.set(car, box);
    return make("td", { role: "cell", class: "select" }, box);
  }

  /** @param {string} car */
  remove(car) {
    this.#boxes.delete(car);
  }

  /** Shows what is chosen now. */
  update() {
    const shown = this.#shown();
    const checked = shown.filter((box) => box.checked).length;
    this.#all.checked = checked > 0 && checked === shown.length;
    this.#all.indeterminate = checked > 0 && checked < shown.length;
    this.#onChange();
  }

  #shown() {
    return [...this.#boxes.values()].filter((box) => box.closest("tr")?.hidden === false);
  }
}
