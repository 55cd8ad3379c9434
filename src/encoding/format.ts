// Formats in which states are encoded, so that another process can continue them: a version, then
// values without names, in the order of tables. Times are written as ages, as the clocks of two
// machines differ.
import { Buffer } from "node:buffer";
import type { Device } from "../protocol/mod.ts";

/** The bytes are not what was to be read, or have another version. */
export class FormatError extends Error {
  override readonly name = "FormatError";
}

type Json = null | boolean | number | string | readonly Json[];

/** How one type of value is written and read; `now` turns times into ages and back. */
export interface Format<T> {
  write(value: T, now: number): Json;
  read(json: Json, now: number): T;
}

/** Something else was found; {@linkcode versioned} says where. */
class Mismatch extends Error {}

function wrong(expected: string): never {
  throw new Mismatch(`expected ${expected}`);
}

function plain<T extends Json>(expected: string, is: (json: Json) => json is T): Format<T> {
  return { write: (value) => value, read: (json) => is(json) ? json : wrong(expected) };
}

export const number = plain("a number", (json) => typeof json === "number");
export const text = plain("a string", (json) => typeof json === "string");
export const flag = plain("true or false", (json) => typeof json === "boolean");

export const bytes: Format<Uint8Array> = {
  write: (value) => Buffer.from(value).toString("base64"),
  read: (json, now) => new Uint8Array(Buffer.from(text.read(json, now), "base64")),
};

/** A time, as an age in milliseconds with three decimals. */
export const moment: Format<number> = {
  write: (value, now) => Math.round((now - value) * 1000) / 1000,
  read: (json, now) => now - number.read(json, now),
};

export function nullable<T>({ write, read }: Format<T>): Format<T | null> {
  return {
    write: (value, now) => value === null ? null : write(value, now),
    read: (json, now) => json === null ? null : read(json, now),
  };
}

export function word<W extends string>(...words: readonly W[]): Format<W> {
  return {
    write: (value) => words.indexOf(value),
    read: (json, now) => words[number.read(json, now)] ?? wrong(`one of ${words.join(", ")}`),
  };
}

export function list<T>({ write, read }: Format<T>): Format<readonly T[]> {
  return {
    write: (items, now) => items.map((item) => write(item, now)),
    read: (json, now) =>
      Array.isArray(json) ? json.map((item: Json) => read(item, now)) : wrong("a list"),
  };
}

/** Every field in the order of the table; one that is missing there does not compile. */
type Fields<T> = { readonly [Name in keyof T]-?: Format<Exclude<T[Name], undefined>> };

export function record<T extends object>(fields: Fields<T>): Format<T> {
  const entries = Object.entries(fields) as [keyof T, Format<unknown>][];
  return {
    write: (value, now) =>
      entries.map(([name, { write }]) =>
        value[name] === undefined ? null : write(value[name], now)
      ),
    read(json, now) {
      if (!Array.isArray(json) || json.length !== entries.length) {
        return wrong(`${entries.length} values`);
      }
      const found = entries.map(([name, { read }], index) => [name, read(json[index], now)]);
      return Object.fromEntries(found.filter(([, value]) => value !== undefined)) as T;
    },
  };
}

/** A field that may be absent, which is not the same as `null`. */
export function optional<T>({ write, read }: Format<T>): Format<T> {
  return { write, read: (json, now) => json === null ? undefined as T : read(json, now) };
}

/** Records discriminated by the value of `tag`. */
export function union<T extends object, Tag extends keyof T>(
  tag: Tag,
  kinds: {
    readonly [Kind in T[Tag] & string]: Format<Omit<T & { readonly [K in Tag]: Kind }, Tag>>;
  },
): Format<T> {
  const names = Object.keys(kinds) as (T[Tag] & string)[];
  const formats = kinds as unknown as Readonly<Record<string, Format<object>>>;
  return {
    write(value, now) {
      const kind = value[tag] as T[Tag] & string;
      return [names.indexOf(kind), formats[kind]?.write(value, now) ?? null];
    },
    read(json, now) {
      const [index, rest = null] = Array.isArray(json) ? json as readonly Json[] : [];
      const kind = names[typeof index === "number" ? index : -1];
      if (kind === undefined) return wrong(`one of ${names.join(", ")}`);
      return { [tag]: kind, ...formats[kind]?.read(rest, now) } as unknown as T;
    },
  };
}

export const device = record<Device>({
  module: number,
  deviceType: number,
  deviceRole: text,
  deviceName: text,
  priority: number,
});

/** Writes and reads whole states. */
export interface Encoding<T> {
  /** Writes a state at `now`, in milliseconds. */
  encode(state: T, now: number): Uint8Array;
  /**
   * Reads a state at `now` of this process's clock: each deadline is as far away as it was when the
   * state was written.
   *
   * @throws {FormatError} when the bytes are something else, or in another version.
   */
  decode(encoded: Uint8Array, now: number): T;
}

/** A format with its version; `what` is read, as in `a session`. */
export function versioned<T>(what: string, version: number, format: Format<T>): Encoding<T> {
  const fail = (why: string, cause?: unknown) =>
    new FormatError(`Cannot read ${what}: ${why}`, { cause });
  const parse = (encoded: Uint8Array): Json => {
    try {
      return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(encoded));
    } catch (cause) {
      throw fail("expected JSON", cause);
    }
  };
  return {
    encode: (state, now) =>
      new TextEncoder().encode(JSON.stringify([version, format.write(state, now)])),
    decode(encoded, now) {
      const json = parse(encoded);
      const [found, value = null] = Array.isArray(json) ? json as readonly Json[] : [];
      if (found !== version) {
        throw fail(`expected format ${version}: found ${JSON.stringify(found)}`);
      }
      try {
        return format.read(value, now);
      } catch (error) {
        if (!(error instanceof Mismatch)) throw error;
        throw fail(error.message, error);
      }
    },
  };
}
