// Exports as a part of the program; nothing of them is loaded while there is no sink.
import * as z from "zod";
import type { ServerConfig, SinkConfig } from "../config/mod.ts";
import type { Feed, KeptReplay, Sink, SinkExport } from "../export/mod.ts";
import type { Log } from "../log/mod.ts";
import type { LogEvent, Position, Recorder } from "../record/mod.ts";
import type { StateDirectory, StateFile } from "../state/mod.ts";
import { isOfKind } from "../text/mod.ts";
import { systemClock } from "../time/mod.ts";
import type { Part } from "./lifetime.ts";
import type { RecorderPart } from "./recording.ts";

/** The sinks. */
export interface ExportPart extends Part {
  readonly sinks: () => readonly SinkExport[];
  /** Takes over what differs; a sink of the same name goes on where it was. */
  readonly configure: (config: ExportConfig) => void;
}

type ExportConfig = Pick<ServerConfig, "sinks" | "company">;

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
export function exportOf(
  config: ExportConfig,
  part: Pick<RecorderPart, "recorder"> | undefined,
  directory: StateDirectory | undefined,
  log: Log,
): ExportPart | undefined {
  if (part === undefined || directory === undefined) return undefined;
  const exports = new Exports(part.recorder, directory, log);
  return {
    name: "the exports",
    sinks: () => exports.sinks,
    configure: (changed) => exports.configure(changed),
    start: () => exports.start(config),
    stop: () => exports.stop(),
  };
}

interface RunningSink {
  readonly config: SinkConfig;
  readonly sink: SinkExport;
}

/** What a sink is made of. */
interface SinkParts {
  readonly sink: Sink;
  readonly feed: Feed;
}

class Exports {
  readonly #recorder: Recorder;
  readonly #directory: StateDirectory;
  readonly #log: Log;
  /** A sink that comes back later goes on where it was. */
  readonly #cursors = new Map<string, Position>();
  readonly #replays = new Map<string, KeptReplay>();
  #file: StateFile | null = null;
  #running: readonly RunningSink[] = [];
  /** Settles when what was asked for is done. */
  #changes: Promise<void> = Promise.resolve();

  constructor(recorder: Recorder, directory: StateDirectory, log: Log) {
    this.#recorder = recorder;
    this.#directory = directory;
    this.#log = log;
  }

  get sinks(): SinkExport[] {
    return this.#running.map(({ sink }) => sink);
  }

  async start({ sinks = [], company }: ExportConfig): Promise<void> {
    for (const config of sinks) {
      const sink = await this.#begin(config, await this.#partsOf(config, company));
      this.#running = [...this.#running, { config, sink }];
    }
  }

  configure(config: ExportConfig): void {
    this.#changes = this.#changes.then(() => this.#change(config));
  }

  async stop(): Promise<void> {
    await this.#changes;
    await Promise.all(this.sinks.map((sink) => sink.stop()));
  }

