// The format of a recording: a directory of segments. A segment is a header and records; a record is
// the length and the CRC-32 of its body, four bytes each, little-endian, then the body, a plain
// value.
//
// A segment can be read on its own: for each car, its first record has the state and the settings.
import { crc32 } from "node:zlib";
import type { Effect, Input, Session, SessionSettings } from "../session/mod.ts";
import { readValue } from "./read_values.ts";
import type { ValueWriter } from "./values.ts";

/** A turn as it is recorded. */
export interface RecordedTurn {
  readonly car: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** The state before the turn, in the first record of a car and after a gap; else undefined. */
  readonly begins: Session | undefined;
  /** Undefined: as in the car's record before. */
  readonly settings: SessionSettings | undefined;
  readonly input: Input;
  readonly effects: readonly Effect[];
}

/** `extserv` and the version of the format. */
export const SEGMENT_HEADER: Uint8Array<ArrayBuffer> = Uint8Array.from([
  ...new TextEncoder().encode("extserv"),
  1,
]);

const FRAME = 8;
const FIELDS = 6;

/** Writes a record. @throws {WriterFullError} and leaves what was written before as it was */
export function writeRecord(writer: ValueWriter, turn: RecordedTurn): void {
  const { size } = writer;
  try {
    const frame = writer.reserve(FRAME);
    const { car, at, begins, settings, input, effects } = turn;
    writer.array(FIELDS);
    writer.value(car);
    writer.value(at);
    writer.value(begins);
    writer.value(settings);
    writer.value(input);
    writer.value(effects);
    const body = writer.since(frame + FRAME);
    writer.setUint32(frame, body.length);
    writer.setUint32(frame + 4, crc32(body));
  } catch (error) {
    writer.size = size;
    throw error;
  }
}

/** Where a segment stops being readable: truncated by a crash, or damaged. */
export interface Damage {
  /** Offset of the damage, in bytes. */
  readonly at: number;
  /** Bytes that were lost. */
  readonly lost: number;
  /** Human-readable. */
  readonly why: string;
}

/** Reads the records of a segment, up to the first that is truncated or damaged. */
export function* readSegment(segment: Uint8Array): Generator<RecordedTurn, Damage | null> {
  const view = new DataView(segment.buffer, segment.byteOffset, segment.byteLength);
  const damage = (at: number, why: string) => ({ at, lost: segment.length - at, why });
  // Created, but nothing was written.
  if (segment.length === 0) return null;
  if (!SEGMENT_HEADER.every((byte, index) => segment[index] === byte)) {
    return damage(0, "it has no header of this version");
  }
  for (let at = SEGMENT_HEADER.length; at < segment.length;) {
    if (segment.length - at < FRAME) return damage(at, "a record is truncated");
    const length = view.getUint32(at, true);
    if (segment.length - at - FRAME < length) return damage(at, "a record is truncated");
    const body = segment.subarray(at + FRAME, at + FRAME + length);
    // Zeros have the checksum of an empty body.
    if (length === 0 || crc32(body) !== view.getUint32(at + 4, true)) {
      return damage(at, "a checksum is wrong");
    }
    let turn;
    try {
      turn = turnOf(readValue(body));
    } catch (error) {
      return damage(at, (error as Error).message);
    }
    yield turn;
    at += FRAME + length;
  }
  return null;
}

function turnOf(value: unknown): RecordedTurn {
  if (!Array.isArray(value) || value.length < FIELDS) throw new Error("a record is not a turn");
  const [car, at, begins, settings, input, effects] = value;
  return { car, at, begins, settings, input, effects };
}

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
