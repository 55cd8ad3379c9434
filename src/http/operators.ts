// The HTTP server as a whole: the history of the fleet, and the port.
import type { HttpConfig } from "../config/mod.ts";
import type { TurnSubscriber } from "../car/mod.ts";
import type { CallStatistics } from "../module/mod.ts";
import { FleetWatch, Metrics, MetricSource } from "../observe/mod.ts";
import type { Log } from "../log/mod.ts";
import { type Clock, systemClock } from "../time/mod.ts";
import { createApp } from "./app.ts";
import { EventStream } from "./event_stream.ts";
import { type HttpListening, listenHttp } from "./listen.ts";
import type { MethodSource } from "./api/methods.ts";
import { readinessOf } from "./readiness.ts";

export interface OperatorsOptions {
  readonly config: HttpConfig;
  readonly log: Log;
  readonly clock?: Clock;
  /** What metrics are read from; started by whoever gives it. @default {one of its own} */
  readonly metrics?: MetricSource | undefined;
  /** Connections for which there are file descriptors. @default {Infinity} */
  readonly maxConnections?: number | undefined;
}

/** The server, and what operators can do with it. */
export type Operated = Pick<MethodSource, "fleet" | "reload" | "setLogLevel">;

/**
 * Pages, API and metrics of one server. The server is made with {@linkcode Operators.subscribers} and
 * {@linkcode Operators.statistics} for its module calls.
 */
export class Operators {
  readonly watch: FleetWatch;
  readonly #options: OperatorsOptions;
  readonly #metrics: MetricSource;
  readonly #clock: Clock;
  #events: EventStream | undefined;
  #listening: HttpListening | undefined;

  constructor(options: OperatorsOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.watch = new FleetWatch(this.#clock);
    this.#metrics = options.metrics ?? new MetricSource(this.#clock);
  }

  /** Observe all cars. */
  get subscribers(): readonly TurnSubscriber[] {
    return [this.watch, this.#metrics];
  }

  /** Counts the calls of all modules. */
  get statistics(): CallStatistics {
    return this.#metrics.statistics;
  }

  /** Where it listens, such as `http://127.0.0.1:8080`; "" while it does not. */
  get url(): string {
    return this.#listening?.url ?? "";
  }

  /**
   * Listens, and starts counting per second.
   *
   * @throws {HttpListenError} when it cannot.
   */
  async start(operated: Operated): Promise<void> {
    const { config, log, maxConnections } = this.#options;
    const { watch, statistics } = this;
    const clock = this.#clock;
    const { startedAt } = this.#metrics;
    const source: MethodSource = { ...operated, watch, statistics, clock, startedAt, log };
    const events = new EventStream(source);
    const metrics = new Metrics(() => this.#metrics.scrape(operated.fleet.snapshot()));
    const app = createApp({
      source,
      events,
      metrics,
      apiKey: config.apiKey,
      health: () => ({
        status: "ok",
        uptimeMs: Math.floor(clock.now() - startedAt),
        eventLoopLagMs: this.#metrics.lagMs,
      }),
      readiness: () => readinessOf(operated.fleet.snapshot()),
    });
    this.#listening = await listenHttp(config, app.fetch, { clock, log, maxConnections });
    this.#events = events;
    if (this.#options.metrics === undefined) this.#metrics.start();
    watch.start((car) => operated.fleet.car(car) !== undefined);
    log.info(() => `Listening for operators on ${this.url}`);
  }

  /** Ends every request, and stops counting. Never rejects. */
  async stop(): Promise<void> {
    this.#events?.stop();
    await this.#listening?.stop();
    this.#listening = undefined;
    if (this.#options.metrics === undefined) this.#metrics.stop();
    this.watch.stop();
  }
}
