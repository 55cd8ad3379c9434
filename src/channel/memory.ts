// What is remembered for each device, within limits. What a batch changes counts only when the batch has
// been delivered: one that is read again finds what it found the first time.

/** Devices that are remembered; the one that changed least recently is forgotten. */
const MAX_KEYS = 10_000;

/** Values by key; `T` is never changed in place. */
export class Memory<T> {
  readonly #maxKeys: number;
  /** In the order of changes. */
  readonly #kept = new Map<string, T>();
  readonly #pending = new Map<string, T>();

  constructor(maxKeys = MAX_KEYS) {
    this.#maxKeys = maxKeys;
  }

  get(key: string): T | undefined {
    return this.#pending.get(key) ?? this.#kept.get(key);
  }

  set(key: string, value: T): void {
    this.#pending.set(key, value);
  }

  /** Keeps what was changed. */
  commit(): void {
    for (const [key, value] of this.#pending) {
      this.#kept.delete(key);
      this.#kept.set(key, value);
    }
    this.#pending.clear();
    for (const key of this.#kept.keys()) {
      if (this.#kept.size <= this.#maxKeys) break;
      this.#kept.delete(key);
    }
  }

  /** Forgets what was changed since the last {@linkcode commit}. */
  rollback(): void {
    this.#pending.clear();
  }
}
