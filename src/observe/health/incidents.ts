// Incidents: one for each cause, however many cars and sessions it hits. Pure bookkeeping.
import type { CauseCode, Severity } from "./health.ts";
import type { Culprit } from "./host_crash.ts";
import type { Acknowledgment, Hit, Incident, IncidentChange, IncidentFilter } from "./incident.ts";
import type { KeptIncident } from "./kept_incidents.ts";

/** Incidents that are kept; those that are over go first. */
const MAX_INCIDENTS = 500;
/** Cars that an incident still names when it is over. */
const MAX_NAMED = 100;
/**
 * Cars that join an incident do so within this time of each other, in milliseconds: a car that was
 * refused for a day does not make today's outage part of its incident.
 */
const JOIN_MS = 60_000;

interface Entry {
  readonly id: number;
  readonly group: string;
  readonly code: CauseCode;
  readonly severity: Severity;
  text: string;
  readonly advice: string;
  readonly beganAt: number;
  endedAt: number | null;
  switchedOff: boolean;
  quietSince: number | null;
  culprit: Culprit | null;
  /** Cars and what happened to each. */
  readonly cars: Map<string, string>;
  carCount: number;
  readonly suffering: Set<string>;
  times: number;
  joinedAt: number;
  acknowledged: Acknowledgment | null;
}

/** What a car suffers from, and how often it was hit so far. */
interface Suffered {
  readonly entry: Entry;
  readonly times: number;
}

/** All incidents. */
export class Incidents {
  readonly #tell: (change: IncidentChange) => void;
  /** By number, oldest first. */
  readonly #entries = new Map<number, Entry>();
  /** The newest that goes on, by group. */
  readonly #open = new Map<string, Entry>();
  /** What each car suffers from, by group. */
  readonly #ofCar = new Map<string, Map<string, Suffered>>();
  readonly #lastOf = new Map<string, Entry>();
  /** What is to be told: an outage hits hundreds of cars at once. */
  readonly #changes = new Map<Entry, Set<IncidentChange["kind"]>>();
  #nextId = 1;

  /** @param tell Called with each change: of an acknowledgment at once, of others on {@linkcode flush}. */
  constructor(tell: (change: IncidentChange) => void) {
    this.#tell = tell;
  }

  /** A car suffers from these, and from nothing else. */
  update(car: string, hits: readonly Hit[], now: number): void {
    const before = this.#ofCar.get(car);
    if (before === undefined && hits.length === 0) return;
    const current = new Map<string, Suffered>();
    for (const hit of hits) {
      const { group, times, endedAt, switchedOff } = hit;
      const known = before?.get(group);
      const entry = known?.entry ?? this.#join(car, hit, now);
      if (times !== known?.times) {
        // Kept ones may have hit more often than was found since the restart.
        entry.times += Math.max(0, times - (known?.times ?? 0));
        this.#changed("changed", entry);
      }
      if (endedAt === null) current.set(group, { entry, times });
      else this.#leave(car, entry, endedAt, switchedOff);
    }
    for (const [group, { entry }] of before ?? []) {
      if (!current.has(group)) this.#leave(car, entry, now);
    }
    if (current.size > 0) this.#ofCar.set(car, current);
    else this.#ofCar.delete(car);
  }

