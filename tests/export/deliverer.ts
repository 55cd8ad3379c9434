// A process that exports an event log until it is killed: `deliverer.ts DIRECTORY KIND TARGET`. The cursor
// is kept in a file; a line of its output is said for each time that it is.
import { Exporter } from "../../src/export/exporter.ts";
import { FileSink } from "../../src/export/file_sink.ts";
import { ParquetSink } from "../../src/export/parquet_sink.ts";
import type { Sink } from "../../src/export/sink.ts";
import { WebhookSink } from "../../src/export/webhook_sink.ts";
import { LOG_BEGIN } from "../../src/record/log_reader.ts";
import type { Position } from "../../src/record/segment_log.ts";
import { ListLog } from "../support/list_log.ts";
import { SECRET } from "./support.ts";

const [directory = "", kind = "", target = ""] = Deno.args;
const file = `${directory}/cursor.json`;

function keptCursor(): Position {
  try {
    return JSON.parse(Deno.readTextFileSync(file));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return LOG_BEGIN;
    throw error;
  }
}

const sink: Sink = kind === "file"
  ? new FileSink({ directory: target, maxBytes: 200_000, keep: 0 })
  : kind === "parquet"
  ? new ParquetSink({ directory: target, keep: 0 })
  : new WebhookSink({ url: target, secret: SECRET, format: "ndjson" });
const end = JSON.parse(Deno.readTextFileSync(`${directory}/end.json`)) as Position;
const exporter = new Exporter({
  name: kind,
  sink,
  source: { directory: `${directory}/events`, end: () => end, onWritten: () => () => {} },
  settings: { batchEvents: 50, batchMs: 1, bytesPerSecond: 0 },
  cursor: keptCursor(),
  keep(cursor) {
    Deno.writeTextFileSync(`${file}.new`, JSON.stringify(cursor));
    Deno.renameSync(`${file}.new`, file);
    Deno.stdout.writeSync(new TextEncoder().encode("kept\n"));
    if (cursor.records >= end.records) Deno.exit();
  },
  log: new ListLog(),
});
exporter.start();
