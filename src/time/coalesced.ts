// Tasks that run one after the other, where requests that wait share the next run.

/** Runs a task on request; a request that comes while it runs gets a run of its own after it. */
export class Coalesced<T> {
  readonly #task: () => Promise<T>;
  #current: Promise<T> | null = null;
  /** The next run, shared by all requests until it begins. */
  #next: Promise<T> | null = null;

  /** @param task never rejects */
  constructor(task: () => Promise<T>) {
    this.#task = task;
  }

  /** Runs the task, after the current run if there is one; requests that wait share the next run. */
  run(): Promise<T> {
    if (this.#next !== null) return this.#next;
    if (this.#current === null) return this.#begin();
    this.#next = this.#current.then(() => {
      this.#next = null;
      return this.#begin();
    });
    return this.#next;
  }

  #begin(): Promise<T> {
    const run = this.#task().finally(() => {
      if (this.#current === run) this.#current = null;
    });
    return this.#current = run;
  }
}
