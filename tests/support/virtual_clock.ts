// Time that passes only when a test advances it.
import FakeTimers from "@sinonjs/fake-timers";
import type { Clock } from "../../src/time/clock.ts";

/** A {@linkcode Clock} a test moves; knows how many timers are armed. */
export class VirtualClock implements Clock {
  readonly #time = FakeTimers.createClock();

  now(): number {
    return this.#time.now;
  }

  set(callback: () => void, delayMs: number) {
    return this.#time.setTimeout(callback, delayMs) as never;
  }

  clear(handle: unknown): void {
    this.#time.clearTimeout(handle as never);
  }

  /** Timers that will fire. */
  get timers(): number {
    return this.#time.countTimers();
  }

  /** Lets time pass; nothing that waits for a promise gets its turn. */
  pass(ms: number): void {
    this.#time.tick(ms);
  }

  /** Lets time pass in which nothing runs, as in a process that is stopped: timers are late. */
  jump(ms: number): void {
    this.#time.jump(ms);
  }

  /** Lets time pass, and everything that follows at once from what it brings. */
  async advance(ms: number): Promise<void> {
    this.#time.tick(ms);
    await settled();
  }

  /** Advances to the next timer, and returns by how many milliseconds. */
  async next(): Promise<number> {
    const before = this.#time.now;
    this.#time.next();
    const passed = this.#time.now - before;
    await settled();
    return passed;
  }
}

/** Resolves when every promise that can go on by itself has done so. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}
