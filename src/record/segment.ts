// The format of the event log: a directory of segments. A segment is a header and records; a record
// is the length and the CRC-32 of its body, four bytes each, little-endian, then the body, a plain
// value.
//
// A segment can be read on its own: its first record is the head, and for each car the first record
// has session, state and settings.
import { crc32 } from "node:zlib";
import { type Device, sameDevice } from "../protocol/mod.ts";
import type { Effect, Input, Session, SessionSettings } from "../session/mod.ts";
import { writeForwardForm, writeInputForm, writeResponseForm } from "./forms.ts";
import type { EventPart } from "./log_event.ts";
import { readValue } from "./read_values.ts";
import type { ValueWriter } from "./values.ts";

/** The first record of a segment. */
export interface Head {
  readonly kind: "head";
  readonly company: string;
  /** The start of the server that wrote it: a part of ids. Milliseconds since the epoch. */
  readonly epoch: number;
  /** Records of all segments before, and their bytes, whether or not they are still there. */
  readonly records: number;
  readonly bytes: number;
}

/**
 * An effect as it is recorded: without what the status has that it is for, which has a record of its
 * own. A status response keeps the device of its status, a status that is forwarded at once nothing.
 */
export type RecordedEffect =
  | Exclude<Effect, { readonly type: "publish" | "forward" }>
  | Omit<Effect & { readonly type: "publish" }, "answers"> & { readonly answers?: DeviceFields }
  | Effect & { readonly type: "forward" }
  | Pick<Effect & { readonly type: "forward" }, "type" | "answered" | "epoch" | "counter">;

/** Without the names of its fields: module, type, role, name, priority. */
export type DeviceFields = readonly [number, number, string, string, number];

/** The effect of an input as it is recorded; one that is recorded already stays as it is. */
export function asRecorded(effect: Effect | RecordedEffect, input: Input): RecordedEffect {
  if (effect.type === "publish") {
    const { type, message, answers, commandId } = effect;
    if (answers === undefined) {
      return commandId === undefined ? { type, message } : { type, message, commandId };
    }
    if (!("device" in answers)) return { type, message, answers };
    const { device } = answers;
    const { module, deviceType, deviceRole, deviceName, priority } = device;
    return { type, message, answers: [module, deviceType, deviceRole, deviceName, priority] };
  }
  if (effect.type !== "forward" || !("data" in effect) || !isOf(effect, input)) return effect;
  const { type, answered, epoch, counter } = effect;
  return { type, answered, epoch, counter };
}

/** Whether a status that is forwarded is the input. */
function isOf(
  { data, errorMessage, counter, device }: Effect & { readonly type: "forward" },
  input: Input,
): boolean {
  if (input.type !== "message" || input.message.kind !== "status") return false;
  const { message } = input;
  return data === message.statusData && errorMessage === message.errorMessage &&
    counter === message.messageCounter && sameDevice(device, message.device);
}

/** The device of a recorded status response. */
export function deviceOf(
  [module, deviceType, deviceRole, deviceName, priority]: DeviceFields,
): Device {
  return { module, deviceType, deviceRole, deviceName, priority };
}

/** A turn as it is recorded. */
export interface RecordedTurn {
  readonly kind: "turn";
  readonly car: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** Counts the records of the car since the server's start, from 1; a gap means lost records. */
  readonly sequence: number;
  /** The session after the turn, `null` without one; undefined: as in the car's record before. */
  readonly session: string | null | undefined;
  readonly input: Input;
  readonly effects: readonly RecordedEffect[];
  /** Undefined: as in the car's record before. */
  readonly settings: SessionSettings | undefined;
  /** The state before the turn, in the first record of a car and after a gap; else undefined. */
  readonly begins: Session | undefined;
}

/** A turn that is to be recorded. */
export type WrittenTurn = Omit<RecordedTurn, "kind" | "effects"> & {
  readonly effects: readonly (Effect | RecordedEffect)[];
};

/** What happened besides the turns of sessions: to a sink, in a gateway, by an operator. */
export interface RecordedEvents {
  readonly kind: "events";
  /** `null`: they concern no car. */
  readonly car: string | null;
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** As of a turn; both count together. */
  readonly sequence: number;
  /** At least one. */
  readonly events: readonly EventPart[];
}

/** A record of the event log; `other`: a later version has written it. */
export type LogRecord = Head | RecordedTurn | RecordedEvents | { readonly kind: "other" };

/** `extserv` and the version of the format. */
export const SEGMENT_HEADER: Uint8Array<ArrayBuffer> = Uint8Array.from([
  ...new TextEncoder().encode("extserv"),
  2,
]);

export const FRAME = 8;
/** The first field of a record that is no turn, which begins with the car. */
const HEAD_TAG = 0;
export const EVENTS_TAG = 1;
const HEAD_FIELDS = 5;
const EVENTS_FIELDS = 5;
const TURN_FIELDS = 8;

/** Writes the head. */
export function writeHead(writer: ValueWriter, { company, epoch, records, bytes }: Head): void {
  writeTagged(writer, [HEAD_TAG, company, epoch, records, bytes]);
}

