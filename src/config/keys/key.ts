// Types of the table of keys (keys.ts), and what is derived from it for all keys.
import * as z from "zod";
import type { ServerConfig } from "../resolve/config.ts";

/**
 * When a change takes effect: at once in every session, for new module hosts or broker connections,
 * after every car has reconnected, or only after a restart.
 */
export type Takes = "at_once" | "new_hosts" | "new_connections" | "reconnect" | "restart";

/** A path to a value of `T`, such as `http.tls.certFile`. */
export type PathIn<T> = T extends readonly unknown[] ? never
  : T extends object ? {
      [Name in keyof T & string]-?: Name | `${Name}.${PathIn<NonNullable<T[Name]>>}`;
    }[keyof T & string]
  : never;

/** An entry of the table without its schema, which has the type, the bounds and the default. */
export interface KeyFacts<From> {
  /** One sentence, for the JSON Schema and docs/configuration_keys.md. */
  readonly doc: string;
  /** What a change affects: nothing, the module contexts of the cars concerned, or a setting. */
  readonly takes: Takes | "contexts" | "nothing";
  /** Such as seconds, bytes or files. */
  readonly unit?: string;
  /** Never shown. */
  readonly secret?: boolean;
  /** Used by the embedded broker to listen; then a change takes effect after a restart. */
  readonly listens?: boolean;
  /** Its name at the top level in dialects A and C, if it differs. */
  readonly flat?: string;
  /** Where the resolved configuration has the value; absent: nowhere, or only with others. */
  readonly at?: PathIn<NoInfer<From>>;
  /** The value as written in a document; absent: only documents have it. @default {what is `at`} */
  readonly of?: (from: From) => unknown;
  /** The value to compare; `null`: compared as part of another key. @default {of} */
  readonly compared?: ((from: From) => unknown) | null;
  /** The value in the report of a reload. @default {compared} */
  readonly shown?: (from: From) => string | undefined;
}

/** One key. */
export interface Key<S extends z.ZodType = z.ZodType, From = ServerConfig> extends KeyFacts<From> {
  readonly kind: "key";
  /** Says what is expected, the default, and what the key is for. */
  readonly schema: S;
}

/** Keys that stand together in an object. */
export interface Section<T = Table, S extends z.ZodType = z.ZodType> {
  readonly kind: "section";
  readonly doc: string;
  readonly keys: T;
  readonly schema: S;
}

/** Keys and sections by name. */
export type Table = { readonly [name: string]: Key | Section };

/** The zod shape of a table. */
export type ShapeOf<T> = {
  -readonly [Name in keyof T]: T[Name] extends { readonly schema: infer S extends z.ZodType } ? S
    : never;
};

/**
 * Makes an entry.
 *
 * @param schema the key's own, not shared with another: it gets the key's description
 */
export function key<S extends z.ZodType, From = ServerConfig>(
  schema: S,
  facts: KeyFacts<From>,
): Key<S, From> {
  const { at } = facts;
  const of = at === undefined ? {} : { of: (from: From) => valueAt(from, at) };
  return { kind: "key", schema: described(schema, facts.doc), ...of, ...facts };
}

/** As zod's `describe`, without its copy, which takes time at every start. */
function described<S extends z.ZodType>(schema: S, description: string): S {
  z.globalRegistry.add(schema, { ...z.globalRegistry.get(schema), description });
  return schema;
}

/** The value at a path ({@linkcode PathIn}); undefined where a part of it is missing. */
function valueAt(from: unknown, path: string): unknown {
  return path.split(".").reduce(
    (part: unknown, name) => (part as Readonly<Record<string, unknown>> | undefined)?.[name],
    from,
  );
}

/** `to` with the value that `from` has at a path; a part of it that is missing there is left out. */
export function withValueOf<T extends object>(to: T, from: T | undefined, path: string): T {
  const [name = "", ...rest] = path.split(".");
  const record = to as Readonly<Record<string, object | undefined>>;
  const source = (from as typeof record | undefined)?.[name];
  if (source === undefined) {
    const { [name]: _, ...others } = record;
    return others as T;
  }
  const value = rest.length === 0
    ? source
    : withValueOf(record[name] ?? {}, source, rest.join("."));
  return { ...to, [name]: value };
}

