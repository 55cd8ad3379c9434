// @ts-check
/// <reference lib="dom" />
// What fingers, a mouse and keys want of a map.

/** Pixels of an arrow key. */
const STEP = 80;
/** The factor of a button and of a key. */
export const ZOOM = 1.5;
/** Pixels after which a press is no click any more. */
const SLOP = 5;

/**
 * @typedef {object} Actions
 * @property {(right: number, down: number) => void} move by pixels
 * @property {(factor: number, right?: number, down?: number) => void} zoom around a point, in
 *   pixels from the middle
 * @property {() => void} showAll
 * @property {(event: MouseEvent) => void} point a mouse is there
 * @property {(event: MouseEvent) => void} open a click, on no link
 */

/**
 * Calls actions for as long as the element is there.
 *
 * @param {HTMLElement} area
 * @param {Actions} actions
 */
export function listenToGestures(area, actions) {
  area.addEventListener("keydown", (event) => press(event, actions));
  area.addEventListener("wheel", (event) => {
    event.preventDefault();
    const { right, down } = fromMiddle(area, event);
    actions.zoom(2 ** (-event.deltaY / 300), right, down);
  }, { passive: false });
  const fingers = new Fingers(area, actions);
  area.addEventListener("pointerdown", (event) => fingers.press(event));
  area.addEventListener("pointermove", (event) => {
    if (fingers.arePressed) fingers.drag(event);
    else actions.point(event);
  });
  for (const type of /** @type {const} */ (["pointerup", "pointercancel", "pointerleave"])) {
    area.addEventListener(type, (event) => fingers.release(event));
  }
  // Whoever has moved the map did not mean the mark under the finger.
  area.addEventListener("click", (event) => {
    if (fingers.haveDragged) event.preventDefault();
    else if (event.target instanceof Element && event.target.closest("a") === null) {
      actions.open(event);
    }
  }, { capture: true });
  area.addEventListener("dragstart", (event) => event.preventDefault());
}

/** Fingers that are on the map, or the button of a mouse. */
class Fingers {
  #area;
  #actions;
  /** @type {Map<number, {left: number, top: number}>} */
  #places = new Map();
  haveDragged = false;

  /**
   * @param {HTMLElement} area
   * @param {Actions} actions
   */
  constructor(area, actions) {
    this.#area = area;
    this.#actions = actions;
  }

  get arePressed() {
    return this.#places.size > 0;
  }

  /** @param {PointerEvent} event */
  press({ pointerId, clientX, clientY }) {
    this.haveDragged = false;
    this.#places.set(pointerId, { left: clientX, top: clientY });
  }

  /** @param {PointerEvent} event */
  release({ pointerId }) {
    this.#places.delete(pointerId);
  }

  /** @param {PointerEvent} event */
  drag({ pointerId, clientX, clientY }) {
    const before = this.#places.get(pointerId);
    if (before === undefined) return;
    const now = { left: clientX, top: clientY };
    const [right, down] = [before.left - now.left, before.top - now.top];
    if (!this.haveDragged && Math.hypot(right, down) < SLOP) return;
    this.haveDragged = true;
    this.#area.setPointerCapture(pointerId);
    const other = [...this.#places].find(([id]) => id !== pointerId)?.[1];
    this.#places.set(pointerId, now);
    if (other === undefined) return this.#actions.move(right, down);
    // Two fingers: the other one stays.
    const far = (/** @type {typeof now} */ { left, top }) =>
      Math.max(1, Math.hypot(left - other.left, top - other.top));
    const middle = fromMiddle(this.#area, { clientX: other.left, clientY: other.top });
    this.#actions.zoom(far(now) / far(before), middle.right, middle.down);
  }
}

/**
 * @param {HTMLElement} area
 * @param {{clientX: number, clientY: number}} event
 */
function fromMiddle(area, { clientX, clientY }) {
  const { left, top, width, height } = area.getBoundingClientRect();
  return { right: clientX - left - width / 2, down: clientY - top - height / 2 };
}

/**
 * @param {KeyboardEvent} event
 * @param {Actions} actions
 */
function press(event, { move, zoom, showAll }) {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  /** @type {Record<string, () => void>} */
  const keys = {
    ArrowLeft: () => move(-STEP, 0),
    ArrowRight: () => move(STEP, 0),
    ArrowUp: () => move(0, -STEP),
    ArrowDown: () => move(0, STEP),
    "+": () => zoom(ZOOM),
    "=": () => zoom(ZOOM),
    "-": () => zoom(1 / ZOOM),
    Home: showAll,
  };
  const act = Object.hasOwn(keys, event.key) ? keys[event.key] : undefined;
  if (act === undefined) return;
  event.preventDefault();
  act();
}
