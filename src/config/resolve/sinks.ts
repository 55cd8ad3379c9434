// Resolves where events are exported to.
import { resolve } from "node:path";
import { joinPath, quote } from "../../text/mod.ts";
import type { CommonInput } from "../dialects/dialect.ts";
import type { Faults } from "../errors.ts";
import { type ConfigPlace, findFile } from "../files.ts";
import type { EventLogConfig, SinkConfig } from "./config.ts";
import { resolveChannels, resolveDecoders } from "./channels.ts";
import { resolveMqttSink, resolveNatsSink } from "./connected_sinks.ts";
import { warnOfClearText } from "./outbound.ts";

/** A sink as it is read. */
export type SinkInput = NonNullable<
  NonNullable<CommonInput["sinks"]> extends ReadonlyMap<string, infer Value> ? Value : never
>;

/** What a batch has at most, and how long it waits. */
const BATCH = { events: 500, ms: 1000 };
/** A batch is a file. */
const PARQUET = { events: 50_000, ms: 60_000, bytes: 4 * 1024 * 1024 };
const MAX_PARQUET_BYTES = 16 * 1024 * 1024;
const NDJSON_BYTES = 64 * 1024 * 1024;

const NAME = /^[A-Za-z0-9_.-]{1,64}$/;

/** Checks the sinks; undefined when there are none. */
export function resolveSinks(
  { sinks: input, state_dir: stateDir }: Pick<CommonInput, "sinks" | "state_dir">,
  eventLog: EventLogConfig | undefined,
  place: ConfigPlace,
  faults: Faults,
): readonly SinkConfig[] | undefined {
  if (input === undefined || input.size === 0) return undefined;
  if (eventLog === undefined) {
    faults.problem("event_log", "Expected an event log, which sinks read: found nothing");
  }
  if (stateDir === undefined) {
    faults.problem("state_dir", "Expected a directory for how far sinks are: found nothing");
  }
  const sinks: SinkConfig[] = [];
  for (const [name, sink] of input) {
    const path = joinPath("sinks", name);
    if (!NAME.test(name)) {
      const expected = "a name of 1 to 64 letters, digits, underscores, dots and hyphens";
      faults.problem(path, `Expected ${expected}: found ${quote(name)}`);
    }
    const resolved = sink && resolveSink(name, path, sink, place, faults);
    if (resolved !== undefined) sinks.push(resolved);
  }
  return sinks;
}

/** Undefined when a part of it is missing or invalid, which has been reported. */
function resolveSink(
  name: string,
  path: string,
  input: SinkInput,
  place: ConfigPlace,
  faults: Faults,
): SinkConfig | undefined {
  const { kind, format, bytes_per_second: bytesPerSecond, events } = input;
  if (kind === undefined || format === undefined || bytesPerSecond === undefined) return;
  const isParquet = kind === "file" && format === "parquet";
  const { batch_events: batchEvents, batch_ms: batchMs } = input;
  const missing = (key: string) => {
    faults.problem(
      joinPath(path, key),
      `Expected it for a sink of the kind "${kind}": found nothing`,
    );
  };
  const refuseFormat = (expected: string): undefined => {
    const found = quote(String(format));
    faults.problem(
      joinPath(path, "format"),
      `Expected ${expected} for a sink of the kind "${kind}": found ${found}`,
    );
  };
  const channels = resolveChannels(input.channels, joinPath(path, "channels"), faults);
  const decoders = resolveDecoders(input.decoders, joinPath(path, "decoders"), place, faults);
  if (decoders !== undefined && channels === undefined) {
    faults.problem(
      joinPath(path, "channels"),
      "Expected channels, which decoders are for: found nothing",
    );
  }
  const kinds = events?.filter((one) => one !== undefined);
  const common = {
    name,
    ...(kinds === undefined ? {} : { events: kinds }),
    batchEvents: batchEvents ?? (isParquet ? PARQUET.events : BATCH.events),
    batchMs: Math.ceil(batchMs ?? (isParquet ? PARQUET.ms : BATCH.ms)),
    bytesPerSecond,
    ...(channels === undefined ? {} : { channels }),
    ...(decoders === undefined ? {} : { decoders }),
  };
  if (kind === "webhook") {
    const { url, secret_file: file } = input;
    if (url === undefined) missing("url");
    if (file === undefined) missing("secret_file");
    if (format === "parquet") return refuseFormat('"ndjson" or "json"');
    if (url === undefined || file === undefined) return;
    warnOfClearText(joinPath(path, "url"), "events are", url, faults);
    const found = findFile(file, place);
    if (found.ok) return { ...common, kind, url, secretFile: found.path, format };
    faults.problem(joinPath(path, "secret_file"), found.message);
    return;
  }
  if (kind === "mqtt") {
    const own = resolveMqttSink(path, input, missing, place, faults);
    return own && { ...common, kind, ...own };
  }
  if (kind === "nats") {
    const own = resolveNatsSink(path, input, missing, place, faults);
    return own && { ...common, kind, ...own };
  }
  const { directory, keep } = input;
  if (directory === undefined) missing("directory");
  if (format === "json") return refuseFormat('"ndjson" or "parquet"');
  const maxBytes = input.max_bytes ?? (isParquet ? PARQUET.bytes : NDJSON_BYTES);
  if (isParquet && (maxBytes === 0 || maxBytes > MAX_PARQUET_BYTES)) {
    const expected = `from 1 to ${MAX_PARQUET_BYTES} bytes, which are held in memory`;
    faults.problem(joinPath(path, "max_bytes"), `Expected ${expected}: found ${maxBytes}`);
  }
  if (directory === undefined || keep === undefined) return;
  const folder = resolve(place.workingDirectory, directory);
  return { ...common, kind, format, directory: folder, maxBytes, keep };
}
