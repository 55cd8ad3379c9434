// An event log that is exported, and receivers that keep what they get.
import { Exporter, type ExporterOptions } from "../../src/export/exporter.ts";
import type { KeptReplay } from "../../src/export/replay.ts";
import { type Sink, type SinkBatch, SinkError } from "../../src/export/sink.ts";
import { SinkExport } from "../../src/export/sink_export.ts";
import { LOG_BEGIN, LogReader } from "../../src/record/log_reader.ts";
import type { Position } from "../../src/record/segment_log.ts";
import { FRONT } from "../car/support.ts";
import { Recording } from "../record/support.ts";
import { ListLog } from "../support/list_log.ts";
import { settled } from "../support/virtual_clock.ts";
import { waitFor } from "../support/wait.ts";

/** What requests are signed with. */
export const SECRET = "a-secret-that-is-long-enough";
export const SETTINGS = { batchEvents: 10, batchMs: 100, bytesPerSecond: 0 };

/** Sends statuses, and lets them be written. */
export async function happen(recording: Recording, statuses: number): Promise<void> {
  const { recorder, clock, turns } = recording;
  const fixture = await recording.car();
  for (let index = 0; index < statuses; index++) {
    fixture.status(FRONT, { data: `{"n":${index}}` });
    await settled();
  }
  clock.pass(200);
  await waitFor(() => recorder.counts.end.records === turns.length, "the batch");
}

/** The ids of all events of a log. */
export async function idsOf(directory: string): Promise<string[]> {
  using reader = new LogReader({ directory });
  const { events } = await reader.read(Infinity);
  return events.map(({ id }) => id);
}

/** A sink in memory, which refuses what it is told to. */
export class ListSink implements Sink {
  readonly target = "a list";
  readonly batches: SinkBatch[] = [];
  /** Deliveries that were begun. */
  attempts = 0;
  /** The next deliveries fail of these; then none does. */
  readonly failures: Error[] = [];
  /** With more messages, a batch is too large. */
  maxMessages = Infinity;
  isClosed = false;
  /** Deliveries wait for it. */
  ready: Promise<void> = Promise.resolve();

  get ids(): string[] {
    return this.batches.flatMap(({ messages }) => messages.map(({ event }) => event.id));
  }

  async deliver(batch: SinkBatch): Promise<void> {
    this.attempts++;
    await this.ready;
    const failure = batch.messages.length > this.maxMessages
      ? new SinkError("too large", { isTooLarge: true })
      : this.failures.shift();
    if (failure !== undefined) throw failure;
    this.batches.push(batch);
  }

  close(): Promise<void> {
    this.isClosed = true;
    return Promise.resolve();
  }
}

/** What a test may change. */
export type Different = Partial<
  Pick<ExporterOptions, "settings" | "cursor" | "feed" | "onMissed">
>;

/** An exporter of a recording, on its clock. */
export function exporterOf(recording: Recording, sink: Sink, different: Different = {}) {
  const { options, kept, log } = optionsOf(recording, sink, different);
  return { exporter: new Exporter(options), kept, log };
}

/** The same with what operators can do; `replays` is what was kept of them. */
export function sinkExportOf(
  recording: Recording,
  sink: Sink,
  { replay = null, ...different }: Different & { readonly replay?: KeptReplay | null } = {},
) {
  const { options, kept, log } = optionsOf(recording, sink, different);
  const replays: (KeptReplay | null)[] = [];
  const keepReplay = (kept: KeptReplay | null) => void replays.push(kept);
  const one = new SinkExport({ ...options, replay, keepReplay });
  return { one, kept, replays, log };
}

function optionsOf(recording: Recording, sink: Sink, different: Different) {
  const { recorder, directory, clock } = recording;
  const kept: Position[] = [];
  const log = new ListLog();
  const options: ExporterOptions = {
    name: "test",
    sink,
    source: {
      directory,
      end: () => recorder.counts.end,
      begin: () => recorder.counts.begin,
      onWritten: (listener) => recorder.onWritten(listener),
    },
    settings: SETTINGS,
    cursor: LOG_BEGIN,
    keep: (cursor) => void kept.push(cursor),
    log,
    clock,
    random: () => 0,
    ...different,
  };
  return { options, kept, log };
}

/** Lets time pass until something holds. */
export async function passUntil(
  { clock }: Recording,
  holds: () => boolean,
  what: string,
): Promise<void> {
  await waitFor(async () => {
    if (holds()) return true;
    clock.pass(100);
    await settled();
    return holds();
  }, what);
}
