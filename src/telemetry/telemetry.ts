// Sends metrics and traces to an OpenTelemetry collector: OTLP over HTTP.
import { OTLPMetricExporter } from "@opentelemetry/exporter-metrics-otlp-http";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { CompressionAlgorithm } from "@opentelemetry/otlp-exporter-base";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import { hostname } from "node:os";
import type { TurnSubscriber } from "../car/mod.ts";
import type { OpenTelemetryConfig } from "../config/mod.ts";
import { andSuppressed, type Log, Once } from "../log/mod.ts";
import { MetricSource } from "../observe/mod.ts";
import type { ServerSnapshot } from "../server/mod.ts";
import { type Clock, systemClock, within } from "../time/mod.ts";
import { VERSION } from "../version.ts";
import { MetricExport } from "./metric_export.ts";
import { Traces } from "./traces.ts";

/** Deadline for what is sent last when stopping, in milliseconds. */
const STOP_MS = 1500;
/** Deadline for a request and its repetitions, in milliseconds. */
const REQUEST_MS = 10_000;
/** Requests at a time; with more, the collector is too slow, and what is new is lost. */
const MAX_REQUESTS = 4;
/** Spans that wait to be sent; further ones are lost. */
const MAX_SPANS = 2048;

export interface TelemetryOptions {
  readonly config: OpenTelemetryConfig;
  readonly company: string;
  readonly log: Log;
  /** The server; undefined before there is one. */
  readonly look: () => ServerSnapshot | undefined;
  readonly clock?: Clock;
  /** As in {@linkcode Traces}. */
  readonly random?: () => number;
}

type Signal = "metrics" | "traces";
type Exporter = Pick<OTLPMetricExporter | OTLPTraceExporter, "shutdown">;
type Result = { readonly code: number; readonly error?: Error };

/** Metrics and traces of one server. */
export class Telemetry {
  /** What its metrics are read from. */
  readonly metrics: MetricSource;
  /** Observe all cars. */
  readonly subscribers: readonly TurnSubscriber[];
  readonly #options: TelemetryOptions;
  readonly #clock: Clock;
  readonly #once: Once;
  readonly #failures = { metrics: 0, traces: 0 };
  readonly #metricExport: MetricExport | undefined;
  readonly #providers: readonly { shutdown(): Promise<void> }[];

  constructor(options: TelemetryOptions) {
    this.#options = options;
    const { config: { metricsIntervalMs, traceRatio }, clock = systemClock } = options;
    this.#clock = clock;
    this.#once = new Once({ clock });
    this.metrics = new MetricSource(clock);
    this.metrics.telemetryFailures = this.#failures;
    const resource = resourceFromAttributes({
      "service.name": "external-server",
      "service.version": VERSION,
      "service.instance.id": crypto.randomUUID(),
      "host.name": hostname(),
      "external_server.company": options.company,
    });
    const subscribers: TurnSubscriber[] = [];
    const providers: { shutdown(): Promise<void> }[] = [];
    if (traceRatio > 0) {
      const exporter = this.#told(new OTLPTraceExporter(this.#requests("traces")), "traces");
      const processor = new BatchSpanProcessor({ exporter, maxQueueSize: MAX_SPANS });
      const provider = new TracerProvider({ resource, spanProcessors: [processor] });
      const tracer = provider.getTracer("external-server", VERSION);
      const { random } = options;
      subscribers.push(new Traces({ tracer, ratio: traceRatio, ...(random && { random }) }));
      providers.push(provider);
    }
    if (metricsIntervalMs > 0) {
      subscribers.push(this.metrics);
      this.#metricExport = new MetricExport({
        exporter: this.#told(new OTLPMetricExporter(this.#requests("metrics")), "metrics"),
        resource,
        intervalMs: metricsIntervalMs,
        look: () => {
          const server = options.look();
          return server && this.metrics.scrape(server);
        },
        clock,
        onDefect: (error) => this.#onFailure("metrics", error),
      });
      providers.push(this.#metricExport);
    }
    this.subscribers = subscribers;
    this.#providers = providers;
  }

  start(): void {
    this.metrics.start();
    this.#metricExport?.start();
    this.#options.log.info(() => `Sending telemetry to "${this.#options.config.endpoint}"`);
  }

  /** Sends what is left, if the collector takes it in time. Never rejects. */
  async stop(): Promise<void> {
    const sent = Promise.allSettled(this.#providers.map((provider) => provider.shutdown()));
    await within(sent, STOP_MS, this.#clock);
    this.metrics.stop();
  }

  #requests(what: Signal) {
    const { endpoint, authorization } = this.#options.config;
    return {
      url: `${endpoint}/v1/${what}`,
      headers: authorization === undefined ? {} : { authorization },
      compression: CompressionAlgorithm.GZIP,
      timeoutMillis: REQUEST_MS,
      concurrencyLimit: MAX_REQUESTS,
    };
  }

  /** Logs what could not be sent; the packages do not report it. */
  #told<E extends Exporter & { export(items: never, done: (result: Result) => void): void }>(
    exporter: E,
    what: Signal,
  ): E {
    const send = exporter.export.bind(exporter);
    exporter.export = (items: never, done: (result: Result) => void) =>
      send(items, (result) => {
        if (result.code !== 0) this.#onFailure(what, result.error);
        done(result);
      });
    return exporter;
  }

  #onFailure(what: Signal, error: unknown): void {
    this.#failures[what]++;
    const count = this.#once.ask(what);
    if (count === undefined) return;
    const { log, config: { endpoint } } = this.#options;
    const reason = error instanceof Error ? error.message : "unknown reason";
    log.warning(`Cannot send ${what} to "${endpoint}": ${reason}${andSuppressed(count)}`);
  }
}
