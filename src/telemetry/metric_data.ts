// The metrics of a scrape as OpenTelemetry has them.
import { ValueType } from "@opentelemetry/api";
import { AggregationTemporality, DataPointType, type MetricData } from "@opentelemetry/sdk-metrics";
import { FAMILIES, type Family, type Histogram, PREFIX, type Scrape } from "../observe/mod.ts";

type Time = [seconds: number, nanoseconds: number];

/**
 * All metrics that have a value, under the names that they have in Prometheus.
 *
 * @param now When they were read, in milliseconds since the epoch.
 */
export function metricData(scrape: Scrape, now: number): MetricData[] {
  const startTime = timeOf(scrape.process.startedAt);
  const endTime = timeOf(now);
  return FAMILIES.map((family): MetricData => {
    const { name, help: description, samples } = family;
    const unit = unitOf(family);
    const common = {
      descriptor: { name: PREFIX + name, description, unit, valueType: ValueType.DOUBLE },
      aggregationTemporality: AggregationTemporality.CUMULATIVE,
    };
    const numbers = [];
    const histograms = [];
    for (const { labels, value } of samples(scrape)) {
      const attributes = attributesOf(labels);
      if (typeof value === "number") numbers.push({ startTime, endTime, attributes, value });
      else histograms.push({ startTime, endTime, attributes, value: histogramOf(value) });
    }
    switch (family.type) {
      case "counter":
        return {
          ...common,
          dataPointType: DataPointType.SUM,
          isMonotonic: true,
          dataPoints: numbers,
        };
      case "gauge":
        return { ...common, dataPointType: DataPointType.GAUGE, dataPoints: numbers };
      case "histogram":
        return { ...common, dataPointType: DataPointType.HISTOGRAM, dataPoints: histograms };
    }
  }).filter(({ dataPoints }) => dataPoints.length > 0);
}

/** As in UCUM. */
function unitOf({ name }: Family): string {
  if (/_seconds(_total)?$/.test(name)) return "s";
  return /_bytes(_total)?$/.test(name) ? "By" : "1";
}

/** Labels are strings in Prometheus, too. */
function attributesOf(labels: Readonly<Record<string, string | number>>): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).map(([name, value]) => [name, String(value)]));
}

function histogramOf({ bounds, counts, sum }: Histogram) {
  const boundaries: number[] = [];
  const merged = [0];
  for (const [index, count] of counts.entries()) {
    merged[merged.length - 1] = (merged.at(-1) ?? 0) + count;
    const bound = bounds[index];
    if (bound === undefined) continue;
    boundaries.push(bound);
    merged.push(0);
  }
  const count = counts.reduce((sum, one) => sum + one, 0);
  return { buckets: { boundaries, counts: merged }, sum, count };
}

function timeOf(ms: number): Time {
  const seconds = Math.floor(ms / 1000);
  return [seconds, Math.round((ms - seconds * 1000) * 1e6)];
}
