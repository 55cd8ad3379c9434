// Quarantine: which contexts may share a host, so that those that may have caused a crash, and
// those on probation, do not take others down.
import type { CarEntry, HostEntry, ModuleSet, SupervisorState, Tenant } from "./state.ts";

/**
 * How far a context is trusted: fully; it was opened beside cars that are served, and has not proved
 * itself (it is on probation); its host has crashed again and again; or a crash pointed at its car.
 */
export type Trust = "trusted" | "unproven" | "doubted" | "suspect";

/** After this long without a loss, a car is trusted again and its backoff starts over; in milliseconds. */
const WELL_MS = 60_000;

/** After this many crashes in a row, a car is doubted and shares hosts only with a few other doubted cars. */
const CRASHES_UNTIL_DOUBTED = 2;
/** After this many crashes in a row, a car is suspect and gets hosts of its own. */
const CRASHES_UNTIL_SUSPECT = 3;

/**
 * Doubted cars per host. When it is not known which car caused a crash, its host is split before
 * each car gets its own: most of those cars are innocent.
 */
const MAX_DOUBTED = 4;

/**
 * Maximum number of hosts with a single suspect: a host costs memory, and all modules may be bad at
 * once. Further suspects share hosts with each other.
 */
const MAX_ALONE = 32;

/**
 * Maximum number of extra hosts: with as many, contexts on probation are placed beside others. Each
 * change of the configuration may leave one host that is nearly empty.
 */
const MAX_SPARE = 32;

/** Whether every context has existed for so long that its history no longer counts. */
export function hasBeenWell({ wellSince }: ModuleSet, now: number): boolean {
  return wellSince !== null && now - wellSince >= WELL_MS;
}

/** How far some modules of a set are trusted. */
export function trustOf(set: ModuleSet, modules: readonly number[], now: number): Trust {
  if (hasBeenWell(set, now)) return "trusted";
  if (set.suspect || set.crashesInRow >= CRASHES_UNTIL_SUSPECT) return "suspect";
  if (set.crashesInRow >= CRASHES_UNTIL_DOUBTED) return "doubted";
  return modules.some((module) => set.unproven.includes(module)) ? "unproven" : "trusted";
}

/** Which hosts contexts may be placed on. All contexts there count, except those that leave. */
export function openTo(
  trust: Trust,
  cars: readonly CarEntry[],
  now: number,
): (host: HostEntry) => boolean {
  const trustOfContexts = distrusted(cars, now);
  const isInnocent = (kind: Trust) => kind === "trusted" || kind === "unproven";
  const fits = isInnocent(trust)
    ? (kind: Trust) => kind === trust
    : (kind: Trust) => !isInnocent(kind);
  return ({ dead, alone, tenants }) => {
    if (dead || alone && !isInnocent(trust)) return false;
    let stay = 0;
    for (const { context, leaving } of tenants) {
      if (leaving) continue;
      stay++;
      if (!fits(trustOfContexts.get(context) ?? "trusted")) return false;
    }
    return stay > 0 && (trust !== "doubted" || carsOf(tenants).length < MAX_DOUBTED);
  };
}

/** How many hosts would suffice for all places that are taken. */
export function hostsNeeded(
  hosts: readonly HostEntry[],
  taken: (host: HostEntry) => number,
  contextsPerHost: number,
): number {
  let needed = 0;
  for (const kind of ["server", "script"] as const) {
    let places = 0;
    for (const host of hosts) if (host.kind === kind) places += taken(host);
    needed += Math.ceil(places / contextsPerHost);
  }
  return needed;
}

/** Whether contexts on probation may have hosts of their own. */
export function mayTakeSpareHost({ hosts }: SupervisorState, contextsPerHost: number): boolean {
  const taken = ({ tenants, blocked }: HostEntry) =>
    Math.min(contextsPerHost, tenants.length + blocked);
  return hosts.length - hostsNeeded(hosts, taken, contextsPerHost) < MAX_SPARE;
}

/** Whether a suspect may have `count` more hosts of its own. */
export function mayLiveAlone(
  count: number,
  { cars, hosts }: SupervisorState,
  now: number,
): boolean {
  const trustOfContexts = distrusted(cars, now);
  const alone = hosts.filter((host) =>
    host.alone && host.tenants.some(({ context }) => trustOfContexts.get(context) === "suspect")
  );
  return alone.length + count <= MAX_ALONE;
}

/** The names of the cars that have these places. */
export function carsOf(tenants: readonly Tenant[]): string[] {
  return [...new Set(tenants.map(({ name }) => name))];
}

/** Every context that is not fully trusted, and how far it is. */
function distrusted(cars: readonly CarEntry[], now: number): Map<number, Trust> {
  const trustOfContexts = new Map<number, Trust>();
  const look = (set: ModuleSet) => {
    if (!set.suspect && set.crashesInRow === 0 && set.unproven.length === 0) return;
    for (const { id, spec } of set.contexts) {
      const trust = trustOf(set, [spec.module], now);
      if (trust !== "trusted") trustOfContexts.set(id, trust);
    }
  };
  for (const { serving, coming } of cars) {
    look(serving);
    if (coming !== null) look(coming);
  }
  return trustOfContexts;
}
