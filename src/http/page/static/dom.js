// @ts-check
/// <reference lib="dom" />
// Making and changing elements. Data only ever becomes text, never markup.

const SVG = "http://www.w3.org/2000/svg";

/** @typedef {Record<string, string | boolean>} Attributes */
/** @typedef {Node | string} Child */

/**
 * Makes an element. An attribute that is `true` stands without a value, one that is `false` not at
 * all.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Attributes} [attributes]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  setAttributes(element, attributes);
  element.append(...children);
  return element;
}

/**
 * Makes an SVG element.
 *
 * @template {keyof SVGElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Attributes} [attributes]
 * @param {...Child} children
 * @returns {SVGElementTagNameMap[Tag]}
 */
export function makeSvg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  setAttributes(element, attributes);
  element.append(...children);
  return element;
}

/**
 * An icon of index.html: says nothing to a screen reader, so words must stand beside it.
 *
 * @param {string} name
 */
export function makeIcon(name) {
  const use = makeSvg("use", { href: `#icon-${name}` });
  return { svg: makeSvg("svg", { class: "icon", "aria-hidden": "true" }, use), use };
}

/**
 * An element of index.html.
 *
 * @param {string} id
 */
export function byId(id) {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`Cannot find the element "${id}"`);
  return element;
}

/**
 * Changes a text, and touches nothing when it is the same.
 *
 * @param {Text} node
 * @param {string} text
 */
export function setText(node, text) {
  if (node.data !== text) node.data = text;
}

/**
 * Changes an attribute, and touches nothing when it is the same.
 *
 * @param {Element} element
 * @param {string} name
 * @param {string} value
 */
export function setAttribute(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/**
 * Replaces what an element says, and touches nothing when it is the same.
 *
 * @param {Element} element
 * @param {string} text
 */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Makes the children of an element those of a list: keeps what stays, so that a selected text, a
 * focus or a place in the list survives.
 *
 * @template Item
 * @param {Element} parent
 * @param {readonly Item[]} items
 * @param {(item: Item) => string} keyOf equal keys mean equal content
 * @param {(item: Item) => Element} build
 */
export function keepChildren(parent, items, keyOf, build) {
  /** @type {Map<string, Element>} */
  const old = new Map();
  for (const child of parent.children) old.set(child.getAttribute("data-key") ?? "", child);
  let place = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    let child = old.get(key);
    old.delete(key);
    if (child === undefined) {
      child = build(item);
      child.setAttribute("data-key", key);
    }
    if (child === place) place = child.nextElementSibling;
    else parent.insertBefore(child, place);
  }
  for (const child of old.values()) child.remove();
}

/**
 * @param {Element} element
 * @param {Attributes} attributes
 */
function setAttributes(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false) element.setAttribute(name, value === true ? "" : value);
  }
}
