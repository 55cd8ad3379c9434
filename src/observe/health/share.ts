// The share of refusals in a window of time, as plain counters.

/**
 * Counts over a window that moves by halves: what is counted is between half a window and a window
 * old.
 */
export class Share {
  #total = 0;
  #refused = 0;
  #totalBefore = 0;
  #refusedBefore = 0;
  #isHigh = false;

  /** One more, whether it was refused or not. */
  count(): void {
    this.#total++;
  }

  /** One that was counted was refused. */
  refuse(): void {
    this.#refused++;
  }

  /** Half a window has passed. */
  rotate(): void {
    this.#totalBefore = this.#total;
    this.#refusedBefore = this.#refused;
    this.#total = this.#refused = 0;
  }

  /** Forgets everything. */
  reset(): void {
    this.#total =
      this.#refused =
      this.#totalBefore =
      this.#refusedBefore =
        0;
    this.#isHigh = false;
  }

  get total(): number {
    // A refusal may be of one that was counted in an earlier window.
    return Math.max(this.#total + this.#totalBefore, this.refused);
  }

  get refused(): number {
    return this.#refused + this.#refusedBefore;
  }

  /** Whether so many percent are refused. Stays as it was while nothing is counted. */
  isHigh(percent: number): boolean {
    const { total, refused } = this;
    if (total > 0) this.#isHigh = refused > 0 && refused * 100 >= total * percent;
    return this.#isHigh;
  }
}
