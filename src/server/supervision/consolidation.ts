// Consolidates hosts: moves contexts together while their cars have no session. Quarantine and
// changes of the configuration leave hosts that are nearly empty, and a context cannot be moved,
// only destroyed and made again elsewhere.
import { placeContexts } from "./placement.ts";
import { freePlaces } from "./places.ts";
import { hostsNeeded, openTo } from "./quarantine.ts";
import { type Environment, type HostEntry, type SupervisorState, withId } from "./state.ts";

/**
 * A host is emptied when all its cars have had all their contexts and no session for this long, in
 * milliseconds.
 */
const IDLE_MS = 5 * 60_000;

/** A host that can be emptied. */
export interface Emptying {
  readonly host: number;
  /** Where contexts go, by the context. */
  readonly targets: ReadonlyMap<number, number>;
}

export interface Look {
  readonly emptying: Emptying | null;
  /** When to look again, in milliseconds; `null`: when a car has become idle. */
  readonly lookAt: number | null;
}

/**
 * A car has become idle: schedules a look at the hosts. Looking costs too much to do it with every
 * input, and there is no hurry.
 */
export function lookLater(
  state: SupervisorState,
  { now, contextsPerHost }: Environment,
): SupervisorState {
  if (state.lookAt !== null || !hasTooMany(state.hosts, contextsPerHost)) return state;
  return { ...state, lookAt: now + IDLE_MS };
}

/** Finds the host with the fewest contexts that can be emptied now. */
export function look(state: SupervisorState, { now, contextsPerHost }: Environment): Look {
  const { hosts, cars } = state;
  if (!hasTooMany(hosts, contextsPerHost)) return { emptying: null, lookAt: null };
  const candidates = hosts.flatMap((host) => {
    const from = idleFrom(host, state);
    return from === null ? [] : [{ host, from }];
  });
  const later = candidates.map(({ from }) => from).filter((from) => from > now);
  const lookAt = later.length > 0 ? Math.min(...later) : null;
  const isOpen = openTo("trusted", cars, now);
  const spaces = hosts.filter(isOpen)
    .map((host) => ({ id: host.id, kind: host.kind, free: freePlaces(host, contextsPerHost) }));
  const idle = candidates.filter(({ from }) => from <= now)
    .sort((one, other) => one.host.tenants.length - other.host.tenants.length);
  for (const { host } of idle) {
    const others = spaces.filter(({ id, kind }) => id !== host.id && kind === host.kind);
    const targets = targetsOf(host, others, contextsPerHost);
    if (targets !== null) return { emptying: { host: host.id, targets }, lookAt };
  }
  return { emptying: null, lookAt };
}

/** Whether fewer hosts would suffice for all contexts. */
export function hasTooMany(hosts: readonly HostEntry[], contextsPerHost: number): boolean {
  return hosts.length > hostsNeeded(hosts, ({ tenants }) => tenants.length, contextsPerHost);
}

/** When a host may be emptied; `null`: not in its current state. */
function idleFrom({ dead, tenants }: HostEntry, { cars }: SupervisorState): number | null {
  if (dead) return null;
  let from = 0;
  for (const { car: id, leaving } of tenants) {
    const car = leaving ? undefined : withId(cars, id);
    if (car === undefined || car.coming !== null || car.idleSince === null) return null;
    const { wellSince } = car.serving;
    if (wellSince === null) return null;
    from = Math.max(from, car.idleSince + IDLE_MS, wellSince + IDLE_MS);
  }
  return from;
}

/** Where the contexts of a host have room, each car's together; `null`: not all of them have. */
function targetsOf(
  { tenants }: HostEntry,
  spaces: readonly { readonly id: number; readonly free: number }[],
  contextsPerHost: number,
): Emptying["targets"] | null {
  let left = spaces;
  const targets = new Map<number, number>();
  for (const car of new Set(tenants.map(({ car }) => car))) {
    const contexts = tenants.filter((tenant) => tenant.car === car);
    const [share] = placeContexts(contexts.length, left, contextsPerHost);
    if (share === undefined || share.host === null) return null;
    const { host, count } = share;
    left = left.map(({ id, free }) => ({ id, free: id === host ? free - count : free }));
    for (const { context } of contexts) targets.set(context, host);
  }
  return targets;
}
