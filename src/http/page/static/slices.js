// @ts-check
/// <reference lib="dom" />
// Long work in slices, a frame between two, so that the browser answers a touch meanwhile.

/** A slice is over after this, in milliseconds: with the layout of what it made, a phone has time. */
const SLICE_MS = 6;
/** Items of one slice, however long they take: a small fleet appears as a whole. */
const LEAST = 8;
/** Items of one slice, however fast they are: their layout takes time as well. */
const MOST = 40;

/**
 * Takes items one after the other, in the frames to come.
 *
 * @template Item
 */
export class Slices {
  /** @type {Item[]} */
  #pending = [];
  #frame = 0;
  #take;
  #onSlice;

  /**
   * @param {(item: Item) => void} take
   * @param {(isLast: boolean) => void} onSlice called after each slice
   */
  constructor(take, onSlice) {
    this.#take = take;
    this.#onSlice = onSlice;
  }

  /** Items still to be taken. @returns {readonly Item[]} */
  get pending() {
    return this.#pending;
  }

  /**
   * Takes items from the next frame on, instead of what was left of others.
   *
   * @param {readonly Item[]} items
   */
  start(items) {
    this.stop();
    this.#pending = [...items];
    this.#frame = requestAnimationFrame(() => this.#slice(SLICE_MS));
  }

  /**
   * Takes all at once up to an item; does nothing when it is not among them.
   *
   * @param {Item} item
   */
  takeUntil(item) {
    const index = this.#pending.indexOf(item);
    if (index < 0) return;
    for (const each of this.#pending.splice(0, index + 1)) this.#take(each);
    this.#slice(0);
  }

  stop() {
    cancelAnimationFrame(this.#frame);
    this.#pending = [];
  }

  /** @param {number} ms */
  #slice(ms) {
    cancelAnimationFrame(this.#frame);
    const until = performance.now() + ms;
    let taken = 0;
    while (taken < LEAST || (taken < MOST && performance.now() < until)) {
      const [item] = this.#pending.splice(0, 1);
      if (item === undefined) break;
      this.#take(item);
      taken++;
    }
    const isLast = this.#pending.length === 0;
    this.#onSlice(isLast);
    if (!isLast) this.#frame = requestAnimationFrame(() => this.#slice(SLICE_MS));
  }
}
