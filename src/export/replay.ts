// A part of the log that a sink gets once more, beside its cursor and with the same ids.
import { LOG_BEGIN, type LogEvent, logSpan, type Position } from "../record/mod.ts";
import { Exporter, type ExporterOptions } from "./exporter.ts";

/** What is delivered again. */
export interface ReplayOrder {
  /** When it happened, in milliseconds since the epoch; `null`: from or to where the log reaches. */
  readonly from: number | null;
  readonly to: number | null;
  /** `null`: of all cars, and what concerns none. */
  readonly cars: readonly string[] | null;
  /** Bytes of the log that are read a second; at least 1. */
  readonly bytesPerSecond: number;
}

/** A replay as it is kept: another process can go on with it. */
export interface KeptReplay extends ReplayOrder {
  /** Milliseconds of the clock. */
  readonly startedAt: number;
  readonly begin: Position;
  readonly end: Position;
  /** Everything before it is delivered again. */
  readonly cursor: Position;
}

/** A replay as plain data. */
export interface ReplaySnapshot extends ReplayOrder {
  readonly startedAt: number;
  readonly state: "running" | "failing" | "done" | "cancelled";
  /** Records of the log: all of them, and those that were delivered again or are of others. */
  readonly records: number;
  readonly passed: number;
  readonly trouble: string | null;
}

/** What a replay shares with its sink. */
export type ReplayOptions =
  & Pick<
    ExporterOptions,
    "name" | "sink" | "source" | "settings" | "feed" | "log" | "clock" | "random"
  >
  & {
    readonly replay: KeptReplay;
    /** Keeps how far it is; called at most once a second. */
    readonly keep: (replay: KeptReplay) => void;
  };

/**
 * Finds what a replay has to read; `null`: there is nothing.
 *
 * @param delivered how far the sink is: what follows comes anyway, and after it
 * @throws what reading the log throws
 */
export async function planReplay(
  directory: string,
  order: ReplayOrder,
  delivered: Position,
  now: number,
): Promise<KeptReplay | null> {
  const span = await logSpan(directory, order.from ?? undefined, order.to ?? undefined);
  const begin = span?.begin ?? LOG_BEGIN;
  const limit = span?.end ?? delivered;
  const end = limit.records < delivered.records ? limit : delivered;
  if (begin.records >= end.records) return null;
  return { ...order, startedAt: Math.floor(now), begin, end, cursor: begin };
}

/** Runs one. */
export class Replay {
  readonly #exporter: Exporter;
  readonly #replay: KeptReplay;
  #isCancelled = false;

  constructor({ replay, settings, feed = {}, keep, ...options }: ReplayOptions) {
    const { begin, end, cursor, bytesPerSecond } = replay;
    const { isWanted = () => true } = feed;
    this.#replay = replay;
    this.#exporter = new Exporter({
      ...options,
      title: `Replay to sink "${options.name}"`,
      source: { ...options.source, end: () => end, onWritten: () => () => {} },
      settings: { ...settings, batchMs: 0, bytesPerSecond },
      cursor: cursor.records < begin.records ? begin : cursor,
      feed: { ...feed, isWanted: (event) => isOrdered(event, replay) && isWanted(event) },
      keep: (at) => keep({ ...replay, cursor: at }),
      endsAtSource: true,
    });
  }

  start(): void {
    this.#exporter.start();
  }

  /** Resolves when everything is delivered, or it was stopped. */
  done(): Promise<void> {
    return this.#exporter.reached(this.#replay.end.records);
  }

  get isDone(): boolean {
    return this.#exporter.cursor.records >= this.#replay.end.records;
  }

  /** Ends it; what is being delivered still is. Never rejects. */
  async cancel(): Promise<void> {
    this.#isCancelled = !this.isDone;
    await this.#exporter.stop();
  }

  /** Ends it to go on later. Never rejects. */
  stop(): Promise<void> {
    return this.#exporter.stop();
  }

  snapshot(): ReplaySnapshot {
    const { begin, end, cursor: _, ...order } = this.#replay;
    const { trouble } = this.#exporter.snapshot();
    const records = end.records - begin.records;
    const at = Math.min(this.#exporter.cursor.records, end.records);
    return {
      ...order,
      state: this.#stateOf(trouble),
      records,
      passed: Math.max(0, at - begin.records),
      trouble,
    };
  }

  #stateOf(trouble: string | null): ReplaySnapshot["state"] {
    if (this.#isCancelled) return "cancelled";
    if (this.isDone) return "done";
    return trouble === null ? "running" : "failing";
  }
}

function isOrdered({ at, car }: LogEvent, { from, to, cars }: ReplayOrder): boolean {
  if (from !== null && at < from) return false;
  if (to !== null && at > to) return false;
  return cars === null || (car !== null && cars.includes(car));
}
