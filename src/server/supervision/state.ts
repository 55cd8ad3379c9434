// The supervisor's state, a plain value: which car wants which module contexts, and which host has
// them. Contexts, hosts and cars are addressed by numbers that are never reused.
//
// Hosts are children of this process, so moments are those of its own clock.
import { type ContextHostKind, type ContextSpec, isSameSpec } from "../../module/mod.ts";

/** All cars and hosts; lists are in the order of their numbers. */
export interface SupervisorState {
  readonly cars: readonly CarEntry[];
  readonly hosts: readonly HostEntry[];
  /** When to look for hosts that can be emptied; `null`: not until a car has become idle. */
  readonly lookAt: number | null;
  /** Lost hosts: crashed, killed, or never started. */
  readonly hostsLost: number;
  /** The next number for a context. */
  readonly nextContext: number;
  /** The next number for a host. */
  readonly nextHost: number;
}

/** A car whose contexts are kept alive. */
export interface CarEntry {
  readonly id: number;
  /** Two cars may have the same name while one replaces the other. */
  readonly name: string;
  /** Since when it has had no session; `null` while it has one. */
  readonly idleSince: number | null;
  readonly serving: ModuleSet;
  /** The set that will take over, opened ahead; `null`: none. */
  readonly coming: ModuleSet | null;
}

/** The contexts that a car has in one configuration, and their history. */
export interface ModuleSet {
  readonly specs: readonly ContextSpec[];
  /** Existing contexts and those being opened, in the order of their numbers. */
  readonly contexts: readonly ContextEntry[];
  /** Modules that are opened for the first time while others are served. */
  readonly unproven: readonly number[];
  /** Whether contexts are being opened; the next attempt waits until each has been tried. */
  readonly attempting: boolean;
  /** Attempts and losses since all contexts last existed for long enough. */
  readonly failuresInRow: number;
  /** Host crashes since then. */
  readonly crashesInRow: number;
  /** Whether a crash has been counted since the last attempt began. */
  readonly crashed: boolean;
  /** Whether a crash pointed at one of its modules. */
  readonly suspect: boolean;
  /** Since when all contexts have existed; `null` while one is missing. */
  readonly wellSince: number | null;
  /** When the next attempt begins; `null`: none is due. */
  readonly retryAt: number | null;
  /** Why a context was last lost, or could not be opened; `null`: none ever. */
  readonly problem: { readonly module: number; readonly detail: string } | null;
}

/** A context of a car. */
export interface ContextEntry {
  readonly id: number;
  readonly host: number;
  readonly spec: ContextSpec;
  /** `moving`: it is opened when the context that it `replaces` has been destroyed. */
  readonly stage: "moving" | "opening" | "open";
  readonly replaces: number | null;
}

/** A host that has or will have contexts. */
export interface HostEntry {
  readonly id: number;
  /** One for every context, including those being opened or destroyed. */
  readonly tenants: readonly Tenant[];
  /** Unusable places, of contexts that could not be destroyed and keep their threads. */
  readonly blocked: number;
  readonly kind: ContextHostKind;
  /** Started as the own host of a suspect. */
  readonly alone: boolean;
  /** Its contexts were lost: it ends on its own. */
  readonly dead: boolean;
}

/** A place that is taken. */
export interface Tenant {
  readonly context: number;
  readonly car: number;
  /** The car's. */
  readonly name: string;
  /** The context is no longer wanted: the place is free once it has been destroyed. */
  readonly leaving: boolean;
}

/** The environment of a step. */
export interface Environment {
  /** Milliseconds of a monotonic clock. */
  readonly now: number;
  /** Maximum number of contexts per host. */
  readonly contextsPerHost: number;
  /** From 0 up to 1, for the jitter of pauses. */
  readonly random: number;
}

/** Neither cars nor hosts. */
export const NOBODY: SupervisorState = {
  cars: [],
  hosts: [],
  lookAt: null,
  hostsLost: 0,
  nextContext: 1,
  nextHost: 1,
};

/** A set without open contexts. */
export function newModuleSet(
  specs: readonly ContextSpec[],
  unproven: readonly number[] = [],
): ModuleSet {
  return {
    specs,
    contexts: [],
    unproven,
    attempting: false,
    failuresInRow: 0,
    crashesInRow: 0,
    crashed: false,
    suspect: false,
    wellSince: null,
    retryAt: null,
    problem: null,
  };
}

/** Whether a set wants a context with the same specification. */
export function includesSpec(specs: readonly ContextSpec[], spec: ContextSpec): boolean {
  return specs.some((one) => isSameSpec(one, spec));
}

/** Whether all contexts of a set exist. */
export function isComplete({ specs, contexts }: ModuleSet): boolean {
  return contexts.length === specs.length && contexts.every(({ stage }) => stage === "open");
}

/** A car that lacks contexts. */
export interface MissingModules {
  /** Attempts and losses in a row; 0 when contexts are missing as intended. */
  readonly attempts: number;
  /** In milliseconds of the supervisor's clock; `null` while one is in progress. */
  readonly nextAttemptAt: number | null;
  /** What the last attempt failed of; `null`: none has failed. */
  readonly problem: ModuleSet["problem"];
}

/** What a car lacks; `null` when it has all its contexts, or there is no such car. */
export function missingModules({ cars }: SupervisorState, car: string): MissingModules | null {
  const serving = cars.findLast(({ name }) => name === car)?.serving;
  if (serving === undefined || isComplete(serving)) return null;
  const { failuresInRow, retryAt, problem } = serving;
  return { attempts: failuresInRow, nextAttemptAt: retryAt, problem };
}

/** The state with another entry of a car. */
export function withCar(state: SupervisorState, car: CarEntry): SupervisorState {
  return { ...state, cars: replaced(state.cars, car) };
}

/** The entry with a number; lists are in the order of their numbers. */
export function withId<T extends { readonly id: number }>(
  list: readonly T[],
  id: number,
): T | undefined {
  const entry = list[positionOf(list, id)];
  return entry?.id === id ? entry : undefined;
}

/** Replaces the entry with the same number in a list. */
export function replaced<T extends { readonly id: number }>(
  list: readonly T[],
  entry: T,
): readonly T[] {
  const index = positionOf(list, entry.id);
  return list[index]?.id === entry.id ? list.with(index, entry) : list;
}

/** The index of the number, or where it would be. */
function positionOf(list: readonly { readonly id: number }[], id: number): number {
  let low = 0;
  for (let high = list.length; low < high;) {
    const middle = (low + high) >>> 1;
    if ((list[middle]?.id ?? 0) < id) low = middle + 1;
    else high = middle;
  }
  return low;
}
