// @ts-check
/// <reference lib="dom" />
// What views share: the way back, and tables of what has happened.
import { keepChildren, make } from "./dom.js";

/** @typedef {import("./car_lists.js").ListRow} ListRow */

/** @param {string} href where the list of all cars is */
export function wayBack(href) {
  return make("nav", { "aria-label": "Back" }, make("a", { href, class: "back" }, "All cars"));
}

/** A table that is scrolled when it is wider than the window, by keyboard too. */
export class WideTable {
  #columns;
  #body = make("tbody", { role: "rowgroup" });
  element;

  /**
   * @param {string} label
   * @param {readonly string[]} columns
   */
  constructor(label, columns) {
    this.#columns = columns;
    // The roles say what the elements say, for browsers that forget it when rows are cards.
    const heads = columns.map((name) => make("th", { scope: "col", role: "columnheader" }, name));
    const head = make("thead", { role: "rowgroup" }, make("tr", { role: "row" }, ...heads));
    this.element = make(
      "div",
      { class: "wide", tabindex: "0", role: "region", "aria-label": label },
      make("table", { role: "table" }, head, this.#body),
    );
  }

  /** @param {readonly ListRow[]} rows */
  show(rows) {
    keepChildren(this.#body, rows, ({ key }) => key, ({ cells, mark = "" }) => {
      const made = cells().map((cell, index) =>
        make("td", { role: "cell", "data-label": this.#columns[index] ?? "" }, cell)
      );
      return make("tr", { role: "row", class: mark }, ...made);
    });
  }
}
