// @ts-check
/// <reference lib="dom" />
// The data of a status or command on the page.
import { make } from "./dom.js";
import { counted } from "./format.js";

/** @typedef {import("../../api/schemas.ts").PayloadView} PayloadView */

const KINDS = { json: "JSON", text: "text", hex: "hex", empty: "empty" };

/**
 * Data as text or hex, with its kind and size.
 *
 * @param {PayloadView} data
 * @returns {HTMLElement}
 */
export function makePayload(data) {
  if (data.kind === "empty") return make("span", { class: "muted" }, "empty");
  const text = data.kind === "hex" ? spaced(data.text) : visible(data.text);
  const size = counted(data.bytes, "byte") + (data.truncated ? ", cut" : "");
  return make(
    "span",
    { class: "payload" },
    make("code", {}, text),
    " ",
    make("small", { class: "muted" }, `${KINDS[data.kind]}, ${size}`),
  );
}

/**
 * Hex digits in bytes, so that lines can break.
 *
 * @param {string} hex
 */
export function spaced(hex) {
  return hex.replace(/[0-9a-f]{2}(?=[0-9a-f])/gi, "$& ");
}

/**
 * Makes characters visible that would vanish, or turn the text around.
 *
 * @param {string} text
 */
export function visible(text) {
  return text.replace(
    /(?![\n\t])[\p{Cc}\p{Cf}\u2028\u2029]/gu,
    (found) => `<U+${(found.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}>`,
  );
}
