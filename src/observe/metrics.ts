// Writes metrics in Prometheus' text format.
import { setImmediate } from "node:timers/promises";
import type { Family, Histogram, Sample } from "./metric_family.ts";

/** Prefix of every name of a server. */
export const PREFIX = "external_server_";

/** Lines that are written before the event loop turns. */
const CHUNK = 500;

/** Writes metrics in Prometheus' text format. Several may live in one process. */
export class Metrics<S> {
  readonly contentType = "text/plain; version=0.0.4; charset=utf-8";
  readonly #look: () => S;
  readonly #families: readonly Family<S>[];
  readonly #prefix: string;
  #writing: Promise<string> | undefined;

  /**
   * @param look Called once for each text.
   * @param prefix Of every name.
   */
  constructor(look: () => S, families: readonly Family<S>[], prefix: string) {
    this.#look = look;
    this.#families = families;
    this.#prefix = prefix;
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
    for (const { name, help, type, samples } of this.#families) {
      const fullName = this.#prefix + name;
      lines.push(`# HELP ${fullName} ${help}\n# TYPE ${fullName} ${type}\n`);
      for (const { labels, value } of samples(scrape)) {
        const written = typeof value === "number"
          ? lines.push(line(fullName, labels, value))
          : lines.push(...histogramLines(fullName, labels, value));
        if (written < CHUNK) continue;
        chunks.push(lines.join(""));
        lines = [];
        await setImmediate();
      }
      lines.push("\n");
    }
    return chunks.join("") + lines.join("");
  }
}

/** Buckets that add up, sum and count. */
function* histogramLines(
  name: string,
  labels: Sample["labels"],
  { bounds, counts, sum }: Histogram,
): Iterable<string> {
  let total = 0;
  const bucket = (le: number | "+Inf") => line(`${name}_bucket`, { ...labels, le }, total);
  for (const [index, count] of counts.entries()) {
    total += count;
    const bound = bounds[index];
    if (bound !== undefined) yield bucket(bound);
  }
  yield bucket("+Inf");
  yield line(`${name}_sum`, labels, sum);
  yield line(`${name}_count`, labels, total);
}

function line(name: string, labels: Sample["labels"], value: number): string {
  const list = Object.entries(labels).map(([label, text]) => `${label}="${text}"`);
  return `${name}${list.length === 0 ? "" : `{${list}}`} ${value}\n`;
}
