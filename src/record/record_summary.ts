// What tells whether a record is of interest, without decoding all of it.
import { readFirst, readValue } from "./read_values.ts";
import {
  type Damage,
  EVENTS_TAG,
  FRAME,
  type LogRecord,
  readBodies,
  recordLength,
  recordOf,
  SEGMENT_HEADER,
} from "./segment.ts";

/** The beginning of a record. */
export interface Summary {
  /** `null`: it has none. */
  readonly car: string | null;
  /** `null`: nothing happened. */
  readonly at: number | null;
  /** Undefined: as in the car's record before. */
  readonly session: string | null | undefined;
  readonly body: Uint8Array;
  /** The offset behind it. */
  readonly end: number;
}

/** Of a turn: car, time, sequence and session. */
const FIELDS = 4;

/** Reads records from an offset on, many times as fast as all of each. */
export function readSummaries(bytes: Uint8Array, from: number): Generator<Summary, Damage | null> {
  return readBodies(bytes, from, summaryOf);
}

/** The record of a summary. */
export function recordIn({ body }: Summary): LogRecord {
  return recordOf(readValue(body));
}

/** The time of the first record of a segment that has one; `null`: it is not within these bytes. */
export function firstTime(segment: Uint8Array): number | null {
  if (SEGMENT_HEADER.some((byte, index) => segment[index] !== byte)) return null;
  for (let at = SEGMENT_HEADER.length;;) {
    const length = recordLength(segment, at);
    if (length === undefined) return null;
    try {
      const { at: time } = summaryOf(segment.subarray(at + FRAME), 0);
      if (time !== null) return time;
    } catch {
      // It goes on behind these bytes, or is damaged.
      return null;
    }
    at += length;
  }
}

function summaryOf(body: Uint8Array, end: number): Summary {
  const [first, second, third, fourth] = readFirst(body, FIELDS);
  if (typeof first === "string") {
    return {
      car: first,
      at: second as number,
      session: fourth as string | null | undefined,
      body,
      end,
    };
  }
  const isEvents = first === EVENTS_TAG;
  return {
    car: isEvents ? second as string | null : null,
    at: isEvents ? third as number : null,
    session: undefined,
    body,
    end,
  };
}
