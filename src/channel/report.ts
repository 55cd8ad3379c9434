// When an event is reported, and which ones are picked: pure, and by the events' own times.
import { createHash } from "node:crypto";
import type { ReportSettings, SampleSettings } from "./settings.ts";
import type { EventView } from "./view.ts";

/** What is compared: numbers by their dead-band, anything else as text. */
export type Values = readonly (number | string)[];

/** What was reported last of a device. */
export interface Reported {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly values: Values;
}

/** Longer texts are compared by their hash; in characters. */
const MAX_TEXT = 100;

/** Whether an event is reported. @param last of the same device; undefined: there was none */
export function isReported(
  { when, periodMs, fields }: ReportSettings,
  { at, values }: Reported,
  last: Reported | undefined,
): boolean {
  if (when === "received" || last === undefined) return true;
  // Also when the clock was set back.
  const isDue = at - last.at >= periodMs || at < last.at;
  if (when === "period") return isDue;
  return (when === "change-or-period" && isDue) ||
    hasChanged(last.values, values, Object.values(fields ?? {}));
}

function hasChanged(last: Values, now: Values, bands: readonly number[]): boolean {
  if (last.length !== now.length) return true;
  return now.some((value, index) => {
    const before = last[index];
    if (typeof value === "number" && typeof before === "number") {
      return Math.abs(value - before) > (bands[index] ?? 0);
    }
    return value !== before;
  });
}

/** What is compared of an event: the fields of what was decoded, or else the payload. */
export function valuesOf({ fields }: ReportSettings, event: EventView): Values {
  const { decoded, payload, data } = event;
  if (fields !== undefined && typeof decoded === "object" && decoded !== null) {
    return Object.keys(fields).map((path) => comparable(valueAt(decoded, path)));
  }
  return [comparable(payload ?? data)];
}

function comparable(value: unknown): number | string {
  if (typeof value === "number") return value;
  const text = JSON.stringify(value) ?? "";
  if (text.length <= MAX_TEXT) return text;
  return createHash("sha256").update(text).digest("base64");
}

function valueAt(value: unknown, path: string): unknown {
  let part: unknown = value;
  for (const name of path.split(".")) {
    if (typeof part !== "object" || part === null || !Object.hasOwn(part, name)) return undefined;
    part = (part as Readonly<Record<string, unknown>>)[name];
  }
  return part;
}

/** Whether an event is picked. @param count of the same device, before it */
export function isPicked(
  sample: SampleSettings | undefined,
  { id }: Pick<EventView, "id">,
  count: number,
): boolean {
  if (sample === undefined) return true;
  return "oneIn" in sample ? count % sample.oneIn === 0 : shareOf(id) < sample.share;
}

/** A number from 0 up to 1 that follows from a text: an event that comes again is picked again. */
function shareOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  // Neighboring ids differ in their last digits only.
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}
