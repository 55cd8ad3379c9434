// Exports: sinks, each a cursor into the event log. Loaded only when there is one.
export type { ExportSettings } from "./core.ts";
export type { EventSource, ExporterOptions } from "./exporter.ts";
export type { Feed } from "./feed.ts";
export { FileSink, type FileSinkOptions } from "./file_sink.ts";
export { openSink } from "./open_sink.ts";
export type { KeptReplay, ReplayOrder, ReplaySnapshot } from "./replay.ts";
export { type Sink, type SinkBatch, SinkError, type SinkMessage } from "./sink.ts";
export { SinkExport, type SinkExportOptions } from "./sink_export.ts";
export {
  type ExporterSnapshot,
  SINK_STATES,
  type SinkSnapshot,
  type SinkState,
} from "./snapshot.ts";
export { WebhookSink, type WebhookSinkOptions } from "./webhook_sink.ts";
