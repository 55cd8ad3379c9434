// Sends metrics at intervals, those of a large fleet in several requests: one after the other, so
// that messages of cars are handled in between.
import { setImmediate } from "node:timers/promises";
import type { OTLPMetricExporter } from "@opentelemetry/exporter-metrics-otlp-http";
import type { Resource } from "@opentelemetry/resources";
import type { MetricData } from "@opentelemetry/sdk-metrics";
import type { Scrape } from "../observe/mod.ts";
import { type Clock, every } from "../time/mod.ts";
import { VERSION } from "../version.ts";
import { metricBatches } from "./metric_data.ts";

/** Points of one request: making and encoding them takes some 10 ms. */
const MAX_POINTS = 2000;

const SCOPE = { name: "external-server", version: VERSION };

export interface MetricExportOptions {
  readonly exporter: Pick<OTLPMetricExporter, "export" | "shutdown">;
  readonly resource: Resource;
  readonly intervalMs: number;
  /** What there is to send; undefined before there is anything. */
  readonly look: () => Scrape | undefined;
  readonly clock: Clock;
  /** Takes what is wrong with the metrics themselves. */
  readonly onDefect: (error: unknown) => void;
}

/** The metrics of one server. */
export class MetricExport {
  readonly #options: MetricExportOptions;
  #stopTicking: () => void = () => {};
  /** Settles when nothing is being sent. */
  #sending: Promise<void> | undefined;

  constructor(options: MetricExportOptions) {
    this.#options = options;
  }

  start(): void {
    const { intervalMs, clock } = this.#options;
    // What takes longer than the interval is sent less often.
    this.#stopTicking = every(intervalMs, () => void (this.#sending ?? this.#send()), clock);
  }

  /** Sends a last time. Rejects when the exporter does. */
  async shutdown(): Promise<void> {
    this.#stopTicking();
    await this.#sending;
    await this.#send();
    await this.#options.exporter.shutdown();
  }

  #send(): Promise<void> {
    return this.#sending = this.#sendAll().finally(() => this.#sending = undefined);
  }

  /** Never rejects. */
  async #sendAll(): Promise<void> {
    const { look, clock, onDefect } = this.#options;
    try {
      const scrape = look();
      if (scrape === undefined) return;
      await setImmediate();
      for (const metrics of metricBatches(scrape, clock.now(), MAX_POINTS)) {
        // A collector that is not there does not take the next one, either.
        if (!await this.#export(metrics)) return;
      }
    } catch (error) {
      onDefect(error);
    }
  }

  #export(metrics: MetricData[]): Promise<boolean> {
    const { exporter, resource } = this.#options;
    return new Promise((resolve) => {
      const scopeMetrics = [{ scope: SCOPE, metrics }];
      exporter.export({ resource, scopeMetrics }, ({ code }) => resolve(code === 0));
    });
  }
}