  /** Ends those that have been quiet for so long. */
  settle(now: number, settleMs: number): void {
    for (const [group, entry] of this.#open) {
      if (entry.quietSince !== null && now - entry.quietSince >= settleMs) {
        this.#open.delete(group);
        this.#end(entry, entry.quietSince);
      }
    }
    for (const entry of this.#entries.values()) {
      if (this.#entries.size <= MAX_INCIDENTS) return;
      if (entry.endedAt !== null) this.#entries.delete(entry.id);
    }
  }

  /** A car is no longer served. */
  forget(car: string, now: number): void {
    this.update(car, [], now);
    this.#lastOf.delete(car);
  }

  /**
   * Somebody takes care of an incident.
   *
   * @returns undefined when there is none of that number
   */
  acknowledge(id: number, acknowledged: Acknowledgment): Incident | undefined {
    const entry = this.#entries.get(id);
    if (entry === undefined) return undefined;
    entry.acknowledged = acknowledged;
    const incident = view(entry);
    this.#tell({ kind: "acknowledged", incident });
    return incident;
  }

  /** Tells what has changed since the last time, each incident's beginning and end once. */
  flush(): void {
    for (const [entry, kinds] of this.#changes) {
      const incident = view(entry);
      if (kinds.has("began")) this.#tell({ kind: "began", incident });
      else if (!kinds.has("ended")) this.#tell({ kind: "changed", incident });
      if (kinds.has("ended")) this.#tell({ kind: "ended", incident });
    }
    this.#changes.clear();
  }

  /** Newest first. */
  list({ state, car, limit = 100 }: IncidentFilter = {}): Incident[] {
    const found: Incident[] = [];
    for (const entry of [...this.#entries.values()].reverse()) {
      if (found.length >= limit) break;
      if (state !== undefined && (state === "open") !== (entry.endedAt === null)) continue;
      if (car === undefined || entry.cars.has(car)) found.push(view(entry));
    }
    return found;
  }

  /** The newest incident of a car, with what happened to it. */
  lastOf(car: string): Incident | undefined {
    const entry = this.#lastOf.get(car);
    return entry && { ...view(entry), text: entry.cars.get(car) ?? entry.text };
  }

  /** What survives a restart, oldest first. */
  keep(): KeptIncident[] {
    return [...this.#entries.values()].map(({ suffering, culprit, ...entry }) => ({
      ...entry,
      culprit: culprit && { car: culprit.car, module: culprit.module },
      cars: [...entry.cars],
      suffering: [...suffering].map((car) => {
        return [car, this.#ofCar.get(car)?.get(entry.group)?.times ?? 1] as const;
      }),
    }));
  }

  /** Takes back what was kept, before anything else happens; nobody is told of it again. */
  restore(kept: readonly KeptIncident[], now: number): void {
    for (const { suffering, ...incident } of kept) {
      const entry: Entry = {
        ...incident,
        cars: new Map(incident.cars),
        suffering: new Set(suffering.map(([car]) => car)),
      };
      this.#entries.set(entry.id, entry);
      this.#nextId = entry.id + 1;
      for (const car of entry.cars.keys()) this.#lastOf.set(car, entry);
      if (entry.endedAt !== null) continue;
      this.#open.set(entry.group, entry);
      if (suffering.length === 0) entry.quietSince ??= now;
      for (const [car, times] of suffering) {
        const ofCar = this.#ofCar.get(car) ?? new Map<string, Suffered>();
        this.#ofCar.set(car, ofCar.set(entry.group, { entry, times }));
      }
    }
  }

  /** Forgets cars that were kept, but are no longer served. */
  forgetOthers(served: ReadonlySet<string>, now: number): void {
    for (const car of new Set([...this.#ofCar.keys(), ...this.#lastOf.keys()])) {
      if (!served.has(car)) this.forget(car, now);
    }
  }

  /** How many go on. */
  get open(): number {
    let open = 0;
    for (const { endedAt } of this.#entries.values()) if (endedAt === null) open++;
    return open;
  }

  #join(car: string, hit: Hit, now: number): Entry {
    const { cause: { text }, group, culprit } = hit;
    const open = this.#open.get(group);
    if (open === undefined || !(open.cars.has(car) || now - open.joinedAt <= JOIN_MS)) {
      return this.#begin(car, hit, now);
    }
    if (!open.cars.has(car)) {
      open.carCount++;
      open.joinedAt = now;
    }
    if (open.culprit === null) open.culprit = culprit;
    if (open.culprit?.car === car) open.text = text;
    open.cars.set(car, text);
    open.suffering.add(car);
    open.quietSince = null;
    open.switchedOff = false;
    this.#lastOf.set(car, open);
    this.#changed("changed", open);
    return open;
  }

  #begin(car: string, { cause, group, culprit }: Hit, now: number): Entry {
    const { code, severity, text, advice, since } = cause;
    const entry: Entry = {
      id: this.#nextId++,
      group,
      code,
      severity,
      text,
      advice,
      beganAt: since,
      endedAt: null,
      switchedOff: false,
      quietSince: null,
      culprit,
      cars: new Map([[car, text]]),
      carCount: 1,
      suffering: new Set([car]),
      times: 0,
      joinedAt: now,
      acknowledged: null,
    };
    this.#entries.set(entry.id, entry);
    const former = this.#open.get(group);
    this.#open.set(group, entry);
    // Nobody suffers from it who could end it later.
    if (former !== undefined && former.quietSince !== null) this.#end(former, former.quietSince);
    this.#lastOf.set(car, entry);
    this.#changed("began", entry);
    return entry;
  }

  #leave(car: string, entry: Entry, at: number, switchedOff = false): void {
    if (!entry.suffering.delete(car)) return;
    entry.switchedOff = switchedOff;
    if (entry.suffering.size > 0 || entry.endedAt !== null) return;
    // Another incident of the same group has begun since: nobody can join this one any more.
    if (this.#open.get(entry.group) !== entry) return this.#end(entry, at);
    entry.quietSince = Math.floor(at);
    this.#changed("changed", entry);
  }

  #end(entry: Entry, at: number): void {
    entry.quietSince ??= Math.floor(at);
    entry.endedAt = Math.floor(at);
    for (const car of [...entry.cars.keys()].slice(MAX_NAMED)) entry.cars.delete(car);
    this.#changed("ended", entry);
  }

  #changed(kind: IncidentChange["kind"], entry: Entry): void {
    const kinds = this.#changes.get(entry);
    if (kinds === undefined) this.#changes.set(entry, new Set([kind]));
    else kinds.add(kind);
  }
}

function view(entry: Entry): Incident {
  const { group: _, suffering: __, joinedAt: ___, cars, culprit, ...rest } = entry;
  return {
    ...rest,
    cars: [...cars.keys()],
    culprit: culprit && { car: culprit.car, module: culprit.module },
  };
}