  /** Never rejects: a sink that cannot be changed goes on as it was. */
  async #change({ sinks = [], company }: ExportConfig): Promise<void> {
    const before = new Map(this.#running.map((one) => [one.config.name, one]));
    const running: RunningSink[] = [];
    for (const config of sinks) {
      const { name } = config;
      const old = before.get(name);
      before.delete(name);
      try {
        running.push({ config, sink: await this.#changed(old, config, company) });
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        const rest = old === undefined ? "it is left out" : "it goes on as it was";
        this.#log.error(`Cannot change sink "${name}", ${rest}: ${reason}`);
        if (old !== undefined) running.push(old);
      }
    }
    this.#running = running;
    await Promise.all([...before.values()].map(({ sink }) => sink.stop()));
  }

  async #changed(
    old: RunningSink | undefined,
    config: SinkConfig,
    company: string,
  ): Promise<SinkExport> {
    if (old !== undefined) {
      const { config: was, sink } = old;
      if (JSON.stringify(was) === JSON.stringify(config)) return sink;
      if (withoutFeed(was) === withoutFeed(config)) {
        sink.feedWith(await this.#feedOf(config));
        return sink;
      }
    }
    const parts = await this.#partsOf(config, company);
    // Its successor goes on at the cursor that it leaves.
    await old?.sink.stop();
    return await this.#begin(config, parts);
  }

  async #partsOf(config: SinkConfig, company: string): Promise<SinkParts> {
    const { openSink } = await import("../export/mod.ts");
    return { sink: await openSink(config, company), feed: await this.#feedOf(config) };
  }

  async #begin(config: SinkConfig, parts: SinkParts): Promise<SinkExport> {
    const [{ SinkExport }, { LOG_BEGIN }, file] = await Promise.all([
      import("../export/mod.ts"),
      import("../record/mod.ts"),
      this.#cursorsFile(),
    ]);
    const recorder = this.#recorder;
    const { name, batchEvents, batchMs, bytesPerSecond } = config;
    const sink = new SinkExport({
      name,
      ...parts,
      source: {
        directory: recorder.directory,
        end: () => recorder.counts.end,
        begin: () => recorder.counts.begin,
        onWritten: (listener) => recorder.onWritten(listener),
      },
      settings: {
        batchEvents,
        batchMs,
        bytesPerSecond,
        // A file is a batch.
        ...(config.kind === "file" && config.format === "parquet" &&
          { batchBytes: config.maxBytes }),
      },
      cursor: this.#cursors.get(name) ?? LOG_BEGIN,
      keep: (cursor) => {
        this.#cursors.set(name, cursor);
        void file.save();
      },
      replay: this.#replays.get(name) ?? null,
      keepReplay: (replay) => {
        if (replay === null) this.#replays.delete(name);
        else this.#replays.set(name, replay);
        void file.save();
      },
      onMissed: ({ records, bytes }) =>
        recorder.note(null, Math.floor(systemClock.now()), [
          { kind: "sink.overtaken", data: { sink: name, records, bytes } },
        ]),
      log: this.#log,
    });
    sink.start();
    return sink;
  }

  /** Read with the first sink. */
  async #cursorsFile(): Promise<StateFile> {
    if (this.#file !== null) return this.#file;
    const { sinks = {}, replays = {} } = await this.#directory.readOrSetAside(CURSORS_DOCUMENT) ??
      {};
    for (const [name, cursor] of Object.entries(sinks)) this.#cursors.set(name, cursor);
    for (const [name, replay] of Object.entries(replays)) this.#replays.set(name, replay);
    return this.#file = this.#directory.file(CURSORS_DOCUMENT.name, () => ({
      format: 1,
      sinks: Object.fromEntries(this.#cursors),
      ...(this.#replays.size > 0 && { replays: Object.fromEntries(this.#replays) }),
    }));
  }

  async #feedOf({ name, events, channels, decoders = {} }: SinkConfig): Promise<Feed> {
    const { EVENT_KINDS } = await import("../record/mod.ts");
    const named = [events, ...(channels ?? []).map((channel) => channel.events)];
    for (const wanted of new Set(named.flatMap((kinds) => kinds ?? []))) {
      if (EVENT_KINDS.some((kind) => isOfKind(kind, wanted))) continue;
      this.#log.warning(`Sink "${name}" gets no such events: there is no kind "${wanted}"`);
    }
    const isWanted = wanted(events);
    if (channels === undefined) return { isWanted };
    const open = async () => {
      const { makeEvaluator, readChannels } = await import("../channel/mod.ts");
      return await makeEvaluator(await readChannels({ channels, decoders }));
    };
    return { isWanted, channels: { names: channels.map((channel) => channel.name), open } };
  }
}

/** What a sink cannot change while it runs, as a text that is equal when it is. */
function withoutFeed({ events: _, channels: __, decoders: ___, ...rest }: SinkConfig): string {
  return JSON.stringify(rest);
}

/** Whether a sink gets an event. */
function wanted(events: readonly string[] | undefined): (event: LogEvent) => boolean {
  if (events === undefined) return () => true;
  return ({ kind }) => events.some((wanted) => isOfKind(kind, wanted));
}
