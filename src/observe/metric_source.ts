// What metrics are read from; exists only while somebody reads them.
import type { Turn, TurnSubscriber } from "../car/mod.ts";
import { CallStatistics } from "../module/mod.ts";
import type { ServerSnapshot } from "../server/mod.ts";
import { type Clock, systemClock } from "../time/mod.ts";
import type { WatchedCluster } from "./cluster_families.ts";
import { Buckets } from "./buckets.ts";
import { LoopLag } from "./loop_lag.ts";
import type { Scrape, TelemetryFailures, WatchedHealth, WebhookCounts } from "./metric_family.ts";
import type { SourceView } from "../config_source/mod.ts";
import type { WatchedSink } from "./sink_families.ts";

/** Upper bounds of response times, in seconds. */
const RESPONSE_BOUNDS = [
  0.0005,
  0.001,
  0.0025,
  0.005,
  0.01,
  0.025,
  0.05,
  0.1,
  0.25,
  0.5,
  1,
  2.5,
  5,
  10,
];

/** Counts what no one else counts: response times, calls of modules, the event loop's lag. */
export class MetricSource implements TurnSubscriber {
  /** Counts the calls of all modules. */
  readonly statistics = new CallStatistics();
  /** When the process started, in milliseconds since the epoch. */
  readonly startedAt: number;
  /** The health of cars, when somebody judges it. */
  health: WatchedHealth | undefined;
  /** The webhook, when there is one. */
  webhook: { readonly counts: WebhookCounts } | undefined;
  /** What a collector has not taken, when anything is sent to one. */
  telemetryFailures: TelemetryFailures | undefined;
  /** The sinks of events, when there are some. */
  sinks: (() => readonly WatchedSink[]) | undefined;
  /** The configuration, when it is pulled. */
  configSource: (() => SourceView) | undefined;
  /** The cluster, when the server shares its cars. */
  cluster: (() => WatchedCluster) | undefined;
  readonly #lag: LoopLag;
  /** Of all cars, in seconds. */
  readonly #responses = new Buckets(RESPONSE_BOUNDS);
  /** Response times of each car, added up. */
  readonly #byCar = new Map<string, { seconds: number }>();

  constructor(clock: Clock = systemClock) {
    this.startedAt = Math.floor(clock.now());
    this.#lag = new LoopLag(clock);
  }

  /** Begins to measure the event loop's lag. */
  start(): void {
    this.#lag.start();
  }

  stop(): void {
    this.#lag.stop();
  }

  /** See {@linkcode LoopLag.lagMs}. */
  get lagMs(): LoopLag["lagMs"] {
    return this.#lag.lagMs;
  }

  /** See {@linkcode TurnSubscriber}. */
  onTurn({ car, at, effects }: Turn): void {
    for (const effect of effects) {
      if (effect.type !== "publish" || effect.answers?.receivedAt === undefined) continue;
      const seconds = (at - effect.answers.receivedAt) / 1000;
      this.#responses.observe(seconds);
      const sum = this.#byCar.get(car);
      if (sum === undefined) this.#byCar.set(car, { seconds });
      else sum.seconds += seconds;
    }
  }

  /** The data for one scrape of a server. */
  scrape(server: ServerSnapshot): Scrape {
    const served = new Set(server.cars.map(({ car }) => car));
    for (const car of this.#byCar.keys()) if (!served.has(car)) this.#byCar.delete(car);
    return {
      server,
      calls: this.statistics.snapshot(),
      responses: this.#responses,
      responseSeconds: (car) => this.#byCar.get(car)?.seconds ?? 0,
      ...(this.health && { watch: this.health }),
      ...(this.webhook && { webhook: this.webhook.counts }),
      ...(this.telemetryFailures && { telemetryFailures: this.telemetryFailures }),
      sinks: this.sinks?.() ?? [],
      configSource: this.configSource?.(),
      ...(this.cluster && { cluster: this.cluster() }),
      lagMs: this.lagMs,
      process: { residentBytes: Deno.memoryUsage().rss, startedAt: this.startedAt },
    };
  }
}
