// Counters of module calls, cheap enough for every call.
import { CALL_OUTCOMES, type CallOutcome } from "../protocol/mod.ts";

/** The calls that a car makes, by C function. */
const CALL_FUNCTIONS = [
  "device_connected",
  "device_disconnected",
  "forward_status",
  "forward_error_message",
  "command_ack",
] as const;
/** The C function of a call. */
export type CallFunction = typeof CALL_FUNCTIONS[number];

/** Counters of one function of one module. */
export interface CallCounts {
  readonly module: number;
  readonly functionName: CallFunction;
  /** Calls by outcome. */
  readonly byOutcome: Readonly<Record<CallOutcome, number>>;
  /** Time spent inside the library, in milliseconds; calls lost with a host or withdrawn count nothing. */
  readonly totalMs: number;
  readonly maxMs: number;
  /**
   * Calls by duration: entry `n` counts those of at least `2^(n-1)` and less than `2^n`
   * microseconds, entry 0 shorter ones; calls that were lost with a host do not count.
   */
  readonly byDuration: readonly number[];
}

/** Number of entries of {@linkcode CallCounts.byDuration}: one per bit of a duration. */
const DURATIONS = 33;
/** Outcomes of calls that took no time, from here on. */
const NOT_MADE = CALL_OUTCOMES.indexOf("host_lost");

/** The counters of one function. */
export class CallCounter {
  readonly outcomes: number[] = CALL_OUTCOMES.map(() => 0);
  readonly durations: number[] = new Array(DURATIONS).fill(0);
  totalUs = 0;
  maxUs = 0;

  /** Counts one call. */
  add(outcomeIndex: number, tookUs: number): void {
    this.outcomes[outcomeIndex] = (this.outcomes[outcomeIndex] ?? 0) + 1;
    if (outcomeIndex >= NOT_MADE) return;
    const bits = 32 - Math.clz32(tookUs);
    this.durations[bits] = (this.durations[bits] ?? 0) + 1;
    this.totalUs += tookUs;
    if (tookUs > this.maxUs) this.maxUs = tookUs;
  }
}

/** Counters by module and function; one object can serve any number of hosts, and outlives them. */
export class CallStatistics {
  readonly #counters = new Map<number, Record<CallFunction, CallCounter>>();

  /** The counters of a module, created on demand. */
  ofModule(module: number): Record<CallFunction, CallCounter> {
    let counters = this.#counters.get(module);
    if (!counters) {
      counters = {
        device_connected: new CallCounter(),
        device_disconnected: new CallCounter(),
        forward_status: new CallCounter(),
        forward_error_message: new CallCounter(),
        command_ack: new CallCounter(),
      };
      this.#counters.set(module, counters);
    }
    return counters;
  }

  /** All counters as plain data. */
  snapshot(): CallCounts[] {
    const counts: CallCounts[] = [];
    for (const [module, counters] of this.#counters) {
      for (const functionName of CALL_FUNCTIONS) {
        const { outcomes, durations, totalUs, maxUs } = counters[functionName];
        const byOutcome = Object.fromEntries(
          CALL_OUTCOMES.map((outcome, index) => [outcome, outcomes[index] ?? 0]),
        ) as Record<CallOutcome, number>;
        counts.push({
          module,
          functionName,
          byOutcome,
          totalMs: totalUs / 1000,
          maxMs: maxUs / 1000,
          byDuration: [...durations],
        });
      }
    }
    return counts;
  }
}
