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
  #judgedTotal = 0;
  #judgedRefused = 0;

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

  /** How many there were when it was last judged by any. */
  get total(): number {
    return this.#judgedTotal;
  }

  /** How many of {@linkcode total} were refused. */
  get refused(): number {
    return this.#judgedRefused;
  }

  /** Whether so many percent are refused. Stays as it was while nothing is counted. */
  isHigh(percent: number): boolean {
    const refused = this.#refused + this.#refusedBefore;
    // A refusal may be of one that was counted in an earlier window.
    const total = Math.max(this.#total + this.#totalBefore, refused);
    if (total > 0) {
      this.#isHigh = refused > 0 && refused * 100 >= total * percent;
      this.#judgedTotal = total;
      this.#judgedRefused = refused;
    }
    return this.#isHigh;
  }
}
