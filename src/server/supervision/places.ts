// The hosts' side of the supervisor: places are taken and given back, hosts started for the first and
// stopped after the last.
import { placeContexts } from "./placement.ts";
import { carsOf, mayLiveAlone, openTo, type Standing } from "./quarantine.ts";
import type { SupervisorEffect } from "./effects.ts";
import {
  type CarEntry,
  type Environment,
  type HostEntry,
  replaced,
  type SupervisorState,
  type Tenant,
  withId,
} from "./state.ts";

/**
 * Finds hosts for contexts of a car, together as far as they fit; starts hosts where there is no room.
 *
 * While it is suspect, nobody who is trusted is taken along: it gets hosts of its own, or shares with
 * its like when too many have that. Doubted cars share with a few of their like.
 *
 * @returns The host of each context.
 */
export function reserve(
  state: SupervisorState,
  car: CarEntry,
  contexts: readonly number[],
  standing: Standing,
  { now, contextsPerHost }: Environment,
  effects: SupervisorEffect[],
): readonly [SupervisorState, readonly number[]] {
  const count = contexts.length;
  const alone = standing === "suspect" &&
    mayLiveAlone(Math.ceil(count / contextsPerHost), state, now);
  const isOpen = openTo(standing, state.cars, now);
  const spaces = state.hosts
    .map((host) => ({ id: host.id, host, free: freePlaces(host, contextsPerHost) }))
    .filter(({ free, host }) => !alone && free > 0 && isOpen(host));
  let { hosts, nextHost } = state;
  const chosen: number[] = [];
  for (const share of placeContexts(count, spaces, contextsPerHost)) {
    const id = share.host ?? nextHost++;
    const tenants = contexts.slice(chosen.length, chosen.length + share.count)
      .map((context) => tenantOf(car, context));
    if (share.host === null) {
      effects.push({ type: "start_host", host: id });
      hosts = [...hosts, { id, tenants, blocked: 0, alone, dead: false }];
    } else {
      hosts = moveIn(hosts, id, tenants);
    }
    for (const _ of tenants) chosen.push(id);
  }
  return [{ ...state, hosts, nextHost }, chosen];
}

/** A place of a car. */
export function tenantOf({ id, name }: CarEntry, context: number): Tenant {
  return { context, car: id, name, leaving: false };
}

/** Takes places of a host. */
export function moveIn(
  hosts: readonly HostEntry[],
  id: number,
  tenants: readonly Tenant[],
): readonly HostEntry[] {
  const host = withId(hosts, id);
  if (host === undefined) return hosts;
  return replaced(hosts, { ...host, tenants: [...host.tenants, ...tenants] });
}

/** How many more contexts a host takes. */
export function freePlaces({ tenants, blocked }: HostEntry, contextsPerHost: number): number {
  return contextsPerHost - tenants.length - blocked;
}

/** Gives a place back; the last one to leave stops the host. */
export function release(
  state: SupervisorState,
  { host: id, context }: { readonly host: number; readonly context: number },
  effects: SupervisorEffect[],
): SupervisorState {
  const host = hostOf(state, id);
  if (host === undefined) return state;
  const tenants = host.tenants.filter((tenant) => tenant.context !== context);
  // One whose contexts were lost ends by itself, and is counted then.
  if (tenants.length > 0 || host.dead) {
    return { ...state, hosts: replaced(state.hosts, { ...host, tenants }) };
  }
  effects.push({ type: "stop_host", host: id });
  return { ...state, hosts: state.hosts.filter((one) => one !== host) };
}

/** The context of a place is not wanted any more. */
export function leave(
  state: SupervisorState,
  { host: id, context }: { readonly host: number; readonly context: number },
): SupervisorState {
  const host = hostOf(state, id);
  if (host === undefined) return state;
  const tenants = host.tenants.map((tenant) =>
    tenant.context === context ? { ...tenant, leaving: true } : tenant
  );
  return { ...state, hosts: replaced(state.hosts, { ...host, tenants }) };
}

/** A host has lost its contexts, and takes no others. */
export function markDead(state: SupervisorState, id: number): SupervisorState {
  const host = hostOf(state, id);
  if (host === undefined || host.dead) return state;
  return { ...state, hosts: replaced(state.hosts, { ...host, dead: true }) };
}

/** A host's process is gone. */
export function onHostGone(
  state: SupervisorState,
  id: number,
  reason: string,
  effects: SupervisorEffect[],
): SupervisorState {
  const host = hostOf(state, id);
  // It was stopped.
  if (host === undefined) return state;
  // Those whose contexts were lost have said so.
  if (host.tenants.length > 0) {
    const text = `${describeHost(host)} is gone: ${reason}`;
    effects.push({ type: "log", level: "error", car: null, module: null, text });
  }
  const hosts = state.hosts.filter((one) => one !== host);
  return { ...state, hosts, hostsLost: state.hostsLost + 1 };
}

/** Places of a host can be used no more, or again. */
export function onBlocked(
  state: SupervisorState,
  id: number,
  blocked: number,
): SupervisorState {
  const host = hostOf(state, id);
  if (host === undefined) return state;
  return { ...state, hosts: replaced(state.hosts, { ...host, blocked }) };
}

/** Stops every host; no car wants contexts any more. */
export function stopAll(state: SupervisorState, effects: SupervisorEffect[]): SupervisorState {
  for (const { id } of state.hosts) effects.push({ type: "stop_host", host: id });
  return { ...state, cars: [], hosts: [] };
}

/** The host of that number, while somebody has or had contexts there. */
export function hostOf(state: SupervisorState, id: number): HostEntry | undefined {
  return withId(state.hosts, id);
}

/** A host for people: its number and the cars that have contexts there. */
export function describeHost({ id, tenants }: Pick<HostEntry, "id" | "tenants">): string {
  const cars = carsOf(tenants);
  if (cars.length === 0) return `Module host ${id}`;
  const more = cars.length > 3 ? ` and ${cars.length - 3} more` : "";
  return `Module host ${id} (${cars.slice(0, 3).join(", ")}${more})`;
}
