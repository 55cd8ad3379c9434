// A histogram as plain numbers, for metrics.

/** Counts observations by size. */
export class Buckets {
  /** Ascending upper bounds; the last bucket has none. */
  readonly bounds: readonly number[];
  /** One per bound, and one above the last. */
  readonly counts: number[];
  sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Array(bounds.length + 1).fill(0);
  }

  /** Counts one observation. */
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
