// The metrics of a scrape as OpenTelemetry has them.
import { ValueType } from "@opentelemetry/api";
import { AggregationTemporality, DataPointType, type MetricData } from "@opentelemetry/sdk-metrics";
import { FAMILIES, type Family, type Histogram, PREFIX, type Scrape } from "../observe/mod.ts";

type Time = [seconds: number, nanoseconds: number];

/**
 * All metrics that have a value, under the names that they have in Prometheus. Each batch is made
 * when it is asked for.
 *
 * @param now When they were read, in milliseconds since the epoch.
 * @param maxPoints Of one batch; a metric with more is in several.
 */
export function* metricBatches(
  scrape: Scrape,
  now: number,
  maxPoints: number,
): Generator<MetricData[]> {
  const startTime = timeOf(scrape.process.startedAt);
  const endTime = timeOf(now);
  let batch: MetricData[] = [];
  let left = maxPoints;
  for (const family of FAMILIES) {
    let points: Point[] = [];
    for (const { labels, value } of family.samples(scrape)) {
      points.push({ startTime, endTime, attributes: attributesOf(labels), value });
      if (--left > 0) continue;
      yield [...batch, metricOf(family, points)];
      batch = [];
      points = [];
      left = maxPoints;
    }
    if (points.length > 0) batch.push(metricOf(family, points));
  }
  if (batch.length > 0) yield batch;
}

/** One value of a metric. */
interface Point {
  readonly startTime: Time;
  readonly endTime: Time;
  readonly attributes: Record<string, string>;
  readonly value: number | Histogram;
}

function metricOf(family: Family, points: readonly Point[]): MetricData {
  const { name, help: description } = family;
  const unit = unitOf(family);
  const common = {
    descriptor: { name: PREFIX + name, description, unit, valueType: ValueType.DOUBLE },
    aggregationTemporality: AggregationTemporality.CUMULATIVE,
  };
  const numbers = [];
  const histograms = [];
  for (const { value, ...point } of points) {
    if (typeof value === "number") numbers.push({ ...point, value });
    else histograms.push({ ...point, value: histogramOf(value) });
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
