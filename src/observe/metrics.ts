// Writes metrics in Prometheus' text format.
import { setImmediate } from "node:timers/promises";
import { type Metric, Registry } from "prom-client";
import { FAMILIES, type Family, type Sample, type Scrape } from "./metric_families.ts";

/** Prefix of every name. */
const PREFIX = "external_server_";

/** Lines that are written before the event loop turns. */
const CHUNK = 500;

/**
 * A metric whose values are read on demand, in chunks. prom-client's own classes store values, which
 * would have to be copied there first; its registry needs only this.
 */
class CollectedMetric {
  readonly name: string;
  readonly help: string;
  readonly type: Family["type"];
  readonly #samples: Family["samples"];
  #left: readonly Sample[] = [];

  constructor({ name, help, type, samples }: Family) {
    this.name = PREFIX + name;
    this.help = help;
    this.type = type;
    this.#samples = samples;
  }

  /** Reads all values. */
  collect(scrape: Scrape): void {
    this.#left = this.#samples(scrape, this.name);
  }

  /** Whether the registry still has chunks to write. */
  get hasMore(): boolean {
    return this.#left.length > 0;
  }

  /** The next chunk. */
  get(): Promise<{ name: string; help: string; type: string; values: readonly Sample[] }> {
    const { name, help, type } = this;
    const values = this.#left.slice(0, CHUNK);
    this.#left = this.#left.slice(CHUNK);
    return Promise.resolve({ name, help, type, values });
  }
}

/** Writes metrics in Prometheus' text format. Several may live in one process. */
export class Metrics {
  readonly contentType = Registry.PROMETHEUS_CONTENT_TYPE;
  readonly #registry = new Registry();
  readonly #metrics = FAMILIES.map((family) => new CollectedMetric(family));
  readonly #look: () => Scrape;
  #writing: Promise<string> | undefined;

  /** @param look Called once for each text. */
  constructor(look: () => Scrape) {
    this.#look = look;
    for (const metric of this.#metrics) {
      this.#registry.registerMetric(metric as unknown as Metric);
    }
  }

  /** All metrics; concurrent calls share one text. */
  text(): Promise<string> {
    this.#writing ??= this.#write().finally(() => this.#writing = undefined);
    return this.#writing;
  }

  /** With many cars this takes a while, so the event loop turns between chunks. */
  async #write(): Promise<string> {
    const scrape = this.#look();
    const parts: string[] = [];
    for (const metric of this.#metrics) {
      metric.collect(scrape);
      parts.push(await this.#registry.getSingleMetricAsString(metric.name));
      while (metric.hasMore) {
        await setImmediate();
        const [_help, _type, ...lines] = (await this.#registry.getSingleMetricAsString(metric.name))
          .split("\n");
        parts.push(lines.join("\n"));
      }
      parts.push("");
      await setImmediate();
    }
    return parts.join("\n");
  }
}
