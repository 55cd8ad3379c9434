// When a gateway sends its next status by itself.
import type { StatusLoad } from "./session_types.ts";

/** How far behind its rate a gateway may catch up, in milliseconds. */
const CATCH_UP_MS = 1_000;

/** The pace of one gateway; at rest until it is started. */
export class StatusPace {
  readonly #window: number;
  /** 0: as fast as the window allows. */
  readonly #intervalMs: number;
  readonly #random: () => number;
  readonly #idle: boolean;
  #nextAt = Infinity;

  constructor(load: StatusLoad | undefined, random: () => number) {
    this.#idle = load === undefined;
    this.#window = load?.window ?? 0;
    this.#intervalMs = load !== undefined && load.rate > 0 ? 1000 / load.rate : 0;
    this.#random = random;
  }

  /** Begins, at a random point of the period: a fleet must not move in step. */
  start(now: number): void {
    if (!this.#idle) this.#nextAt = now + this.#intervalMs * this.#random();
  }

  stop(): void {
    this.#nextAt = Infinity;
  }

  /** When a status is due with so many open ones; Infinity while the window is full. */
  dueAt(open: number): number {
    return open < this.#window ? this.#nextAt : Infinity;
  }

  /** Notes that a status was sent. */
  sent(now: number): void {
    if (this.#intervalMs === 0) return;
    this.#nextAt = Math.max(this.#nextAt, now - CATCH_UP_MS) + this.#intervalMs;
  }
}
