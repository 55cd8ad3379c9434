// Iterables of unsolicited commands.

/** An iterable of commands as they come; each iterator gets all that come after it was made. */
export class Commands implements AsyncIterable<Uint8Array> {
  readonly #maxKept: number;
  readonly #iterators = new Set<CommandIterator>();
  #dropped = 0;
  #ended = false;

  /** @param maxKept how many each iterator keeps for a slow reader; the oldest makes room */
  constructor(maxKept: number) {
    this.#maxKept = maxKept;
  }

  /** How many commands made room for newer ones. */
  get dropped(): number {
    return this.#dropped;
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    const iterator = new CommandIterator(() => this.#iterators.delete(iterator));
    if (this.#ended) iterator.end();
    else this.#iterators.add(iterator);
    return iterator;
  }

  /** Hands a command to all iterators. */
  push(command: Uint8Array): void {
    for (const iterator of this.#iterators) this.#dropped += iterator.push(command, this.#maxKept);
  }

  /** Ends all iterators, once they have read what they hold. */
  end(): void {
    this.#ended = true;
    for (const iterator of this.#iterators) iterator.end();
    this.#iterators.clear();
  }
}

type Result = IteratorResult<Uint8Array, undefined>;

class CommandIterator implements AsyncIterator<Uint8Array> {
  readonly #kept: Uint8Array[] = [];
  readonly #waiting: ((result: Result) => void)[] = [];
  readonly #onReturn: () => void;
  #ended = false;

  constructor(onReturn: () => void) {
    this.#onReturn = onReturn;
  }

  next(): Promise<Result> {
    const value = this.#kept.shift();
    if (value !== undefined) return Promise.resolve({ value, done: false });
    if (this.#ended) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve) => void this.#waiting.push(resolve));
  }

  return(): Promise<Result> {
    this.#onReturn();
    this.#kept.length = 0;
    this.end();
    return Promise.resolve({ value: undefined, done: true });
  }

  /** @returns how many made room: 0 or 1 */
  push(value: Uint8Array, maxKept: number): number {
    const reader = this.#waiting.shift();
    if (reader !== undefined) reader({ value, done: false });
    else this.#kept.push(value);
    if (this.#kept.length <= maxKept) return 0;
    this.#kept.shift();
    return 1;
  }

  end(): void {
    this.#ended = true;
    for (const reader of this.#waiting.splice(0)) reader({ value: undefined, done: true });
  }
}
