// Incidents that survive a restart: with those that go on, why each of their cars suffers.
import * as z from "zod";
import { keptTime, type StateDirectory, type StateFile } from "../../state/mod.ts";
import type { Clock, TimerHandle } from "../../time/mod.ts";
import { CAUSE_CODES, SEVERITIES } from "./health.ts";
import type { IncidentListener } from "./incident.ts";

/** How long changes are collected before they are written, in milliseconds: what a crash may cost. */
const GATHER_MS = 5000;

const count = z.int().min(0);

const incident = z.strictObject({
  id: z.int().min(1),
  group: z.string(),
  code: z.enum(CAUSE_CODES),
  severity: z.enum(SEVERITIES),
  text: z.string(),
  advice: z.string(),
  beganAt: keptTime,
  endedAt: keptTime.nullable(),
  switchedOff: z.boolean(),
  quietSince: keptTime.nullable(),
  culprit: z.strictObject({ car: z.string(), module: z.int() }).nullable(),
  /** What happened to each car. */
  cars: z.array(z.tuple([z.string(), z.string()])),
  carCount: count,
  /** How often each car was hit that it goes on for. */
  suffering: z.array(z.tuple([z.string(), count])),
  times: count,
  joinedAt: keptTime,
  acknowledged: z.strictObject({ name: z.string(), note: z.string(), at: keptTime }).nullable(),
});
/** An incident as it is kept. */
export type KeptIncident = z.output<typeof incident>;

const trouble = z.strictObject({
  code: z.enum(CAUSE_CODES),
  since: keptTime,
  times: count,
  detail: z.string(),
  unserved: z.strictObject({
    count,
    reasons: z.array(z.strictObject({ module: z.int(), why: z.string() })),
  }).nullable(),
});
/** A cause of a car that goes on after a restart until the car shows that it is over. */
export type KeptTrouble = z.output<typeof trouble>;

const kept = z.strictObject({
  incidents: z.array(incident),
  troubles: z.record(z.string(), z.array(trouble)),
});
/** All that is kept. */
export type Kept = z.output<typeof kept>;

/** Where incidents are kept. */
export const INCIDENTS_DOCUMENT = {
  name: "incidents.json",
  schema: kept.extend({ format: z.literal(1) }),
};

/** Keeps incidents in a state directory; without one it does nothing. */
export class IncidentKeeper implements IncidentListener {
  readonly #clock: Clock;
  #file: StateFile | undefined;
  #timer: TimerHandle | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Reads what was kept, and keeps what there is from now on.
   *
   * @throws {StateError} when it can neither be used nor set aside.
   */
  async load(directory: StateDirectory, current: () => Kept): Promise<Kept | undefined> {
    const found = await directory.readOrSetAside(INCIDENTS_DOCUMENT);
    this.#file = directory.file(INCIDENTS_DOCUMENT.name, () => ({ format: 1, ...current() }));
    return found;
  }

  /** See {@linkcode IncidentListener}. */
  onIncident(): void {
    if (this.#file === undefined) return;
    this.#timer ??= this.#clock.set(() => void this.save(), GATHER_MS);
  }

  /** Writes what there is. Never rejects. */
  async save(): Promise<void> {
    if (this.#timer !== null) this.#clock.clear(this.#timer);
    this.#timer = null;
    await this.#file?.save();
  }
}
