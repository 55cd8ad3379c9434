// Checks whether bytes can be decoded, before they are: the decoder throws on malformed ones, which
// takes eight times as long as decoding a status, and a hostile gateway may send many of them.
import { isUtf8 } from "node:buffer";
// @ts-types="protobufjs"
import protobuf from "protobufjs/light";

const VARINT = 0;
const FIXED64 = 1;
const DELIMITED = 2;
const FIXED32 = 5;
/** Maximum bytes of a number in a field, and of a tag or a length. */
const NUMBER_BYTES = 10;
const HEADER_BYTES = 5;

/** The kinds of a message's fields, by number, as far as it matters here. */
export interface Shape {
  readonly fields: readonly (Shape | "text" | undefined)[];
}

/** The shape of a message, and of the messages in it. */
export function shapeOf(type: protobuf.Type): Shape {
  const fields: (Shape | "text" | undefined)[] = [];
  for (const field of type.fieldsArray) {
    const { resolvedType } = field.resolve();
    if (resolvedType instanceof protobuf.Type) fields[field.id] = shapeOf(resolvedType);
    else fields[field.id] = field.type === "string" ? "text" : undefined;
  }
  return { fields };
}

/** Where {@linkcode readVarint} stopped; shared, as nothing here is asynchronous. */
let at = 0;

/**
 * What is wrong with bytes that should be a message; undefined when nothing is. Groups, which no
 * message of the protocol has, count as malformed.
 */
export function malformation(
  bytes: Uint8Array,
  { fields }: Shape,
  start = 0,
  end = bytes.length,
): string | undefined {
  at = start;
  while (at < end) {
    const tag = readVarint(bytes, end, HEADER_BYTES);
    if (tag < 8 || tag > 0xffffffff) return tag < 0 ? CUT : "it has a field number out of range";
    switch (tag & 7) {
      case VARINT:
        if (readVarint(bytes, end, NUMBER_BYTES) < 0) return CUT;
        break;
      case FIXED64:
        at += 8;
        break;
      case FIXED32:
        at += 4;
        break;
      case DELIMITED: {
        const length = readVarint(bytes, end, HEADER_BYTES);
        const next = at + length;
        if (length < 0 || next > end) return CUT;
        const field = fields[tag >>> 3];
        if (field === "text") {
          if (!isText(bytes, at, next)) return "a string in it is not UTF-8";
        } else if (field !== undefined) {
          const inner = malformation(bytes, field, at, next);
          if (inner !== undefined) return inner;
        }
        at = next;
        break;
      }
      default:
        return `it has a field of the unknown wire type ${tag & 7}`;
    }
    if (at > end) return CUT;
  }
  return undefined;
}

const CUT = "a field in it does not end where it should";

/** Reads a varint of at most `max` bytes at `at`; negative when it does not end. */
function readVarint(bytes: Uint8Array, end: number, maxBytes: number): number {
  let value = 0;
  let factor = 1;
  const limit = Math.min(end, at + maxBytes);
  while (at < limit) {
    const byte = bytes[at++] as number;
    if (byte < 128) return value + byte * factor;
    value += (byte & 127) * factor;
    factor *= 128;
  }
  return -1;
}

function isText(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) {
    if ((bytes[i] as number) > 127) return isUtf8(bytes.subarray(i, end));
  }
  return true;
}
