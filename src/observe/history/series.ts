// Rates, response times and states of a car or a fleet over a day, coarser with age.
import { Buffer } from "node:buffer";

/** What is kept: how long a point is, and how many there are. */
export const SPANS = {
  hour: { stepMs: 15_000, points: 240 },
  day: { stepMs: 300_000, points: 288 },
} as const;
export type Span = keyof typeof SPANS;
export const SPAN_NAMES = Object.keys(SPANS) as Span[];

/** Counts of one second. */
export interface Sample {
  readonly statuses: number;
  readonly commands: number;
  readonly responseMeanMs: number | null;
  readonly responseMaxMs: number | null;
}

/** A time of {@linkcode SPANS} length. */
export interface Point {
  /** Its beginning, in milliseconds since the epoch. */
  readonly at: number;
  /** Statuses that were answered. */
  readonly statuses: number;
  readonly commands: number;
  /** Null when no status was answered. */
  readonly responseMeanMs: number | null;
  readonly responseMaxMs: number | null;
  /** The highest level in it. */
  readonly level: number;
}

const FIELDS = ["statuses", "commands", "sumMs", "maxMs", "level"] as const;
type Fields = Readonly<Record<typeof FIELDS[number], Float32Array>>;

/** A day as it survives a restart: its points by field, base64 of little-endian floats. */
export interface KeptSeries {
  /** Time of the first point by the length of a point. */
  readonly first: number;
  /** Points in which the server did not run have the level NaN. */
  readonly fields: Readonly<Record<string, string>>;
}

/** The points of one span in a ring: a point's place follows from its time. */
class Ring {
  readonly #stepMs: number;
  readonly #length: number;
  /** Which point is in each place, as its time by the length of a point. */
  readonly #steps: Float64Array;
  readonly #fields: Fields;

  constructor({ stepMs, points }: typeof SPANS[Span]) {
    this.#stepMs = stepMs;
    this.#length = points;
    this.#steps = new Float64Array(points);
    const made = FIELDS.map((field) => [field, new Float32Array(points)] as const);
    this.#fields = Object.fromEntries(made) as unknown as Fields;
  }

  add(at: number, { statuses, commands, responseMeanMs, responseMaxMs }: Sample, level: number) {
    const step = Math.floor(at / this.#stepMs);
    const place = step % this.#length;
    const fields = this.#fields;
    if (this.#steps[place] !== step) {
      this.#steps[place] = step;
      for (const field of FIELDS) fields[field][place] = 0;
    }
    const add = (field: keyof Fields, value: number) => {
      fields[field][place] = (fields[field][place] ?? 0) + value;
    };
    const raise = (field: keyof Fields, value: number) => {
      fields[field][place] = Math.max(fields[field][place] ?? 0, value);
    };
    add("statuses", statuses);
    add("commands", commands);
    add("sumMs", (responseMeanMs ?? 0) * statuses);
    raise("maxMs", responseMaxMs ?? 0);
    raise("level", level);
  }

  /** The points up to now, the oldest first; times in which the server did not run are left out. */
  points(now: number): Point[] {
    const last = Math.floor(now / this.#stepMs);
    const found: Point[] = [];
    for (let step = Math.max(1, last - this.#length + 1); step <= last; step++) {
      const place = step % this.#length;
      if (this.#steps[place] !== step) continue;
      const value = (field: keyof Fields) => this.#fields[field][place] ?? 0;
      const statuses = value("statuses");
      found.push({
        at: step * this.#stepMs,
        statuses,
        commands: value("commands"),
        responseMeanMs: statuses === 0 ? null : value("sumMs") / statuses,
        responseMaxMs: statuses === 0 ? null : value("maxMs"),
        level: value("level"),
      });
    }
    return found;
  }

  keep(now: number): KeptSeries {
    const first = Math.max(1, Math.floor(now / this.#stepMs) - this.#length + 1);
    const values = new Float32Array(this.#length);
    const fields = FIELDS.map((field) => {
      const own = this.#fields[field];
      for (let index = 0; index < this.#length; index++) {
        const place = (first + index) % this.#length;
        values[index] = this.#steps[place] === first + index ? own[place] ?? NaN : NaN;
      }
      return [field, base64Of(values)];
    });
    return { first, fields: Object.fromEntries(fields) };
  }

  /** Takes back what was kept; what a point of another length was kept with is left out. */
  restore({ first, fields }: KeptSeries): void {
    const values = FIELDS.map((field) => [field, floatsOf(fields[field] ?? "")] as const);
    if (values.some(([, { length }]) => length !== this.#length)) return;
    for (let index = 0; index < this.#length; index++) {
      const place = (first + index) % this.#length;
      if (values.some(([, floats]) => Number.isNaN(floats[index]))) continue;
      this.#steps[place] = first + index;
      for (const [field, floats] of values) this.#fields[field][place] = floats[index] ?? 0;
    }
  }
}

/** One car's or the fleet's series; some 15 KB. */
export class Series {
  readonly #rings = { hour: new Ring(SPANS.hour), day: new Ring(SPANS.day) };

  /** @param level such as how bad its health is */
  add(at: number, sample: Sample, level: number): void {
    this.#rings.hour.add(at, sample, level);
    this.#rings.day.add(at, sample, level);
  }

  /** What is remembered of a span, the oldest first. */
  points(span: Span, now: number): Point[] {
    return this.#rings[span].points(now);
  }

  /** The day. */
  keep(now: number): KeptSeries {
    return this.#rings.day.keep(now);
  }

  restore(kept: KeptSeries): void {
    this.#rings.day.restore(kept);
  }
}

/** With Buffer: those of a large fleet are made while its statuses wait. */
function base64Of({ buffer }: Float32Array): string {
  return Buffer.from(buffer).toString("base64");
}

/** Empty when it is no base64 of floats. */
function floatsOf(text: string): Float32Array {
  try {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    return new Float32Array(bytes.buffer);
  } catch {
    return new Float32Array();
  }
}