/** Makes an optional section, whose absence has a meaning of its own. */
export function optionalSection<T>(id: string | undefined, doc: string, keys: T) {
  const object = objectOf(keys);
  if (id !== undefined) z.globalRegistry.add(object, { id });
  const schema = described(object.optional(), doc);
  return { kind: "section", doc, keys, schema } as const satisfies Section<T>;
}

/**
 * Makes a section that has its defaults when it is absent. Once resolved it has the same values
 * under the same names in camel case ({@linkcode ResolvedOf}), so that a key needs only its entry.
 *
 * @param place where the resolved configuration has it
 */
export function section<T>(id: string, doc: string, keys: T, place = camelCase(id)) {
  const object = objectOf(keys);
  z.globalRegistry.add(object, { id });
  const defaults = () => Object.entries(keys as Table).map(([name, one]) => [name, defaultOf(one)]);
  const schema = described(object.default(() => Object.fromEntries(defaults())), doc);
  const read = Object.entries(keys as Readonly<Record<string, Key>>).map(([name, entry]) => {
    const at = `${place}.${camelCase(name)}`;
    return [name, { at, of: (config: unknown) => valueAt(config, at), ...entry }];
  });
  return { kind: "section", doc, keys: Object.fromEntries(read) as T, schema } as const;
}

/** Resolves such a section; undefined when one of its values is invalid, which has been reported. */
export function resolvedOf<T>(
  { keys }: Pick<Section<T>, "keys">,
  values: Readonly<Record<string, unknown>> | undefined,
): ResolvedOf<T> | undefined {
  const resolved = Object.keys(keys as object).map((name) => [camelCase(name), values?.[name]]);
  if (resolved.some(([, value]) => value === undefined)) return undefined;
  return Object.fromEntries(resolved);
}

/** The default of a key. */
export function defaultOf<S extends z.ZodType>({ schema }: Pick<Key<S>, "schema">): z.output<S> {
  return schema.parse(undefined);
}

/** The object that a table describes. */
export function objectOf<T>(keys: T): z.ZodObject<ShapeOf<T>, z.core.$strict> {
  return z.strictObject(shapeOf(keys));
}

/** The zod shape that a table describes. */
export function shapeOf<T>(keys: T): ShapeOf<T> {
  const entries = Object.entries(keys as Table).map(([name, { schema }]) => [name, schema]);
  return Object.fromEntries(entries);
}

/** Letters after underscores and hyphens in upper case: `max_message_bytes` is `maxMessageBytes`. */
type Camel<Name> = Name extends `${infer Head}_${infer Tail}` ? `${Head}${Capitalize<Camel<Tail>>}`
  : Name extends `${infer Head}-${infer Tail}` ? `${Head}${Capitalize<Camel<Tail>>}`
  : Name;

/** A resolved section: the same values, under names in camel case. */
export type ResolvedOf<T> = {
  readonly [Name in keyof T as Camel<Name>]: T[Name] extends
    { readonly schema: infer S extends z.ZodType } ? z.output<S> : never;
};

function camelCase(name: string): string {
  return name.replaceAll(/[_-]([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

/** A key and its path in a document, such as `limits.max_devices`. */
export interface KeyAt<From = ServerConfig> {
  readonly path: string;
  readonly key: Key<z.ZodType, From>;
}

/** Every key of a table and its sections, in order. */
export function keysOf<From = ServerConfig>(table: object, prefix = ""): KeyAt<From>[] {
  return Object.entries(table as Table).flatMap(([name, entry]): KeyAt<From>[] => {
    const path = prefix + name;
    if (entry.kind === "section") return keysOf(entry.keys, `${path}.`);
    return [{ path, key: entry as Key<z.ZodType, From> }];
  });
}
