// What a metric is, what all metrics are read from, and the usual kinds of metrics.
import type { CarSnapshot } from "../car/mod.ts";
import type { CallCounts } from "../module/mod.ts";
import type { ServerSnapshot } from "../server/mod.ts";
import type { WatchedCluster } from "./cluster_families.ts";
import type { Buckets } from "./buckets.ts";
import type { Health } from "./health/health.ts";
import type { SourceView } from "../config_source/mod.ts";
import type { WatchedSink } from "./sink_families.ts";

/** The health of cars, for metrics. */
export interface WatchedHealth {
  healthOf(car: string): Health;
  /** In milliseconds; `null`: its gateway was never heard. */
  lastMessageAgeMs(car: string): number | null;
  readonly incidents: { readonly open: number };
}

/** What came of the messages to a webhook. */
export interface WebhookCounts {
  readonly taken: number;
  readonly givenUp: number;
  readonly dropped: number;
  /** Attempts, of which a message may have several. */
  readonly failedAttempts: number;
  readonly waiting: number;
}

/** Requests that an OpenTelemetry collector has not taken. */
export interface TelemetryFailures {
  readonly metrics: number;
  readonly traces: number;
}

/** The data for one scrape. */
export interface Scrape {
  readonly server: ServerSnapshot;
  readonly calls: readonly CallCounts[];
  /** Response times of all cars, in seconds. */
  readonly responses: Pick<Buckets, "bounds" | "counts" | "sum">;
  /** Response times of a car, added up, in seconds. */
  readonly responseSeconds: (car: string) => number;
  /** Absent when nobody judges the health of cars. */
  readonly watch?: WatchedHealth;
  /** Absent when there is none. */
  readonly webhook?: WebhookCounts;
  /** Absent when nothing is sent to a collector. */
  readonly telemetryFailures?: TelemetryFailures;
  readonly sinks: readonly WatchedSink[];
  /** Absent: the configuration is the local file. */
  readonly configSource?: SourceView | undefined;
  /** Absent when the server has all cars to itself. */
  readonly cluster?: WatchedCluster;
  readonly lagMs: { readonly last: number; readonly max: number };
  readonly process: { readonly residentBytes: number; readonly startedAt: number };
}

/** One series. */
export interface Sample {
  /** Of letters, digits, underscores and dots, as names of cars are: nothing is escaped. */
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number | Histogram;
}

/** The value of a histogram. */
export interface Histogram {
  /** Ascending upper bounds of the buckets; one without is part of the next, the last has none. */
  readonly bounds: readonly (number | undefined)[];
  /** Observations in each bucket alone. */
  readonly counts: readonly number[];
  readonly sum: number;
}

/** One metric with all its label values. */
export interface Family<S = Scrape> {
  /** Without the prefix. */
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  /** Read one after the other, with other work in between. */
  readonly samples: (scrape: S) => Iterable<Sample>;
}

export function one(
  name: string,
  type: Family["type"],
  help: string,
  value: (scrape: Scrape) => number,
): Family {
  return { name, type, help, samples: (scrape) => [{ labels: {}, value: value(scrape) }] };
}

export function perCar(
  name: string,
  type: Family["type"],
  help: string,
  value: (car: CarSnapshot, scrape: Scrape) => number,
): Family {
  return {
    name,
    type,
    help,
    samples: (scrape) =>
      scrape.server.cars.values().map((car) => ({
        labels: { car: car.car },
        value: value(car, scrape),
      })),
  };
}

/** With thousands of cars, most of these would be 0: such series are left out. */
export function perCarUnlessZero(...[name, type, help, value]: Parameters<typeof perCar>): Family {
  const { samples, ...family } = perCar(name, type, `${help}; absent while 0`, value);
  return {
    ...family,
    *samples(scrape) {
      for (const sample of samples(scrape)) if (sample.value !== 0) yield sample;
    },
  };
}

/** Nothing when nobody judges the health of cars. */
export function perWatchedCar(
  name: string,
  help: string,
  samples: (car: string, watch: WatchedHealth) => readonly Sample[],
): Family {
  return {
    name,
    type: "gauge",
    help,
    samples: ({ server, watch }) =>
      watch ? server.cars.values().flatMap(({ car }) => samples(car, watch)) : [],
  };
}

/** A series exists from the first time on: with all reasons, most of a scrape would be zeros. */
export function perCarAndReason(
  name: string,
  help: string,
  counts: (car: CarSnapshot) => Readonly<Partial<Record<string, number>>>,
): Family {
  return {
    name,
    type: "counter",
    help,
    *samples({ server }) {
      for (const car of server.cars) {
        for (const [reason, value = 0] of Object.entries(counts(car))) {
          yield { labels: { car: car.car, reason }, value };
        }
      }
    },
  };
}
