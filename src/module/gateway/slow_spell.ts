// The spells in which a module is slow: each is logged once at its beginning, and once when it is over.
import type { GatewayFunction } from "../gateway_call.ts";

/** A spell is over when no call was slow for this long, in milliseconds. */
export const SPELL_MS = 60_000;

/** Slow calls of one module. */
export class SlowSpell {
  readonly #module: number;
  readonly #limitMs: number;
  #calls = 0;
  #maxMs = 0;
  #lastAt = 0;

  constructor(module: number, limitMs: number) {
    this.#module = module;
    this.#limitMs = limitMs;
  }

  /** Whether a spell lasts. */
  get lasts(): boolean {
    return this.#calls > 0;
  }

  /** A call took longer than the limit; returns what to log at the beginning of a spell. */
  slow(functionName: GatewayFunction, tookMs: number, now: number): string | null {
    this.#calls++;
    this.#maxMs = Math.max(this.#maxMs, tookMs);
    this.#lastAt = now;
    if (this.#calls > 1) return null;
    return `Module ${this.#module} is slow: ${functionName} took ${Math.round(tookMs)} ms, ` +
      `slow-call-ms is ${this.#limitMs}. Calls for other devices do not wait for it`;
  }

  /** Returns what to log when a spell is over. */
  check(now: number): string | null {
    if (this.#calls === 0 || now - this.#lastAt < SPELL_MS) return null;
    const text = `Module ${this.#module} is no longer slow: ${this.#calls} ` +
      `${this.#calls === 1 ? "call" : "calls"} took longer than ${this.#limitMs} ms, ` +
      `at most ${Math.round(this.#maxMs)} ms`;
    this.#calls = 0;
    this.#maxMs = 0;
    return text;
  }
}
