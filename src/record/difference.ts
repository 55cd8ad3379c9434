// Finds where two plain values first differ.

/** Two values that should be equal, and where they are: `[0].message.messageCounter`. */
export interface Difference {
  readonly path: string;
  readonly recorded: unknown;
  readonly today: unknown;
}

/** Finds the first difference; a missing field differs from one that is undefined. */
export function firstDifference(recorded: unknown, today: unknown, path = ""): Difference | null {
  if (Object.is(recorded, today)) return null;
  const here = { path, recorded, today };
  if (!isObject(recorded) || !isObject(today)) return here;
  if (recorded instanceof Uint8Array || today instanceof Uint8Array) {
    if (!(recorded instanceof Uint8Array && today instanceof Uint8Array)) return here;
    if (recorded.length !== today.length) return here;
    return recorded.every((byte, index) => byte === today[index]) ? null : here;
  }
  if (Array.isArray(recorded) !== Array.isArray(today)) return here;
  for (const key in recorded) {
    if (!Object.hasOwn(today, key)) return differenceAt(key, recorded, today, path);
    const difference = firstDifference(recorded[key], today[key], pathTo(key, recorded, path));
    if (difference !== null) return difference;
  }
  for (const key in today) {
    if (!Object.hasOwn(recorded, key)) return differenceAt(key, recorded, today, path);
  }
  return null;
}

type PlainObject = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is PlainObject {
  return typeof value === "object" && value !== null;
}

function differenceAt(key: string, recorded: PlainObject, today: PlainObject, path: string) {
  const [was, is] = [recorded[key], today[key]];
  return { path: pathTo(key, recorded, path), recorded: was, today: is };
}

function pathTo(key: string, parent: unknown, path: string): string {
  if (Array.isArray(parent)) return `${path}[${key}]`;
  return path === "" ? key : `${path}.${key}`;
}

/** Longer values are cut, in characters. */
const MAX_SHOWN = 200;

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
}

/** A value as shown in reports. */
export function shownValue(value: unknown): string {
  if (value === undefined) return "nothing";
  const text = JSON.stringify(value, (_, part) => {
    if (part instanceof Uint8Array) return `${part.length} bytes: ${hexOf(part.subarray(0, 32))}`;
    return typeof part === "number" && !Number.isFinite(part) ? String(part) : part;
  });
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}...` : text;
}
