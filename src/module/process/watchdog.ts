// Notices a host whose event loop is stuck, or that grows without end: it is asked for an answer
// again and again, and the answer says how much memory it has.
import type { Clock, TimerHandle } from "../../time/mod.ts";

/** How a watchdog works. */
export interface WatchdogOptions {
  /** Silence after which the host is given up, in milliseconds. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** Asks for an answer. */
  readonly ask: () => void;
  /** The host has been silent for this many milliseconds; called once. */
  readonly onSilent: (silentMs: number) => void;
}

const MAX_INTERVAL_MS = 5000;

/**
 * Counts questions without an answer, not time: after this process itself was stopped for a while,
 * answers that wait to be read must not count as missing.
 */
export class Watchdog {
  readonly #options: WatchdogOptions;
  readonly #intervalMs: number;
  #timer: TimerHandle | null = null;
  #unanswered = 0;

  constructor(options: WatchdogOptions) {
    this.#options = options;
    this.#intervalMs = Math.min(MAX_INTERVAL_MS, options.timeoutMs / 2);
  }

  /** Starts to ask. */
  start(): void {
    this.#timer = this.#options.clock.set(() => this.#tick(), this.#intervalMs);
  }

  /** The host has answered. */
  answered(): void {
    this.#unanswered = 0;
  }

  /** Asks no more. */
  stop(): void {
    if (this.#timer !== null) this.#options.clock.clear(this.#timer);
    this.#timer = null;
  }

  #tick(): void {
    const silentMs = this.#unanswered * this.#intervalMs;
    if (silentMs >= this.#options.timeoutMs) {
      this.#timer = null;
      this.#options.onSilent(silentMs);
      return;
    }
    this.#unanswered++;
    this.#options.ask();
    this.start();
  }
}

/** What is done about a host's memory. */
export interface MemoryWatchOptions {
  /** Memory the host may have, in bytes; 0: any. */
  readonly maxBytes: number;
  /** Where it may have any: memory that is a lot, in bytes. */
  readonly warnBytes: number;
  /** It has more than it may have; called once. */
  readonly onExceeded: (bytes: number) => void;
  /** It has a lot, and may; called once. */
  readonly onLarge: (bytes: number) => void;
}

/** Looks at what a host says of its memory. */
export class MemoryWatch {
  readonly #options: MemoryWatchOptions;
  #told = false;

  constructor(options: MemoryWatchOptions) {
    this.#options = options;
  }

  /** The host has so much. */
  seen(bytes: number): void {
    const { maxBytes, warnBytes, onExceeded, onLarge } = this.#options;
    if (this.#told || bytes <= (maxBytes > 0 ? maxBytes : warnBytes)) return;
    this.#told = true;
    if (maxBytes > 0) onExceeded(bytes);
    else onLarge(bytes);
  }
}

/** Half of the machine's memory, in bytes; Infinity when that may not be asked for. */
export function halfOfMachineMemory(): number {
  try {
    return Deno.systemMemoryInfo().total / 2;
  } catch {
    return Infinity;
  }
}
