// Reads a document along a schema: keeps what is right, and reports everything that is not.
// (A plain parse gives nothing back when one key is wrong, so the checks that concern several keys
// would have to wait until the user has mended it.)
import * as z from "zod";
import { describeKind, describeValue, joinPath } from "../../text/mod.ts";
import type { Faults } from "../errors.ts";
import { AS_WRITTEN } from "../keys/fields.ts";
import type { NumberTexts } from "./number_texts.ts";

/** What is left of a value: wrong and absent parts are undefined, records are maps. */
export type Read<S> = S extends z.ZodOptional<infer Inner> ? Read<Inner>
  : S extends z.ZodDefault<infer Inner> ? Read<Inner>
  : S extends z.ZodObject<infer Shape>
    ? { readonly [Key in keyof Shape]?: Read<Shape[Key]> | undefined }
  : S extends z.ZodRecord<infer _Key, infer Value> ? ReadonlyMap<string, Read<Value> | undefined>
  : z.output<S>;

/** Called for each key a schema does not know, with the keys it does. */
export type UnknownKeyHandler = (path: string, key: string, known: readonly string[]) => void;

/** Where findings go, and how the document's numbers are written. */
export interface ReadSink {
  readonly numbers: NumberTexts;
  readonly faults: Faults;
  readonly onUnknownKey: UnknownKeyHandler;
}

/**
 * Reads `value` along `schema`. Objects, records, defaults and optional parts are taken apart, all
 * else is left to zod; its error text says what is expected. Undefined means absent or wrong, and
 * wrong has been noted.
 */
export function readAlong<S extends z.ZodType>(
  schema: S,
  value: unknown,
  path: string,
  to: ReadSink,
): Read<S> | undefined {
  return readAny(schema, value, path, "", to) as Read<S> | undefined;
}

function readAny(
  schema: z.core.$ZodType,
  value: unknown,
  path: string,
  key: string,
  to: ReadSink,
): unknown {
  if (schema instanceof z.ZodOptional) {
    return value === undefined ? undefined : readAny(schema.unwrap(), value, path, key, to);
  }
  if (schema instanceof z.ZodDefault) {
    return value === undefined
      ? schema.parse(undefined)
      : readAny(schema.unwrap(), value, path, key, to);
  }
  if (schema instanceof z.ZodObject) return readObject(schema, value, path, to);
  if (schema instanceof z.ZodRecord) return readRecord(schema, value, path, to);
  const result = z.safeParse(schema, value);
  if (result.success) return result.data;
  const expected = result.error.issues[0]?.message ?? "another value";
  to.faults.problem(path, `Expected ${expected}: found ${describeValue(value, key)}`);
  return undefined;
}

function readObject(schema: z.ZodObject, value: unknown, path: string, to: ReadSink): unknown {
  if (!isObject(value)) return noteWrongKind(value, path, to);
  const read: Record<string, unknown> = {};
  for (const [key, part] of Object.entries(schema.shape)) {
    const found = Object.hasOwn(value, key) ? value[key] : undefined;
    read[key] = readAny(part, found, joinPath(path, key), key, to);
  }
  const known = Object.keys(schema.shape);
  for (const key of Object.keys(value)) {
    if (!Object.hasOwn(schema.shape, key)) to.onUnknownKey(joinPath(path, key), key, known);
  }
  return read;
}

function readRecord(schema: z.ZodRecord, value: unknown, path: string, to: ReadSink): unknown {
  if (!isObject(value)) return noteWrongKind(value, path, to);
  const read = new Map<string, unknown>();
  const asWritten = AS_WRITTEN.has(schema.valueType);
  for (const [key, part] of Object.entries(value)) {
    const found = asWritten ? to.numbers.textOf(value, key) ?? part : part;
    read.set(key, readAny(schema.valueType, found, joinPath(path, key), key, to));
  }
  return read;
}

/** Says only what kind of thing was found: it may be a section pasted as text, secrets included. */
function noteWrongKind(value: unknown, path: string, to: ReadSink): undefined {
  to.faults.problem(path, `Expected an object: found ${describeKind(value)}`);
  return undefined;
}

/** Says whether a JSON value is an object. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
