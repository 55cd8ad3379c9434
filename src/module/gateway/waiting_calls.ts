// The calls of a gateway's module that wait for a host.
import type { OpenCall } from "./open_call.ts";

/** The limits: far more than devices that are served at all. */
const WAITING = { calls: 10_000, bytes: 64 * 1024 * 1024 } as const;

/** Calls in order. */
export class WaitingCalls {
  #calls: OpenCall[] = [];
  #bytes = 0;

  /** How many there are. */
  get size(): number {
    return this.#calls.length;
  }

  /** The call whose turn it is; undefined: there is none. */
  get first(): OpenCall | undefined {
    return this.#calls[0];
  }

  /** Adds a call behind all others; false: there are too many. */
  add(open: OpenCall): boolean {
    const isFull = this.#calls.length >= WAITING.calls ||
      this.#calls.length > 0 && this.#bytes + open.bytes > WAITING.bytes;
    if (isFull) return false;
    this.#calls.push(open);
    this.#bytes += open.bytes;
    return true;
  }

  /** These calls were in a host, and come before all others. */
  putBack(calls: readonly OpenCall[]): void {
    for (const { bytes } of calls) this.#bytes += bytes;
    this.#calls.unshift(...calls);
  }

  /** Removes the first call. */
  shift(): void {
    this.#bytes -= this.#calls.shift()?.bytes ?? 0;
  }

  /** Removes and returns the calls of which the predicate holds. */
  take(isWanted: (open: OpenCall) => boolean): OpenCall[] {
    if (!this.#calls.some(isWanted)) return [];
    const taken = this.#calls.filter(isWanted);
    this.#calls = this.#calls.filter((open) => !isWanted(open));
    for (const { bytes } of taken) this.#bytes -= bytes;
    return taken;
  }
}
