// Where a span of time stands in a log.
import { join } from "node:path";
import { type Head, readSegment } from "./segment.ts";
import { segmentInfos, segmentName } from "./segment_files.ts";
import type { Position } from "./segment_log.ts";

/** Positions around what happened in a span; more may stand between them. */
export interface LogSpan {
  readonly begin: Position;
  /** `null`: the end of the log. */
  readonly end: Position | null;
}

/** Records may be written so much later than they happened, in milliseconds: a disk may stall. */
const LATE_MS = 10 * 60_000;
/** A head has less. */
const HEAD_BYTES = 16 * 1024;

/**
 * Finds a span by when segments were last written to; `null`: there is no log.
 *
 * @param from milliseconds since the epoch
 * @throws what reading the directory or a file of it throws
 */
export async function logSpan(
  directory: string,
  from = -Infinity,
  to = Infinity,
): Promise<LogSpan | null> {
  const infos = await segmentInfos(directory);
  const first = infos.findIndex(({ writtenAt }) => writtenAt >= from);
  const begin = infos.at(first < 0 ? infos.length - 1 : first);
  if (begin === undefined) return null;
  const last = infos.findIndex(({ writtenAt }) => writtenAt > to + LATE_MS);
  const behind = last < 0 ? undefined : infos[last + 1];
  return {
    begin: await segmentStart(directory, begin.number),
    end: behind === undefined ? null : await segmentStart(directory, behind.number),
  };
}

/** Where a segment begins. @throws what reading it throws */
export async function segmentStart(directory: string, segment: number): Promise<Position> {
  using file = await Deno.open(join(directory, segmentName(segment)));
  const buffer = new Uint8Array(HEAD_BYTES);
  const read = await file.read(buffer) ?? 0;
  const [first] = readSegment(buffer.subarray(0, read));
  const { records, bytes } = first?.record.kind === "head"
    ? first.record satisfies Head
    : { records: 0, bytes: 0 };
  return { segment, offset: 0, records, bytes };
}
