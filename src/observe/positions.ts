// Where a car is, as its statuses say, and where it has been lately.
import type { SeenStatus } from "./car_record.ts";
import { Ring } from "./ring.ts";

/** Points of a track, and the least time between two, in milliseconds: the last five minutes of driving. */
const MAX_POINTS = 30;
const POINT_MS = 10_000;
/** Devices of a car whose statuses are read in one second. */
const MAX_DEVICES = 50;
/** A device that tells the position is believed alone until it has been silent for so long. */
const SILENT_MS = 10_000;
const BRACE = "{".charCodeAt(0);

/** Where positions are found in the JSON of a status: the section `map` of the configuration. */
export interface PositionPaths {
  readonly latitude: string;
  readonly longitude: string;
}

/** A position in degrees (WGS 84). */
export interface Point {
  readonly latitude: number;
  readonly longitude: number;
}

/** A position with its source; `at` is in milliseconds since the epoch. */
export interface Position extends Point {
  readonly at: number;
  /** Identity of the device that told it. */
  readonly device: string;
}

/** The positions of one car. Statuses are read once a second, not as they come. */
export class CarPositions {
  readonly #track = new Ring<Point>(MAX_POINTS);
  #last: Position | null = null;
  #trackedAt = -Infinity;
  #readUntil = -Infinity;

  /** The last known one. */
  get last(): Position | null {
    return this.#last;
  }

  /** Where the car was, the oldest first; the last position is not among them. */
  track(): Point[] {
    return this.#track.oldestFirst();
  }

  /**
   * Reads what has come since the last call.
   *
   * @param statuses the last one of each device, the newest at the end
   * @returns the position, unless none was told
   */
  read(statuses: readonly SeenStatus[], paths: PositionPaths): Position | undefined {
    const before = this.#last;
    for (const status of statuses.slice(-MAX_DEVICES)) {
      if (status.at > this.#readUntil) this.#read(status, paths);
    }
    this.#readUntil = statuses.at(-1)?.at ?? this.#readUntil;
    return this.#last === before ? undefined : this.#last ?? undefined;
  }

  #read({ at, device, data: { data, bytes } }: SeenStatus, paths: PositionPaths): void {
    const last = this.#last;
    if (last !== null && last.device !== device && at - last.at < SILENT_MS) return;
    if (data.length < bytes || data[0] !== BRACE) return;
    const point = pointIn(data, paths);
    if (point === undefined) return;
    const hasMoved = last !== null &&
      (last.latitude !== point.latitude || last.longitude !== point.longitude);
    if (hasMoved && at - this.#trackedAt >= POINT_MS) {
      this.#track.push({ latitude: last.latitude, longitude: last.longitude });
      this.#trackedAt = at;
    }
    this.#last = { ...point, at, device };
  }
}

/** The position in a JSON text; undefined when it has none. */
export function pointIn(data: Uint8Array, paths: PositionPaths): Point | undefined {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(data));
  } catch {
    return undefined;
  }
  const latitude = degreesAt(value, paths.latitude, 90);
  const longitude = degreesAt(value, paths.longitude, 180);
  if (latitude === undefined || longitude === undefined) return undefined;
  // In the Gulf of Guinea: receivers without a fix say so.
  if (latitude === 0 && longitude === 0) return undefined;
  return { latitude, longitude };
}

function degreesAt(value: unknown, path: string, most: number): number | undefined {
  let part = value;
  for (const name of path.split(".")) {
    if (typeof part !== "object" || part === null || !Object.hasOwn(part, name)) return undefined;
    part = (part as Readonly<Record<string, unknown>>)[name];
  }
  return typeof part === "number" && Math.abs(part) <= most ? part : undefined;
}
