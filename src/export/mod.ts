// Exports: sinks, each a cursor into the event log. Loaded only when there is one.
export type { ExportSettings } from "./core.ts";
export {
  type EventSource,
  Exporter,
  type ExporterOptions,
  type ExporterSnapshot,
} from "./exporter.ts";
export { FileSink, type FileSinkOptions } from "./file_sink.ts";
export { type Sink, type SinkBatch, SinkError, type SinkMessage } from "./sink.ts";
export { WebhookSink, type WebhookSinkOptions } from "./webhook_sink.ts";
