// What the benchmark asks of its load generator, a line of JSON each, and what that answers.
import type { HistogramJson } from "../../src/simulator/histogram.ts";
import type { Pace } from "./load_car.ts";

/** One request; each is answered with one {@linkcode LoadReport}. */
export type LoadRequest =
  /** Opens cars `car_<first>` and so on; connects them at once. */
  | {
    readonly ask: "open";
    readonly port: number;
    readonly company: string;
    readonly first: number;
    readonly cars: number;
    readonly session: boolean;
    readonly modules: readonly number[];
    readonly startsPerSecond: number;
  }
  /** Answered once this many cars run, or after the given time. */
  | { readonly ask: "running"; readonly cars: number; readonly timeoutMs: number }
  | ({ readonly ask: "load" } & Pace)
  /** Counts from zero. */
  | { readonly ask: "reset" }
  | { readonly ask: "report" }
  /** Sends no more; answered once everything is, or after the time given. */
  | { readonly ask: "drain"; readonly timeoutMs: number };

/** What has happened since the last reset. */
export interface LoadReport {
  readonly running: number;
  /** CLOCK_MONOTONIC in microseconds when the number of running cars last grew. */
  readonly runningSinceUs: number;
  readonly sent: number;
  readonly answered: number;
  readonly lost: number;
  readonly inFlight: number;
  readonly commands: number;
  readonly ended: number;
  readonly wrong: number;
  readonly latency: HistogramJson;
  readonly commandAge: HistogramJson;
}
