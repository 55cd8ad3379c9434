// The checkpoint of a car's conversation: the retained message from which another instance goes on.
// A line that every version reads, a line about the messages at the broker, and the session.
import { bytes, FormatError, list, number, record, versioned, word } from "../encoding/mod.ts";
import { decode, encode, type Session } from "../session/mod.ts";

/**
 * The format that is written. A new format of sessions is a new one here; its predecessor stays
 * readable, so that versions can be mixed while a cluster is upgraded.
 */
export const CHECKPOINT_FORMAT = 1;

/** A message of the conversation, as the broker has delivered it. */
export interface Collected {
  readonly from: "gateway" | "self";
  readonly payload: Uint8Array;
}

export interface Checkpoint {
  /** Of the owner that has written it. */
  readonly epoch: number;
  /** Paused by an operator. */
  readonly paused: boolean;
  /** `null`: the conversation was given up, and the gateway is to connect again. */
  readonly session: Session | null;
  /**
   * Packet identifiers of the messages that are acknowledged right after it. If the acknowledgments
   * are lost, the broker sends these messages again.
   */
  readonly covered: readonly number[];
  /** Acknowledged messages that the session has not seen, in the order of the broker. */
  readonly pending: readonly Collected[];
}

type Messages = Pick<Checkpoint, "covered" | "pending">;

const messages = versioned(
  "a checkpoint's messages",
  CHECKPOINT_FORMAT,
  record<Messages>({
    covered: list(number),
    pending: list(record<Collected>({ from: word("gateway", "self"), payload: bytes })),
  }),
);

/** Reads what follows the first line, in one format. */
export type BodyReader = (body: Uint8Array, now: number) => Omit<Checkpoint, "epoch" | "paused">;

/** By format. */
const READERS: Readonly<Record<number, BodyReader>> = { [CHECKPOINT_FORMAT]: readBody };

/** Formats that this version reads; the one that it writes is the last. */
export const READABLE_FORMATS: readonly number[] = Object.keys(READERS).map(Number);

/** What was found in place of a checkpoint. */
export interface Unreadable {
  readonly reason: "newer_format" | "older_format" | "damaged";
  /** Human-readable. */
  readonly detail: string;
  /** As far as the first line can be read. */
  readonly epoch: number | null;
  readonly paused: boolean;
}

const NEWLINE = 0x0a;

/** Writes a checkpoint at `now`, in milliseconds. */
export function encodeCheckpoint(checkpoint: Checkpoint, now: number): Uint8Array {
  const { epoch, paused, session } = checkpoint;
  const parts = [
    new TextEncoder().encode(`${JSON.stringify([CHECKPOINT_FORMAT, epoch, paused])}\n`),
    messages.encode(checkpoint, now),
    Uint8Array.of(NEWLINE),
    session === null ? new Uint8Array(0) : encode(session, now),
  ];
  const encoded = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    encoded.set(part, at);
    at += part.length;
  }
  return encoded;
}

/** Reads a checkpoint at `now` of this process's clock; never throws. */
export function readCheckpoint(
  encoded: Uint8Array,
  now: number,
  readers: Readonly<Record<number, BodyReader>> = READERS,
): Checkpoint | Unreadable {
  const [line, body] = cut(encoded);
  const first = firstLine(line);
  if (first === null) {
    const detail = `Cannot read a checkpoint of ${encoded.length} bytes: its first line is damaged`;
    return { reason: "damaged", detail, epoch: null, paused: false };
  }
  const [format, epoch, paused] = first;
  const reader = readers[format];
  if (reader === undefined) {
    const newest = Math.max(...Object.keys(readers).map(Number));
    const reason = format > newest ? "newer_format" : "older_format";
    const detail = `Cannot read a checkpoint: expected format ${newest}: found ${format}`;
    return { reason, detail, epoch, paused };
  }
  try {
    return { epoch, paused, ...reader(body, now) };
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return { reason: "damaged", detail: error.message, epoch, paused };
  }
}

function readBody(body: Uint8Array, now: number): Omit<Checkpoint, "epoch" | "paused"> {
  const [line, rest] = cut(body);
  const { covered, pending } = messages.decode(line, now);
  return { covered, pending, session: rest.length === 0 ? null : decode(rest, now) };
}

/** The first line, and what follows it. */
function cut(encoded: Uint8Array): readonly [line: Uint8Array, rest: Uint8Array] {
  const end = encoded.indexOf(NEWLINE);
  return end < 0
    ? [encoded, new Uint8Array(0)]
    : [encoded.subarray(0, end), encoded.subarray(end + 1)];
}

function firstLine(
  line: Uint8Array,
): readonly [format: number, epoch: number, paused: boolean] | null {
  let found: unknown;
  try {
    found = JSON.parse(new TextDecoder().decode(line));
  } catch {
    return null;
  }
  if (!Array.isArray(found)) return null;
  const [format, epoch, paused] = found as readonly unknown[];
  return Number.isSafeInteger(format) && Number.isSafeInteger(epoch) && typeof paused === "boolean"
    ? [format as number, epoch as number, paused]
    : null;
}
