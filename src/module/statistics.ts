// Counters of module calls, cheap enough for every call.
import { CALL_OUTCOMES, type CallOutcome } from "../protocol/mod.ts";
import {
  GATEWAY_FUNCTIONS,
  GATEWAY_OUTCOMES,
  type GatewayFunction,
  type GatewayOutcome,
} from "./gateway_call.ts";

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
export interface CallCounts<Function = CallFunction, Outcome extends string = CallOutcome> {
  readonly module: number;
  readonly functionName: Function;
  /** Calls by outcome. */
  readonly byOutcome: Readonly<Record<Outcome, number>>;
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

/** The counters of one function. */
export class CallCounter {
  readonly outcomes: number[];
  readonly durations: number[] = new Array(DURATIONS).fill(0);
  totalUs = 0;
  maxUs = 0;
  readonly #notMade: number;

  /** @param notMade outcomes of calls that took no time, from this index on */
  constructor(outcomes: readonly string[], notMade: number) {
    this.outcomes = outcomes.map(() => 0);
    this.#notMade = notMade;
  }

  /** Counts one call. */
  add(outcomeIndex: number, tookUs: number): void {
    this.outcomes[outcomeIndex] = (this.outcomes[outcomeIndex] ?? 0) + 1;
    if (outcomeIndex >= this.#notMade) return;
    const bits = 32 - Math.clz32(tookUs);
    this.durations[bits] = (this.durations[bits] ?? 0) + 1;
    this.totalUs += tookUs;
    if (tookUs > this.maxUs) this.maxUs = tookUs;
  }
}

/** Counters by module and function; one object can serve any number of hosts, and outlives them. */
class Statistics<Function extends string, Outcome extends string> {
  readonly #functions: readonly Function[];
  readonly #outcomes: readonly Outcome[];
  readonly #notMade: number;
  readonly #counters = new Map<number, Record<Function, CallCounter>>();

  /** @param notMade the first of the outcomes of calls that took no time */
  constructor(functions: readonly Function[], outcomes: readonly Outcome[], notMade: Outcome) {
    this.#functions = functions;
    this.#outcomes = outcomes;
    this.#notMade = outcomes.indexOf(notMade);
  }

  /** The counters of a module, created on demand. */
  ofModule(module: number): Record<Function, CallCounter> {
    let counters = this.#counters.get(module);
    if (!counters) {
      counters = Object.fromEntries(
        this.#functions.map((name) => [name, new CallCounter(this.#outcomes, this.#notMade)]),
      ) as Record<Function, CallCounter>;
      this.#counters.set(module, counters);
    }
    return counters;
  }

  /** All counters as plain data. */
  snapshot(): CallCounts<Function, Outcome>[] {
    const counts: CallCounts<Function, Outcome>[] = [];
    for (const [module, counters] of this.#counters) {
      for (const functionName of this.#functions) {
        const { outcomes, durations, totalUs, maxUs } = counters[functionName];
        const byOutcome = Object.fromEntries(
          this.#outcomes.map((outcome, index) => [outcome, outcomes[index] ?? 0]),
        ) as Record<Outcome, number>;
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

/** Counts the calls that cars make. */
export class CallStatistics extends Statistics<CallFunction, CallOutcome> {
  constructor() {
    super(CALL_FUNCTIONS, CALL_OUTCOMES, "host_lost");
  }
}

/** Counts the calls that a Module Gateway makes. */
export class GatewayStatistics extends Statistics<GatewayFunction, GatewayOutcome> {
  constructor() {
    super(GATEWAY_FUNCTIONS, GATEWAY_OUTCOMES, "host_lost");
  }
}
