// Reads a document with a schema: keeps what is valid, and reports everything that is not. (A plain
// parse returns nothing when one key is invalid, so checks across several keys would have to wait
// until the user has corrected it.)
import * as z from "zod";
import { describeKind, describeValue, joinPath, quote } from "../../text/mod.ts";
import type { Faults } from "../errors.ts";
import { AS_WRITTEN } from "../keys/fields.ts";
import type { ShapeOf } from "../keys/key.ts";
import type { NumberTexts } from "./number_texts.ts";

/** The valid part of a value: invalid and missing parts are undefined, records
 * are maps. */
export type Read<S> = S extends z.ZodOptional<infer Inner> ? Read<Inner>
  : S extends z.ZodDefault<infer Inner> ? Read<Inner>
  : S extends z.ZodObject<infer Shape>
    ? { readonly [Key in keyof Shape]?: Read<Shape[Key]> | undefined }
  : S extends z.ZodArray<infer Item> ? readonly (Read<Item> | undefined)[]
  : S extends z.ZodRecord<infer _Key, infer Value> ? ReadonlyMap<string, Read<Value> | undefined>
  : z.output<S>;

/** The valid part of an object that a table of keys describes. */
export type ReadTable<T> = Read<z.ZodObject<ShapeOf<T>>>;

/** Called for each key that is not in the schema, with those that are. */
export type UnknownKeyHandler = (path: string, key: string, known: readonly string[]) => void;

/** Where findings go, and the text of the document's numbers. */
export interface ReadSink {
  readonly numbers: NumberTexts;
  readonly faults: Faults;
  readonly onUnknownKey: UnknownKeyHandler;
}

/**
 * Reads `value` with `schema`. Handles objects, records, lists, defaults and optional parts; everything
 * else is left to zod, whose error text says what is expected. Undefined means missing or invalid;
 * what is invalid has been reported.
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
    const given = value === undefined ? schema.parse(undefined) : value;
    return readAny(schema.unwrap(), given, path, key, to);
  }
  if (schema instanceof z.ZodObject) return readObject(schema, value, path, to);
  if (schema instanceof z.ZodRecord) return readRecord(schema, value, path, to);
  if (schema instanceof z.ZodArray && Array.isArray(value)) {
    return value.map((item, index) => {
      return readAny(schema.element, item, joinPath(path, String(index)), "", to);
    });
  }
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

/** Names only the kind of what was found: it may be a section pasted as text, secrets included. */
function noteWrongKind(value: unknown, path: string, to: ReadSink): undefined {
  to.faults.problem(path, `Expected an object: found ${describeKind(value)}`);
  return undefined;
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** JavaScript objects do not keep this key; as a car's name it would be lost. */
export function refuseProto(value: unknown, path: string, faults: Faults): void {
  const open = [{ value, path }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (!isObject(next.value)) continue;
    for (const [key, part] of Object.entries(next.value)) {
      const partPath = joinPath(next.path, key);
      if (key === "__proto__") {
        faults.problem(partPath, `Expected another key: found the key ${quote(key)}`);
      } else open.push({ value: part, path: partPath });
    }
  }
}
