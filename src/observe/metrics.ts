// Writes metrics in Prometheus' text format.
import { setImmediate } from "node:timers/promises";
import { FAMILIES, type Sample, type Scrape } from "./metric_families.ts";

/** Prefix of every name. */
const PREFIX = "external_server_";

/** Lines that are written before the event loop turns. */
const CHUNK = 500;

/** Writes metrics in Prometheus' text format. Several may live in one process. */
export class Metrics {
  readonly contentType = "text/plain; version=0.0.4; charset=utf-8";
  readonly #look: () => Scrape;
  #writing: Promise<string> | undefined;

  /** @param look Called once for each text. */
  constructor(look: () => Scrape) {
    this.#look = look;
  }

  /** All metrics; concurrent callers get the same text. */
  text(): Promise<string> {
    this.#writing ??= this.#write().finally(() => this.#writing = undefined);
    return this.#writing;
  }

  /** With many cars this takes a while, so the event loop turns between the chunks. */
  async #write(): Promise<string> {
    const scrape = this.#look();
    const chunks: string[] = [];
    let lines: string[] = [];
    for (const { name, help, type, samples } of FAMILIES) {
      const fullName = PREFIX + name;
      lines.push(`# HELP ${fullName} ${help}\n# TYPE ${fullName} ${type}\n`);
      for (const sample of samples(scrape, fullName)) {
        if (lines.push(line(fullName, sample)) < CHUNK) continue;
        chunks.push(lines.join(""));
        lines = [];
        await setImmediate();
      }
      lines.push("\n");
    }
    return chunks.join("") + lines.join("");
  }
}

function line(name: string, { metricName = name, labels, value }: Sample): string {
  const list = Object.entries(labels).map(([label, text]) => `${label}="${text}"`);
  return `${metricName}${list.length === 0 ? "" : `{${list}}`} ${value}\n`;
}
