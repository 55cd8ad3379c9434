// The files of the event log: their names, what a crash left of the last one, and which have to go.
import { join } from "node:path";
import { readBytes } from "../text/mod.ts";
import { type Damage, type Head, readSegment, SEGMENT_HEADER } from "./segment.ts";

const NAME = /^(\d{8,})\.rec$/;

export function segmentName(number: number): string {
  return `${String(number).padStart(8, "0")}.rec`;
}

/** The numbers of the segments in a directory, in order. */
export async function segmentNumbers(directory: string): Promise<number[]> {
  const numbers: number[] = [];
  for await (const { name } of Deno.readDir(directory)) {
    const [, number] = NAME.exec(name) ?? [];
    if (number !== undefined) numbers.push(Number(number));
  }
  return numbers.sort((a, b) => a - b);
}

/** Records and their bytes, counted since the log began. */
export interface LogCount {
  readonly records: number;
  readonly bytes: number;
}

/** What the last segment of a log says. */
export interface Recovered extends LogCount {
  /** What was cut off its end. */
  readonly cut: (Damage & { readonly path: string }) | null;
}

/**
 * Reads the last segment, and cuts off what is behind its last good record; a file without any
 * record is deleted. Files of another version are left alone.
 */
export async function recover(directory: string): Promise<Recovered> {
  const numbers = await segmentNumbers(directory);
  let cut: Recovered["cut"] = null;
  for (let last = numbers.pop(); last !== undefined; last = numbers.pop()) {
    const path = join(directory, segmentName(last));
    const bytes = await readBytes(path, { maxBytes: Infinity });
    const { head, records, damage } = countRecords(bytes);
    if (damage !== null && damage.at > 0) {
      cut = { ...damage, path };
      // A record of this version that is whole is not cut off.
      if (head !== null) await Deno.truncate(path, damage.at);
    }
    if (head !== null) {
      const end = damage?.at ?? bytes.length;
      const own = end - head.end;
      return { records: head.records + records, bytes: head.bytes + own, cut };
    }
    const isOther = bytes.length >= SEGMENT_HEADER.length && damage?.at === 0;
    if (isOther) break;
    await Deno.remove(path);
  }
  return { records: 0, bytes: 0, cut };
}

function countRecords(bytes: Uint8Array) {
  let head: Head & { readonly end: number } | null = null;
  let records = 0;
  const reading = readSegment(bytes);
  for (let next = reading.next();; next = reading.next()) {
    if (next.done) return { head, records, damage: next.value };
    const { record, end } = next.value;
    if (record.kind === "head") head = { ...record, end };
    else records++;
  }
}

/** How much of the log is kept. */
export interface Retention {
  /** Of all segments; 0: unlimited. */
  readonly maxBytes: number;
  /** Since a segment was last written to, in milliseconds; 0: unlimited. */
  readonly maxAgeMs: number;
}

/** A segment on the disk. */
export interface SegmentInfo {
  readonly number: number;
  readonly bytes: number;
  /** When it was last written to, in milliseconds since the epoch. */
  readonly writtenAt: number;
}

/** The segments that have to go, the oldest first; never the newest, which is being written. */
export function expired(
  segments: readonly SegmentInfo[],
  { maxBytes, maxAgeMs }: Retention,
  now: number,
): number[] {
  let bytes = segments.reduce((sum, segment) => sum + segment.bytes, 0);
  const numbers: number[] = [];
  for (const segment of segments.slice(0, -1)) {
    const isOver = maxBytes > 0 && bytes > maxBytes;
    const isOld = maxAgeMs > 0 && now - segment.writtenAt > maxAgeMs;
    if (!isOver && !isOld) break;
    numbers.push(segment.number);
    bytes -= segment.bytes;
  }
  return numbers;
}

/** Looks at the segments of a directory, in order. */
export async function segmentInfos(directory: string): Promise<SegmentInfo[]> {
  const infos: SegmentInfo[] = [];
  for (const number of await segmentNumbers(directory)) {
    const info = await Deno.stat(join(directory, segmentName(number))).catch(() => null);
    if (info === null) continue;
    infos.push({ number, bytes: info.size, writtenAt: info.mtime?.getTime() ?? 0 });
  }
  return infos;
}
