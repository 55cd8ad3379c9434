// @ts-check
/// <reference lib="dom" />
// Puts elements into another order and moves as few of them as it can.

/**
 * Indexes of a longest rising subsequence.
 *
 * @param {readonly number[]} values all different
 * @returns {Set<number>}
 */
export function risingIndexes(values) {
  /** Ends of the best sequences of each length. @type {number[]} */
  const ends = [];
  /** @type {number[]} */
  const before = [];
  values.forEach((value, index) => {
    let [low, high] = [0, ends.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((values[ends[middle] ?? 0] ?? 0) < value) low = middle + 1;
      else high = middle;
    }
    before[index] = ends[low - 1] ?? -1;
    ends[low] = index;
  });
  const kept = new Set();
  for (let index = ends[ends.length - 1] ?? -1; index >= 0; index = before[index] ?? -1) {
    kept.add(index);
  }
  return kept;
}

/**
 * Puts the children of an element into the given order: they are exactly its children. What is in
 * order stays untouched, and the focus stays where it is.
 *
 * @param {Element} parent
 * @param {readonly Element[]} wanted
 */
export function reorder(parent, wanted) {
  /** @type {Map<Element, number>} */
  const places = new Map();
  for (const child of parent.children) places.set(child, places.size);
  const now = wanted.map((element) => places.get(element) ?? -1);
  const kept = risingIndexes(now);
  if (kept.size === wanted.length) return;
  const focused = document.activeElement;
  /** @type {Element | null} */
  let next = null;
  for (let index = wanted.length - 1; index >= 0; index--) {
    const element = /** @type {Element} */ (wanted[index]);
    if (!kept.has(index)) parent.insertBefore(element, next);
    next = element;
  }
  if (focused instanceof HTMLElement && parent.contains(focused)) {
    focused.focus({ preventScroll: true });
  }
}
