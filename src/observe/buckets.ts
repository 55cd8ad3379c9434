// A histogram as plain numbers: what is observed falls into buckets, which metrics show later.

/** Counts observations by size. */
export class Buckets {
  /** Upper bounds, rising; the last bucket beyond them has none. */
  readonly bounds: readonly number[];
  /** One for each bound, and one for what is above the last. */
  readonly counts: number[];
  sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Array(bounds.length + 1).fill(0);
  }

  /** Counts one. */
  observe(value: number): void {
    let index = 0;
    for (const bound of this.bounds) {
      if (value <= bound) break;
      index++;
    }
    this.counts[index] = (this.counts[index] ?? 0) + 1;
    this.sum += value;
  }
}