/** Writes a turn. @throws {WriterFullError} and leaves what was written before as it was */
export function writeTurn(writer: ValueWriter, turn: WrittenTurn): void {
  const from = writer.size;
  try {
    begin(writer, TURN_FIELDS);
    writer.value(turn.car);
    writer.value(turn.at);
    writer.value(turn.sequence);
    writer.value(turn.session);
    if (!writeInputForm(writer, turn.input)) writer.value(turn.input);
    writer.array(turn.effects.length);
    for (const effect of turn.effects) writeEffect(writer, effect, turn.input);
    writer.value(turn.settings);
    writer.value(turn.begins);
    end(writer, from);
  } catch (error) {
    writer.size = from;
    throw error;
  }
}

function writeEffect(writer: ValueWriter, effect: Effect | RecordedEffect, input: Input): void {
  if (effect.type === "publish") {
    const { message, answers, commandId } = effect;
    const isResponse = message.kind === "status_response" && commandId === undefined;
    if (isResponse && answers !== undefined && "device" in answers) {
      return writeResponseForm(writer, message, answers.device);
    }
  }
  if (effect.type === "forward" && (!("data" in effect) || isOf(effect, input))) {
    return writeForwardForm(writer, effect);
  }
  writer.value(asRecorded(effect, input));
}

/** Writes events. @throws as {@linkcode writeTurn} */
export function writeEvents(
  writer: ValueWriter,
  { car, at, sequence, events }: Omit<RecordedEvents, "kind">,
): void {
  writeTagged(writer, [EVENTS_TAG, car, at, sequence, events]);
}

function writeTagged(writer: ValueWriter, fields: readonly unknown[]): void {
  const from = writer.size;
  try {
    begin(writer, fields.length);
    for (const value of fields) writer.value(value);
    end(writer, from);
  } catch (error) {
    writer.size = from;
    throw error;
  }
}

function begin(writer: ValueWriter, fields: number): void {
  writer.reserve(FRAME);
  writer.begin();
  writer.array(fields);
}

/** Writes the frame of the record that begins there. */
function end(writer: ValueWriter, from: number): void {
  const body = writer.since(from + FRAME);
  writer.setUint32(from, body.length);
  writer.setUint32(from + 4, crc32(body));
}

/** Where a segment stops being readable. */
export interface Damage {
  /** Offset of the damage, in bytes. */
  readonly at: number;
  /** Bytes that were lost. */
  readonly lost: number;
  /** Human-readable. */
  readonly why: string;
  /** Whether the bytes end within a record: more may come. */
  readonly isTruncated: boolean;
}

/** A record, and the offset behind it. */
export interface ReadRecord {
  readonly record: LogRecord;
  readonly end: number;
}

/** The length of the record at an offset, with its frame; undefined when that is not there yet. */
export function recordLength(bytes: Uint8Array, at: number): number | undefined {
  if (bytes.length - at < FRAME) return undefined;
  return FRAME + new DataView(bytes.buffer, bytes.byteOffset + at, 4).getUint32(0, true);
}

/** Reads the records of a segment, up to the first that is truncated or damaged. */
export function* readSegment(segment: Uint8Array): Generator<ReadRecord, Damage | null> {
  // Created, but nothing was written.
  if (segment.length === 0) return null;
  if (!SEGMENT_HEADER.every((byte, index) => segment[index] === byte)) {
    const isTruncated = segment.length < SEGMENT_HEADER.length;
    const why = "it has no header of this version";
    return { at: 0, lost: segment.length, why, isTruncated };
  }
  return yield* readRecords(segment, SEGMENT_HEADER.length);
}

/** Reads records from an offset on. */
export function readRecords(bytes: Uint8Array, from: number): Generator<ReadRecord, Damage | null> {
  return readBodies(bytes, from, (body, end) => ({ record: recordOf(readValue(body)), end }));
}

/** Makes something of each record's body and the offset behind it. */
export function* readBodies<T>(
  bytes: Uint8Array,
  from: number,
  make: (body: Uint8Array, end: number) => T,
): Generator<T, Damage | null> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = from; at < bytes.length;) {
    const lost = bytes.length - at;
    const end = at + (recordLength(bytes, at) ?? Infinity);
    if (end > bytes.length) return { at, lost, why: "a record is truncated", isTruncated: true };
    const body = bytes.subarray(at + FRAME, end);
    // Zeros have the checksum of an empty body.
    if (body.length === 0 || crc32(body) !== view.getUint32(at + 4, true)) {
      return { at, lost, why: "a checksum is wrong", isTruncated: false };
    }
    let made;
    try {
      made = make(body, end);
    } catch (error) {
      return { at, lost, why: (error as Error).message, isTruncated: false };
    }
    yield made;
    at = end;
  }
  return null;
}

/** @throws {Error} when it is none that this program knows */
export function recordOf(value: unknown): LogRecord {
  if (!Array.isArray(value)) throw new Error("a record is no array");
  if (value[0] === HEAD_TAG && value.length >= HEAD_FIELDS) {
    const [, company, epoch, records, bytes] = value;
    return { kind: "head", company, epoch, records, bytes };
  }
  if (value[0] === EVENTS_TAG && value.length >= EVENTS_FIELDS) {
    const [, car, at, sequence, events] = value;
    return { kind: "events", car, at, sequence, events };
  }
  if (typeof value[0] === "number" && value[0] > EVENTS_TAG) return { kind: "other" };
  if (typeof value[0] !== "string" || value.length < TURN_FIELDS) {
    throw new Error("a record is of no known kind");
  }
  const [car, at, sequence, session, input, effects, settings, begins] = value;
  return { kind: "turn", car, at, sequence, session, input, effects, settings, begins };
}
