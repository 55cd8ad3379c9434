// Lets only so many in at a time, in the order in which they came.

/** Called when there is room; whoever is in calls `leave` once. */
export type Entrant = (leave: () => void) => void;

/** A semaphore for callbacks. */
export class Gate {
  readonly #limit: number;
  readonly #waiting = new Set<Entrant>();
  #inside = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Calls `entrant` as soon as there is room, perhaps at once; the result takes it back. */
  enter(entrant: Entrant): () => void {
    this.#waiting.add(entrant);
    this.#admit();
    return () => void this.#waiting.delete(entrant);
  }

  #admit(): void {
    for (const entrant of this.#waiting) {
      if (this.#inside >= this.#limit) return;
      this.#waiting.delete(entrant);
      this.#inside++;
      let left = false;
      entrant(() => {
        if (left) return;
        left = true;
        this.#inside--;
        this.#admit();
      });
    }
  }
}
