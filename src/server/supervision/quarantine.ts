// With whom a context may share a host. Whoever may be why a host crashed does not take along those
// who have nothing to do with it, and neither does what has not proved itself.
import type { CarEntry, HostEntry, ModuleSet, SupervisorState, Tenant } from "./state.ts";

/**
 * What a context has to do with crashes: nothing; it was opened beside cars that are served, and has
 * not proved itself; maybe something, since its host crashed again and again; or a crash pointed at
 * its car.
 */
export type Standing = "trusted" | "unproven" | "doubted" | "suspect";

/** After so long without a loss, in milliseconds, a car is trusted and its pauses start over. */
export const WELL_MS = 60_000;

/** Crashes in a row from which on a car is doubted, and shares hosts with a few of its like only. */
const CRASHES_UNTIL_DOUBTED = 2;
/** Crashes in a row from which on a car is suspect, and gets hosts of its own: it takes nobody along. */
const CRASHES_UNTIL_SUSPECT = 3;

/**
 * Doubted cars that share a host. Hosts in which nobody knows who crashed are divided before each
 * car gets its own: most of those cars have done nothing.
 */
const MAX_DOUBTED = 4;

/**
 * Hosts that one suspect each has for itself; a host costs memory, and all modules may be bad at
 * once. Further suspects share hosts with each other.
 */
const MAX_ALONE = 32;

/**
 * Hosts more than all contexts would need: with as many, what has not proved itself is put beside
 * others all the same. Each change of the configuration may leave one that is nearly empty.
 */
const MAX_SPARE = 32;

/** Whether every context has been there for so long that its history does not count any more. */
export function hasBeenWell({ wellSince }: ModuleSet, now: number): boolean {
  return wellSince !== null && now - wellSince >= WELL_MS;
}

/** The standing of some modules of a set. */
export function standingOf(set: ModuleSet, modules: readonly number[], now: number): Standing {
  if (hasBeenWell(set, now)) return "trusted";
  if (set.suspect || set.crashesInRow >= CRASHES_UNTIL_SUSPECT) return "suspect";
  if (set.crashesInRow >= CRASHES_UNTIL_DOUBTED) return "doubted";
  return modules.some((module) => set.unproven.includes(module)) ? "unproven" : "trusted";
}

/** Says which hosts somebody may move into. Everybody there counts but those who leave. */
export function openTo(
  standing: Standing,
  cars: readonly CarEntry[],
  now: number,
): (host: HostEntry) => boolean {
  const standings = distrusted(cars, now);
  const isInnocent = (kind: Standing) => kind === "trusted" || kind === "unproven";
  const fits = isInnocent(standing)
    ? (kind: Standing) => kind === standing
    : (kind: Standing) => !isInnocent(kind);
  return ({ dead, alone, tenants }) => {
    if (dead || alone && !isInnocent(standing)) return false;
    let stay = 0;
    for (const { context, leaving } of tenants) {
      if (leaving) continue;
      stay++;
      if (!fits(standings.get(context) ?? "trusted")) return false;
    }
    return stay > 0 && (standing !== "doubted" || carsOf(tenants).length < MAX_DOUBTED);
  };
}

/** Whether what has not proved itself may have hosts apart from others. */
export function mayStayApart({ hosts }: SupervisorState, contextsPerHost: number): boolean {
  const taken = ({ tenants, blocked }: HostEntry) =>
    Math.min(contextsPerHost, tenants.length + blocked);
  const places = hosts.reduce((sum, host) => sum + taken(host), 0);
  return hosts.length - Math.ceil(places / contextsPerHost) < MAX_SPARE;
}

/** Whether a suspect may have so many more hosts for itself. */
export function mayLiveAlone(
  count: number,
  { cars, hosts }: SupervisorState,
  now: number,
): boolean {
  const standings = distrusted(cars, now);
  const alone = hosts.filter((host) =>
    host.alone && host.tenants.some(({ context }) => standings.get(context) === "suspect")
  );
  return alone.length + count <= MAX_ALONE;
}

/** The names of the cars that have these places. */
export function carsOf(tenants: readonly Tenant[]): string[] {
  return [...new Set(tenants.map(({ name }) => name))];
}

/** The standing of every context that is not trusted. */
function distrusted(cars: readonly CarEntry[], now: number): Map<number, Standing> {
  const standings = new Map<number, Standing>();
  const look = (set: ModuleSet) => {
    if (!set.suspect && set.crashesInRow === 0 && set.unproven.length === 0) return;
    for (const { id, spec } of set.contexts) {
      const standing = standingOf(set, [spec.module], now);
      if (standing !== "trusted") standings.set(id, standing);
    }
  };
  for (const { serving, coming } of cars) {
    look(serving);
    if (coming !== null) look(coming);
  }
  return standings;
}
