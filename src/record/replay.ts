// Steps recorded inputs through the session as it is today.
import { join } from "node:path";
import type { Turn } from "../car/mod.ts";
import {
  type Effect,
  type SentCommand,
  type Session,
  type SessionSettings,
  step,
} from "../session/mod.ts";
import { readBytes } from "../text/mod.ts";
import { type Difference, firstDifference } from "./difference.ts";
import { asRecorded, type Damage, readSegment, type RecordedTurn } from "./segment.ts";
import { segmentName, segmentNumbers } from "./segment_files.ts";

/** A recorded turn, with the states as they are today. */
export interface ReplayedTurn {
  readonly turn: Turn;
  /** The first difference of its effects; `null`: they are as recorded. */
  readonly difference: Difference | null;
}

/** The result for one car. */
export interface ReplayedCar {
  /** Turns replayed, including the first that differs. */
  turns: number;
  /** The first turn whose effects differ; `null`: none. */
  first: ReplayedTurn | null;
}

/** What to read, and who subscribes. */
export interface ReplayOptions {
  /** Only this car. */
  readonly car?: string | undefined;
  /** Gets every turn. */
  readonly onTurn?: (replayed: ReplayedTurn) => void;
  /** Called when a segment cannot be read to its end; the rest is skipped. */
  readonly onDamage?: (path: string, damage: Damage) => void;
}

/**
 * Replays a recording; a car's turns after its first difference are skipped.
 *
 * @returns the cars by name, in the order in which they first appear
 * @throws what reading the directory or a file of it throws
 */
export async function replay(
  directory: string,
  options: ReplayOptions = {},
): Promise<ReadonlyMap<string, ReplayedCar>> {
  const lives = new Map<string, Life>();
  const cars = new Map<string, ReplayedCar>();
  for (const number of await segmentNumbers(directory)) {
    const path = join(directory, segmentName(number));
    const records = readSegment(await readBytes(path, { maxBytes: Infinity }));
    for (let next = records.next();; next = records.next()) {
      if (next.done) {
        if (next.value !== null) options.onDamage?.(path, next.value);
        break;
      }
      const { record } = next.value;
      if (record.kind !== "turn") continue;
      if (options.car !== undefined && record.car !== options.car) continue;
      const car = cars.get(record.car) ?? { turns: 0, first: null };
      cars.set(record.car, car);
      if (car.first !== null) continue;
      const life = lifeOf(record, lives.get(record.car));
      // Its first state was in the segment before.
      if (life === undefined) continue;
      lives.set(record.car, life);
      const replayed = replayTurn(record, life);
      car.turns++;
      if (replayed.difference !== null) car.first = replayed;
      options.onTurn?.(replayed);
    }
  }
  return cars;
}

/** A car between two turns. */
interface Life {
  session: Session;
  settings: SessionSettings;
}

/** The car as it was before the turn. */
function lifeOf({ begins, settings }: RecordedTurn, life: Life | undefined): Life | undefined {
  if (begins !== undefined && settings !== undefined) {
    return { session: completed(begins), settings };
  }
  if (life !== undefined && settings !== undefined) life.settings = settings;
  return life;
}

/** A state as today's versions have it: earlier ones did not follow commands. */
function completed(session: Session): Session {
  const { base } = session;
  const { commands } = base;
  if (Object.hasOwn(commands, "again")) return session;
  const followed = { id: null, at: 0, key: null, sends: 0 };
  const ready = {
    ...commands.ready,
    items: commands.ready.items.map((one) => ({ ...followed, ...one })),
  };
  const parked = commands.parked.map((one) => ({ ...followed, ...one }));
  const next = {
    ...session,
    base: { ...base, commands: { ...commands, ready, parked, again: [], expiresAt: null } },
  };
  const sent = (all: readonly SentCommand[]) =>
    all.map((one) => ({ ...followed, ...one, sends: 1 }));
  if (next.kind === "running") return { ...next, sent: sent(next.sent) };
  if (next.kind !== "connecting" || next.step.name !== "responses") return next;
  return { ...next, step: { ...next.step, sent: sent(next.step.sent) } };
}

/** Steps the session with a recorded input; `life` goes on. */
function replayTurn({ car, at, input, effects }: RecordedTurn, life: Life): ReplayedTurn {
  const { session: before, settings } = life;
  let today: readonly Effect[];
  try {
    const next = step(before, input, { now: at, settings });
    life.session = next.session;
    today = next.effects;
  } catch (error) {
    const turn = { car, at, settings, input, before, after: before, effects: [] };
    return { turn, difference: firstDifference(effects, `a defect: ${error}`, "effects") };
  }
  const turn = { car, at, settings, input, before, after: life.session, effects: today };
  return {
    turn,
    difference: firstDifference(
      effects,
      today.map((effect) => asRecorded(effect, input)),
      "effects",
    ),
  };
}
