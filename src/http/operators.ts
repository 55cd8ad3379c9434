// The HTTP server as a whole: the history of the fleet, and the port.
import type { HttpConfig } from "../config/mod.ts";
import { isLoopback } from "../net/mod.ts";
import {
  FAMILIES,
  FleetWatch,
  IncidentLog,
  Metrics,
  MetricSource,
  PREFIX,
  type WatchedFleet,
} from "../observe/mod.ts";
import { CommandFeed, CommandLedger } from "../ledger/mod.ts";
import type { ServerSubscriber } from "../server/mod.ts";
import { Pauses, type StateDirectory } from "../state/mod.ts";
import { Authorization } from "./access/authorization.ts";
import { AuditList, type OnAction } from "./access/audit.ts";
import { KeyRing, type KeysConfig } from "./access/key_ring.ts";
import { LogIns } from "./access/log_ins.ts";
import type { Log } from "../log/mod.ts";
import { type Clock, systemClock } from "../time/mod.ts";
import { createApp } from "./app.ts";
import { EventStream } from "./event_stream.ts";
import { type HttpListening, listenHttp } from "./listen.ts";
import type { LoggedEvents, WrittenLog } from "./api/logged_events.ts";
import { callMethod, METHODS, type MethodSource } from "./api/methods.ts";
import type { OperatedSource } from "./api/config_source.ts";
import type { OperatedSink } from "./api/sinks.ts";
import { assets } from "./page/assets.ts";
import { readinessOf } from "./readiness.ts";

export interface OperatorsOptions {
  readonly config: HttpConfig;
  readonly log: Log;
  /** Which cars are paused. @default {none are; pauses end with the server} */
  readonly pauses?: Pauses;
  /** Where log-ins and actions are kept; absent: they end with the server. */
  readonly stateDirectory?: StateDirectory | undefined;
  readonly clock?: Clock;
  /** What metrics are read from; started by whoever gives it. @default {one of its own} */
  readonly metrics?: MetricSource | undefined;
  /** Observes all cars; loaded, started and stopped by whoever gives it. @default {one of its own} */
  readonly watch?: FleetWatch | undefined;
  /** The sinks of events. @default {none} */
  readonly sinks?: (() => readonly OperatedSink[]) | undefined;
  /** Absent: the configuration is the local file. */
  readonly configSource?: OperatedSource | undefined;
  /** The event log. @default {there is none} */
  readonly eventLog?: WrittenLog | undefined;
  /** Gets what operators do, or try. */
  readonly onAction?: OnAction | undefined;
  /** Connections for which there are file descriptors. @default {Infinity} */
  readonly maxConnections?: number | undefined;
}

/** The server, and what operators can do with it. */
export type Operated = Pick<MethodSource, "reload" | "setLogLevel" | "cluster"> & {
  readonly fleet: MethodSource["fleet"] & WatchedFleet;
};

/**
 * Pages, API and metrics of one server. The server is made with {@linkcode Operators.subscribers} and
 * the {@linkcode MetricSource.statistics} of its metrics for module calls.
 */
export class Operators {
  readonly watch: FleetWatch;
  /** What metrics are read from; counts the calls of all modules. */
  readonly metrics: MetricSource;
  readonly #options: OperatorsOptions;
  readonly #clock: Clock;
  readonly #ring: KeyRing;
  readonly #logIns: LogIns;
  readonly #audit: AuditList;
  readonly #feed = new CommandFeed();
  #events: EventStream | undefined;
  #logged: LoggedEvents | undefined;
  #listening: HttpListening | undefined;

