// Limits how often lines of the same kind are logged.
import { type Clock, systemClock } from "../time/mod.ts";

/** How often a kind may be logged, and how many kinds are distinguished. */
export interface OnceOptions {
  /** @default {systemClock} */
  readonly clock?: Clock;
  /** In milliseconds. @default {60000} */
  readonly intervalMs?: number;
  /** Lines of a kind per interval, which begins with the first. @default {1} */
  readonly times?: number;
  /** Kinds distinguished at a time; all others share one entry. @default {256} */
  readonly maxKeys?: number;
}

interface Entry {
  /** When its interval began. */
  readonly since: number;
  times: number;
  suppressed: number;
}

/** The shared entry when all others are in use; never a caller's key. */
const OTHERS = "\0others";

/**
 * Decides whether a kind may be logged now: once per interval and kind, or as often as configured.
 *
 * The number of kinds is bounded, because they may come from the network: when all entries are in
 * use by kinds logged within the interval, further kinds count as one, so that a flood of new kinds
 * writes at most `maxKeys + 1` times as many lines per interval.
 */
export class Once {
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #times: number;
  readonly #maxKeys: number;
  /** In the order of `since`, so that the first one is the first to expire. */
  readonly #entries = new Map<string, Entry>();

  constructor(options: OnceOptions = {}) {
    this.#clock = options.clock ?? systemClock;
    this.#intervalMs = options.intervalMs ?? 60_000;
    this.#times = options.times ?? 1;
    this.#maxKeys = options.maxKeys ?? 256;
  }

  /**
   * Asks for a kind that just happened.
   *
   * @param count How often, where others have been left out already.
   * @returns How many times the kind was suppressed since it was last logged, 0 the first time:
   * log it now, with that count. `undefined`: say nothing.
   */
  ask(kind: string, count = 1): number | undefined {
    const now = this.#clock.now();
    let key = kind;
    let entry = this.#entries.get(key);
    if (entry === undefined && this.#isFull(now)) {
      key = OTHERS;
      entry = this.#entries.get(key);
    }
    if (entry !== undefined && now - entry.since < this.#intervalMs) {
      if (entry.times++ < this.#times) return count - 1;
      entry.suppressed += count;
      return undefined;
    }
    this.#entries.delete(key);
    this.#entries.set(key, { since: now, times: 1, suppressed: 0 });
    return (entry?.suppressed ?? 0) + count - 1;
  }

  /** How many kinds are remembered; never more than `maxKeys + 1`. */
  get size(): number {
    return this.#entries.size;
  }

  /** Makes room if the oldest kind has expired, and says whether there is none. */
  #isFull(now: number): boolean {
    if (this.#entries.size < this.#maxKeys) return false;
    for (const [key, entry] of this.#entries) {
      if (now - entry.since < this.#intervalMs) break;
      this.#entries.delete(key);
      break;
    }
    return this.#entries.size >= this.#maxKeys;
  }
}

/** Text to append to a line for the count that {@linkcode Once.ask} gave; empty for 0. */
export function andSuppressed(count: number): string {
  return count === 0 ? "" : ` (and ${count} more like this since the last line)`;
}
