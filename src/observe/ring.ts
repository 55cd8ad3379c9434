// A ring buffer.

/** Keeps the newest `capacity` items; adding takes constant time. */
export class Ring<T> {
  readonly #capacity: number;
  readonly #items: T[] = [];
  /** Index of the oldest item, once it is full. */
  #first = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** Adds an item; drops the oldest when full. */
  push(item: T): void {
    if (this.#items.length < this.#capacity) {
      this.#items.push(item);
      return;
    }
    this.#items[this.#first] = item;
    this.#first = (this.#first + 1) % this.#capacity;
  }

  /** The newest that `fits`. */
  newestWhere(fits: (item: T) => boolean): T | undefined {
    const { length } = this.#items;
    for (let age = 1; age <= length; age++) {
      const item = this.#items[(this.#first + length - age) % length];
      if (item !== undefined && fits(item)) return item;
    }
    return undefined;
  }

  /** All of them, oldest first. */
  oldestFirst(): T[] {
    return [...this.#items.slice(this.#first), ...this.#items.slice(0, this.#first)];
  }

  /** All of them, newest first. */
  newestFirst(): T[] {
    return this.oldestFirst().reverse();
  }
}
