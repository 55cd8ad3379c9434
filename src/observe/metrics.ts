// The metrics as Prometheus reads them.
import { type Metric, Registry } from "prom-client";
import { FAMILIES, type Family, type Sample, type Scrape } from "./families.ts";

/** Stands before every name. */
const PREFIX = "external_server_";

/**
 * A metric whose values are read when it is asked for. prom-client's own classes keep values and
 * would have to be told each of them first; its registry only needs this much of them.
 */
class CollectedMetric {
  readonly name: string;
  readonly help: string;
  readonly type: Family["type"];
  readonly #family: Family;
  readonly #scrape: () => Scrape;

  constructor(family: Family, scrape: () => Scrape) {
    this.name = PREFIX + family.name;
    this.help = family.help;
    this.type = family.type;
    this.#family = family;
    this.#scrape = scrape;
  }

  /** What the registry writes. */
  get(): Promise<{ name: string; help: string; type: string; values: readonly Sample[] }> {
    const { name, help, type } = this;
    return Promise.resolve({
      name,
      help,
      type,
      values: this.#family.samples(this.#scrape(), name),
    });
  }
}

/** Writes metrics in Prometheus' text format. Several may live in one process. */
export class Metrics {
  readonly contentType = Registry.PROMETHEUS_CONTENT_TYPE;
  readonly #registry = new Registry();
  readonly #look: () => Scrape;
  #scrape: Scrape | undefined;
  #writing: Promise<string> | undefined;

  /** @param look Called once for each text. */
  constructor(look: () => Scrape) {
    this.#look = look;
    for (const family of FAMILIES) {
      const metric = new CollectedMetric(family, () => this.#scrape ??= look());
      this.#registry.registerMetric(metric as unknown as Metric);
    }
  }

  /** All metrics; whoever asks while a text is being written gets that one. */
  text(): Promise<string> {
    this.#writing ??= this.#write().finally(() => this.#writing = this.#scrape = undefined);
    return this.#writing;
  }

  /** With many cars this takes a while: what else is to be done is done between the metrics. */
  async #write(): Promise<string> {
    this.#scrape = this.#look();
    const parts: string[] = [];
    for (const { name } of FAMILIES) {
      parts.push(await this.#registry.getSingleMetricAsString(PREFIX + name));
      await new Promise<void>((resolve) => setTimeout(resolve, 0));
    }
    return parts.join("\n\n") + "\n";
  }
}
