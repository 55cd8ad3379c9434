// Detects a host whose event loop is stuck, or whose memory grows: pings it at intervals; the
// answer has its memory.
import type { Clock, TimerHandle } from "../../time/mod.ts";

export interface WatchdogOptions {
  /** Silence after which the host counts as stuck, in milliseconds. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** Sends a ping. */
  readonly ask: () => void;
  /** The host has been silent for this many milliseconds; called once. */
  readonly onSilent: (silentMs: number) => void;
}

const MAX_INTERVAL_MS = 5000;

/**
 * Counts unanswered pings, not time: after this process itself was stopped, answers that wait to be
 * read must not count as missing.
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

  start(): void {
    this.#timer = this.#options.clock.set(() => this.#tick(), this.#intervalMs);
  }

  /** The host has answered. */
  answered(): void {
    this.#unanswered = 0;
  }

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

export interface MemoryWatchOptions {
  /** Memory limit, in bytes; 0: none. */
  readonly maxBytes: number;
  /** Without a limit: the threshold for a warning, in bytes. */
  readonly warnBytes: number;
  /** It exceeds the limit; called once. */
  readonly onExceeded: (bytes: number) => void;
  /** It exceeds the threshold; called once. */
  readonly onLarge: (bytes: number) => void;
}

/** Checks a host's memory. */
export class MemoryWatch {
  readonly #options: MemoryWatchOptions;
  #told = false;

  constructor(options: MemoryWatchOptions) {
    this.#options = options;
  }

  /** Takes a new measurement. */
  seen(bytes: number): void {
    const { maxBytes, warnBytes, onExceeded, onLarge } = this.#options;
    if (this.#told || bytes <= (maxBytes > 0 ? maxBytes : warnBytes)) return;
    this.#told = true;
    if (maxBytes > 0) onExceeded(bytes);
    else onLarge(bytes);
  }
}

/** Half of the machine's memory, in bytes; Infinity without the permission to know it. */
export function halfOfMachineMemory(): number {
  try {
    return Deno.systemMemoryInfo().total / 2;
  } catch {
    return Infinity;
  }
}
