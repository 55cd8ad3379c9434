// Who waits until the disk has what was appended, for a limited time.
import type { Clock, TimerHandle } from "../time/mod.ts";

export interface SafeWaitersOptions {
  readonly clock: Clock;
  /** The disk has not answered in time: everybody goes on without it, until it does. */
  readonly onLate: () => void;
}

/** Nobody waits longer for the disk, in milliseconds: cars go on without it. */
const LATE_MS = 2000;

/** Calls back in the order in which they came. */
export class SafeWaiters {
  readonly #options: SafeWaitersOptions;
  /** Those whose records are being synced, and those that came later. */
  #syncing: (() => void)[] = [];
  #waiting: (() => void)[] = [];
  #timer: TimerHandle | null = null;
  #isLate = false;

  constructor(options: SafeWaitersOptions) {
    this.#options = options;
  }

  /** Whether somebody waits for records that are not being synced. */
  get isWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  /** Whether somebody waits for the records that are being synced. */
  get isSyncing(): boolean {
    return this.#syncing.length > 0;
  }

  /** Adds one. @returns whether it is the first that waits for the next sync */
  add(callback: () => void): boolean {
    if (this.#isLate) {
      callback();
      return false;
    }
    const { clock } = this.#options;
    this.#timer ??= clock.set(() => this.#giveUp(), LATE_MS);
    return this.#waiting.push(callback) === 1;
  }

  /** What was appended so far is being synced. */
  begin(): void {
    this.#syncing = this.#waiting;
    this.#waiting = [];
  }

  /** It is synced, or lost. */
  end(): void {
    this.#isLate = false;
    this.#clearTimer();
    const { clock } = this.#options;
    if (this.isWaiting) this.#timer = clock.set(() => this.#giveUp(), LATE_MS);
    const ready = this.#syncing;
    this.#syncing = [];
    for (const callback of ready) callback();
  }

  /** Nothing will be synced for now. */
  releaseAll(): void {
    this.#clearTimer();
    const all = [...this.#syncing, ...this.#waiting];
    this.#syncing = [];
    this.#waiting = [];
    for (const callback of all) callback();
  }

  #giveUp(): void {
    this.#isLate = true;
    this.#options.onLate();
    this.releaseAll();
  }

  #clearTimer(): void {
    if (this.#timer !== null) this.#options.clock.clear(this.#timer);
    this.#timer = null;
  }
}
