// Exports as a part of the program; nothing of them is loaded while there is no sink.
import * as z from "zod";
import type { ServerConfig, SinkConfig } from "../config/mod.ts";
import type { KeptReplay, SinkExport } from "../export/mod.ts";
import type { Log } from "../log/mod.ts";
import type { LogEvent, Position } from "../record/mod.ts";
import type { StateDirectory } from "../state/mod.ts";
import { systemClock } from "../time/mod.ts";
import type { Part } from "./lifetime.ts";
import type { RecorderPart } from "./recording.ts";

/** The sinks. */
export interface ExportPart extends Part {
  readonly sinks: () => readonly SinkExport[];
}

const count = z.int().min(0);
const position = z.strictObject({ segment: count, offset: count, records: count, bytes: count });
const CURSORS_DOCUMENT = {
  name: "sinks.json",
  schema: z.strictObject({
    format: z.literal(1),
    sinks: z.record(z.string(), position),
    replays: z.record(
      z.string(),
      z.strictObject({
        from: z.number().nullable(),
        to: z.number().nullable(),
        cars: z.array(z.string()).nullable(),
        bytesPerSecond: count,
        startedAt: z.number(),
        begin: position,
        end: position,
        cursor: position,
      }),
    ).optional(),
  }),
};

/** A part that starts after the event log and the state directory, and stops before them. */
export async function exportOf(
  { sinks, company }: Pick<ServerConfig, "sinks" | "company">,
  part: Pick<RecorderPart, "recorder"> | undefined,
  directory: StateDirectory | undefined,
  log: Log,
): Promise<ExportPart | undefined> {
  if (sinks === undefined || part === undefined || directory === undefined) return undefined;
  const { recorder } = part;
  const [{ openSink, SinkExport }, { EVENT_KINDS, LOG_BEGIN }] = await Promise.all([
    import("../export/mod.ts"),
    import("../record/mod.ts"),
  ]);
  const source = {
    directory: recorder.directory,
    end: () => recorder.counts.end,
    onWritten: (listener: () => void) => recorder.onWritten(listener),
  };
  const exports: SinkExport[] = [];
  return {
    name: "the exports",
    sinks: () => exports,
    async start() {
      const kept = await directory.readOrSetAside(CURSORS_DOCUMENT);
      // A sink that comes back later goes on where it was.
      const cursors = new Map<string, Position>(Object.entries(kept?.sinks ?? {}));
      const replays = new Map<string, KeptReplay>(Object.entries(kept?.replays ?? {}));
      const file = directory.file(CURSORS_DOCUMENT.name, () => ({
        format: 1,
        sinks: Object.fromEntries(cursors),
        ...(replays.size > 0 && { replays: Object.fromEntries(replays) }),
      }));
      for (const config of sinks) {
        const { name, events = [], batchEvents, batchMs, bytesPerSecond } = config;
        for (const wanted of events) {
          if (EVENT_KINDS.some((kind) => isOfKind(kind, wanted))) continue;
          log.warning(`Sink "${name}" gets no such events: there is no kind "${wanted}"`);
        }
        const one = new SinkExport({
          name,
          sink: await openSink(config, company),
          source,
          settings: { batchEvents, batchMs, bytesPerSecond },
          cursor: cursors.get(name) ?? LOG_BEGIN,
          keep(cursor) {
            cursors.set(name, cursor);
            void file.save();
          },
          replay: replays.get(name) ?? null,
          keepReplay(replay) {
            if (replay === null) replays.delete(name);
            else replays.set(name, replay);
            void file.save();
          },
          isWanted: wanted(config),
          onMissed: ({ records, bytes }) =>
            recorder.note(null, Math.floor(systemClock.now()), [
              { kind: "sink.overtaken", data: { sink: name, records, bytes } },
            ]),
          log,
        });
        exports.push(one);
        one.start();
      }
    },
    async stop() {
      await Promise.all(exports.map((one) => one.stop()));
    },
  };
}

/** Whether a sink gets an event. */
function wanted({ events }: SinkConfig): (event: LogEvent) => boolean {
  if (events === undefined) return () => true;
  return ({ kind }) => events.some((wanted) => isOfKind(kind, wanted));
}

/** Whether a kind is one that is named, or begins with it. */
function isOfKind(kind: string, named: string): boolean {
  return kind === named || kind.startsWith(`${named}.`);
}