  constructor(options: OperatorsOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.watch = options.watch ?? new FleetWatch(this.#clock);
    this.metrics = options.metrics ?? new MetricSource(this.#clock);
    this.#ring = new KeyRing(options.config);
    this.#logIns = new LogIns(this.#ring, this.#clock, options.stateDirectory);
    const { log, stateDirectory, onAction } = options;
    this.#audit = new AuditList(log, this.#clock, stateDirectory, onAction);
  }

  /** Observe all cars. */
  get subscribers(): readonly ServerSubscriber[] {
    return [this.watch, this.metrics, this.#feed];
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
    const { config, log, maxConnections, stateDirectory } = this.#options;
    const { pauses = new Pauses(undefined, log) } = this.#options;
    const { sinks = () => [], configSource, eventLog } = this.#options;
    const { watch, metrics: { statistics, startedAt } } = this;
    const clock = this.#clock;
    const audit = this.#audit;
    const logged = await this.#loggedEvents();
    const source: MethodSource = {
      ...operated,
      watch,
      statistics,
      pauses,
      audit,
      clock,
      startedAt,
      log,
      sinks,
      ledger: eventLog && new CommandLedger(eventLog.directory),
      configSource,
      logged,
    };
    const events = new EventStream({ ...source, feed: this.#feed });
    this.metrics.health = watch;
    this.metrics.configSource = configSource && (() => configSource.view());
    const { cluster } = operated;
    if (cluster !== undefined) this.metrics.cluster = () => cluster.cluster.snapshot();
    this.metrics.sinks = () => sinks().map((sink) => sink.snapshot());
    const metrics = new Metrics(
      () => this.metrics.scrape(operated.fleet.snapshot()),
      FAMILIES,
      PREFIX,
    );
    const app = createApp({
      source,
      methods: METHODS,
      call: callMethod,
      assets,
      tiles: () => operated.fleet.config.map.tiles,
      events,
      metrics,
      authorization: new Authorization({
        ring: this.#ring,
        logIns: this.#logIns,
        clock,
        // Browsers tell hosts apart, but not the ports of one.
        cookie: `external_server_${config.port}`,
        secure: config.tls !== undefined,
        local: isLoopback(config.address),
      }),
      health: () => ({
        status: "ok",
        uptimeMs: Math.floor(clock.now() - startedAt),
        eventLoopLagMs: this.metrics.lagMs,
      }),
      readiness: () => readinessOf(operated.fleet.snapshot(), watch.count("degraded"), source),
    });
    this.#listening = await listenHttp(config, app.fetch, { clock, log, maxConnections });
    this.#events = events;
    this.#logged = logged;
    if (this.#options.metrics === undefined) this.metrics.start();
    if (this.#options.watch === undefined) {
      watch.listenToIncidents(new IncidentLog(log, clock));
      watch.start(operated.fleet);
    }
    log.info(() => `Listening for operators on ${this.url}`);
    if (stateDirectory === undefined) {
      log.info(
        "Pauses, log-ins, history, incidents and the list of actions end with the server: state_dir is not configured",
      );
    }
  }

  /** Not even loaded while there is no event log. */
  async #loggedEvents(): Promise<LoggedEvents | undefined> {
    const { eventLog } = this.#options;
    if (eventLog === undefined) return undefined;
    const { LoggedEvents } = await import("./api/logged_events.ts");
    return new LoggedEvents(eventLog, this.#clock);
  }

  /**
   * Reads what was kept, before the start.
   *
   * @throws {StateError} when it can neither be used nor set aside.
   */
  async load(): Promise<void> {
    await this.#audit.load();
    await this.#logIns.load();
    const { stateDirectory, log, watch } = this.#options;
    // Whoever gives it loads it.
    if (watch === undefined && stateDirectory !== undefined) {
      await this.watch.load(stateDirectory, log);
    }
  }

  /** Takes the keys of another configuration: what a revoked one has opened ends. */
  configure(keys: KeysConfig): void {
    this.#ring.replace(keys);
    this.#logIns.prune();
  }

  /** Ends every request, and stops counting. Never rejects. */
  async stop(): Promise<void> {
    this.#events?.stop();
    this.#logged?.stop();
    await this.#listening?.stop();
    this.#listening = undefined;
    if (this.#options.metrics === undefined) this.metrics.stop();
    if (this.#options.watch === undefined) await this.watch.stop();
  }
}
