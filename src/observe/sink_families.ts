// The metrics of sinks, of a server and of a gateway. A label is a name of the configuration.
import type { Family } from "./metric_family.ts";

/** A sink of events, for metrics. */
export interface WatchedSink {
  readonly name: string;
  readonly lag: { readonly records: number; readonly bytes: number; readonly seconds: number };
  readonly delivered: { readonly records: number; readonly bytes: number };
  /** Records that were deleted before they were delivered, and their bytes. */
  readonly missed: number;
  readonly missedBytes: number;
  /** Since the last delivery. */
  readonly failures: number;
  readonly channels: readonly {
    readonly name: string;
    readonly sent: number;
    readonly dropped: number;
    readonly failed: number;
  }[];
  /** Payloads that a decoder could not read. */
  readonly undecoded: number;
}

interface SinkScrape {
  readonly sinks: readonly WatchedSink[];
}

function perSink(
  name: string,
  type: "counter" | "gauge",
  help: string,
  value: (sink: WatchedSink) => number,
): Family<SinkScrape> {
  const samples = ({ sinks }: SinkScrape) =>
    sinks.map((sink) => ({ labels: { sink: sink.name }, value: value(sink) }));
  return { name, help, type, samples };
}

export const SINK_FAMILIES: readonly Family<SinkScrape>[] = [
  perSink(
    "sink_lag_records",
    "gauge",
    "Records of the event log that wait for the sink",
    ({ lag }) => lag.records,
  ),
  perSink(
    "sink_lag_bytes",
    "gauge",
    "Bytes of the event log that wait for the sink",
    ({ lag }) => lag.bytes,
  ),
  perSink(
    "sink_lag_seconds",
    "gauge",
    "How long the oldest event has waited for the sink",
    ({ lag }) => lag.seconds,
  ),
  perSink(
    "sink_delivered_records_total",
    "counter",
    "Records of the event log that the sink has passed",
    ({ delivered }) => delivered.records,
  ),
  perSink(
    "sink_delivered_bytes_total",
    "counter",
    "Bytes of the event log that the sink has passed",
    ({ delivered }) => delivered.bytes,
  ),
  perSink(
    "sink_missed_records_total",
    "counter",
    "Records that were deleted or damaged before they were delivered",
    ({ missed }) => missed,
  ),
  perSink(
    "sink_missed_bytes_total",
    "counter",
    "Bytes that were deleted or damaged before they were delivered",
    ({ missedBytes }) => missedBytes,
  ),
  perSink(
    "sink_failures",
    "gauge",
    "Deliveries that have failed since the last that has not",
    ({ failures }) => failures,
  ),
  perSink(
    "sink_undecoded_payloads_total",
    "counter",
    "Payloads that a decoder of the sink could not read",
    ({ undecoded }) => undecoded,
  ),
  {
    name: "sink_channel_events_total",
    type: "counter",
    help: "Events that a channel has taken, by outcome: sent, dropped by report, sample or map, " +
      "or failed: lost to an expression",
    samples: ({ sinks }) =>
      sinks.flatMap(({ name: sink, channels }) =>
        channels.flatMap(({ name: channel, sent, dropped, failed }) =>
          Object.entries({ sent, dropped, failed }).map(([outcome, value]) => ({
            labels: { sink, channel, outcome },
            value,
          }))
        )
      ),
  },
];
