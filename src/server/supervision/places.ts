// Places on hosts: takes and frees them, starts hosts for the first context, and stops them after
// the last.
import type { ContextHostKind } from "../../module/mod.ts";
import { placeContexts } from "./placement.ts";
import { carsOf, mayLiveAlone, openTo, type Trust } from "./quarantine.ts";
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

/** Contexts that a host of one kind can have. */
export interface Wanted {
  readonly contexts: readonly number[];
  readonly kind: ContextHostKind;
}

/**
 * Finds hosts for contexts of a car, together as far as they fit; starts hosts where there is no
 * room.
 *
 * A suspect car gets hosts of its own, or shares with other suspects when there are too many such
 * hosts. Doubted cars share with a few other doubted cars.
 *
 * @returns the host of each context
 */
export function reserve(
  state: SupervisorState,
  car: CarEntry,
  { contexts, kind }: Wanted,
  trust: Trust,
  { now, contextsPerHost }: Environment,
  effects: SupervisorEffect[],
): readonly [SupervisorState, readonly number[]] {
  const count = contexts.length;
  const alone = trust === "suspect" &&
    mayLiveAlone(Math.ceil(count / contextsPerHost), state, now);
  const isOpen = openTo(trust, state.cars, now);
  const spaces = state.hosts
    .map((host) => ({ id: host.id, host, free: freePlaces(host, contextsPerHost) }))
    .filter(({ free, host }) => !alone && host.kind === kind && free > 0 && isOpen(host));
  let { hosts, nextHost } = state;
  const chosen: number[] = [];
  for (const share of placeContexts(count, spaces, contextsPerHost)) {
    const id = share.host ?? nextHost++;
    const tenants = contexts.slice(chosen.length, chosen.length + share.count)
      .map((context) => tenantOf(car, context));
    if (share.host === null) {
      effects.push({ type: "start_host", host: id, kind });
      hosts = [...hosts, { id, tenants, blocked: 0, kind, alone, dead: false }];
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

/** The number of free places of a host. */
export function freePlaces({ tenants, blocked }: HostEntry, contextsPerHost: number): number {
  return contextsPerHost - tenants.length - blocked;
}

/** Frees a place; stops the host after the last. */
export function release(
  state: SupervisorState,
  { host: id, context }: { readonly host: number; readonly context: number },
  effects: SupervisorEffect[],
): SupervisorState {
  const host = hostOf(state, id);
  if (host === undefined) return state;
  const tenants = host.tenants.filter((tenant) => tenant.context !== context);
  // A host whose contexts were lost ends on its own, and is counted then.
  if (tenants.length > 0 || host.dead) {
    return { ...state, hosts: replaced(state.hosts, { ...host, tenants }) };
  }
  effects.push({ type: "stop_host", host: id });
  return { ...state, hosts: state.hosts.filter((one) => one !== host) };
}

/** Marks the context of a place as no longer wanted. */
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

/** Marks a host that has lost its contexts: it gets no others. */
export function markDead(state: SupervisorState, id: number): SupervisorState {
  const host = hostOf(state, id);
  if (host === undefined || host.dead) return state;
  return { ...state, hosts: replaced(state.hosts, { ...host, dead: true }) };
}

/** A host's process has ended. */
export function onHostGone(
  state: SupervisorState,
  id: number,
  reason: string,
  effects: SupervisorEffect[],
): SupervisorState {
  const host = hostOf(state, id);
  // It was stopped.
  if (host === undefined) return state;
  // Lost contexts have been reported already.
  if (host.tenants.length > 0) {
    const text = `${describeHost(host)} is gone: ${reason}`;
    effects.push({ type: "log", level: "error", car: null, module: null, text });
  }
  const hosts = state.hosts.filter((one) => one !== host);
  return { ...state, hosts, hostsLost: state.hostsLost + 1 };
}

/** Sets the number of unusable places of a host. */
export function onBlocked(
  state: SupervisorState,
  id: number,
  blocked: number,
): SupervisorState {
  const host = hostOf(state, id);
  if (host === undefined) return state;
  return { ...state, hosts: replaced(state.hosts, { ...host, blocked }) };
}

/** Stops every host; no car wants contexts now. */
export function stopAll(state: SupervisorState, effects: SupervisorEffect[]): SupervisorState {
  for (const { id } of state.hosts) effects.push({ type: "stop_host", host: id });
  return { ...state, cars: [], hosts: [] };
}

/** The host with that number; undefined when it never had contexts. */
export function hostOf(state: SupervisorState, id: number): HostEntry | undefined {
  return withId(state.hosts, id);
}

/** A host's display name: its number and its cars. */
export function describeHost({ id, tenants }: Pick<HostEntry, "id" | "tenants">): string {
  const cars = carsOf(tenants);
  if (cars.length === 0) return `Module host ${id}`;
  const more = cars.length > 3 ? ` and ${cars.length - 3} more` : "";
  return `Module host ${id} (${cars.slice(0, 3).join(", ")}${more})`;
}
