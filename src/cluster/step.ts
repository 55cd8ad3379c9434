// The core of an instance of a cluster: which cars it claims, serves, hands over and gives up. Pure:
// the store is asked by its driver, and what the store says comes back as inputs.
import type { Effect, Input, StopReason } from "./inputs.ts";
import { betterOwner, claimAt, moveAt, takersOf } from "./placement.ts";
import {
  type CarEntry,
  type ClusterState,
  entryOf,
  type Environment,
  type Member,
  type Ownership,
  withEntry,
} from "./state.ts";

export interface Step {
  readonly state: ClusterState;
  /** To be carried out in this order. */
  readonly effects: readonly Effect[];
}

/** Takes one input. Inputs about unknown cars change nothing. Never throws. */
export function step(state: ClusterState, input: Input, environment: Environment): Step {
  const effects: Effect[] = [];
  const next = transition(state, input, environment, effects);
  return { state: next, effects };
}

/** When a `tick` is due, in milliseconds; `null`: none is needed. */
export function nextDeadline(state: ClusterState, environment: Environment): number | null {
  let deadline = Infinity;
  for (const entry of state.cars) {
    deadline = Math.min(deadline, dueAt(state, entry, environment) ?? Infinity);
  }
  return deadline === Infinity ? null : deadline;
}

function transition(
  state: ClusterState,
  input: Input,
  environment: Environment,
  effects: Effect[],
): ClusterState {
  const { now, settings } = environment;
  switch (input.type) {
    case "configured":
      return act(configure(state, input.cars, now, effects), environment, effects);
    case "joined":
      return act(join(state, input, environment, effects), environment, effects);
    case "store_lost":
      // What is served here stays here: the others cannot take it while the lease is held.
      return { ...state, joined: false };
    case "lease_lost": {
      const cars = state.cars.map((entry) => giveUp(entry, "lease lost", now, effects));
      return { ...state, joined: false, members: [], cars };
    }
    case "members": {
      const next = withMembers(state, input.members, now);
      return act(next, environment, effects);
    }
    case "owner":
      return change(
        state,
        input.car,
        environment,
        effects,
        (entry) => onOwner(entry, input.ownership, environment, effects),
      );
    case "pin":
      return change(state, input.car, environment, effects, (entry) => ({
        ...entry,
        pinnedTo: input.to,
        restUntil: null,
      }));
    case "claim_refused":
      return change(
        state,
        input.car,
        environment,
        effects,
        (entry) => entry.hold?.kind === "claiming" ? { ...entry, hold: null } : entry,
      );
    case "drained":
      return change(state, input.car, environment, effects, (entry) => {
        const { car, hold } = entry;
        if (hold?.kind !== "draining") return entry;
        const { epoch, to } = hold;
        if (!input.exact) {
          effects.push({ type: "release", car, epoch });
          return { ...entry, hold: null, claimAfter: now + settings.avoidMs };
        }
        effects.push({ type: "offer", car, epoch, to });
        return { ...entry, hold: { kind: "offered", epoch, to, since: now } };
      });
    case "not_served":
      return change(state, input.car, environment, effects, (entry) => {
        const { car, hold } = entry;
        if (hold?.kind !== "serving" && hold?.kind !== "draining") return entry;
        if (hold.epoch !== input.epoch) return entry;
        effects.push({ type: "release", car, epoch: hold.epoch });
        return { ...entry, hold: null, claimAfter: now + settings.avoidMs };
      });
    case "unsettled":
      return change(state, input.car, environment, effects, (entry) => ({
        ...entry,
        unsettled: input.unsettled,
      }));
    case "drain":
      return act(
        {
          ...state,
          draining: input.draining,
          cars: state.cars.map((entry) => ({ ...entry, restUntil: null })),
        },
        environment,
        effects,
      );
    case "tick":
      return act(state, environment, effects);
  }
}

/** Changes one car, and does what has become due for it. */
function change(
  state: ClusterState,
  car: string,
  environment: Environment,
  effects: Effect[],
  alter: (entry: CarEntry) => CarEntry,
): ClusterState {
  const entry = entryOf(state, car);
  return entry === undefined ? state : actOn(state, alter(entry), environment, effects);
}

/** Does what is due for every car. */
function act(state: ClusterState, environment: Environment, effects: Effect[]): ClusterState {
  let next = state;
  for (const entry of state.cars) next = actOn(next, entry, environment, effects);
  return next;
}

function actOn(
  state: ClusterState,
  entry: CarEntry,
  environment: Environment,
  effects: Effect[],
): ClusterState {
  const { now, settings } = environment;
  const { car, hold, ownership } = entry;
  const due = dueAt(state, entry, environment);
  if (due === null || due > now) return withEntry(state, entry);
  switch (hold?.kind) {
    case undefined:
      effects.push({ type: "claim", car, expected: ownership });
      return withEntry(state, {
        ...entry,
        hold: { kind: "claiming", since: now, from: ownership },
        // A better candidate has let its time pass: it is not asked at once to take the car.
        restUntil: ownership === null && takersOf(state, entry)[0] !== settings.self
          ? now + settings.restMs
          : null,
      });
    case "claiming":
      // The store did not answer; what it has come to know meanwhile decides.
      return actOn(state, { ...entry, hold: null }, environment, effects);
    case "serving": {
      const to = betterOwner(state, entry, environment);
      if (to === null) return withEntry(state, entry);
      effects.push({ type: "drain_car", car, to });
      const next = withEntry(state, { ...entry, hold: { ...hold, kind: "draining", to } });
      return state.draining || entry.pinnedTo !== null ? next : { ...next, balancedAt: now };
    }
    case "offered":
      // Nobody took it: the next epoch is this instance's again.
      effects.push({ type: "claim", car, expected: ownership });
      return withEntry(state, {
        ...entry,
        hold: { kind: "claiming", since: now, from: ownership },
        restUntil: now + settings.restMs,
      });
    case "draining":
      return withEntry(state, entry);
  }
}

/** When something is to be done for a car; `null`: not as things are. */
function dueAt(state: ClusterState, entry: CarEntry, environment: Environment): number | null {
  const { hold } = entry;
  const { answerMs } = environment.settings;
  switch (hold?.kind) {
    case undefined:
      return claimAt(state, entry, environment);
    case "claiming":
      return state.joined ? hold.since + answerMs : null;
    case "serving": {
      const due = moveAt(state, entry, environment);
      return due === null || betterOwner(state, entry, environment) === null ? null : due;
    }
    case "offered":
      return state.joined ? hold.since + answerMs : null;
    case "draining":
      return null;
  }
}

function onOwner(
  entry: CarEntry,
  ownership: Ownership | null,
  { now, settings: { self } }: Environment,
  effects: Effect[],
): CarEntry {
  const { car, hold } = entry;
  const known = { ...entry, ownership, ownerlessSince: ownership === null ? now : null };
  if (ownership?.owner !== self) {
    if (hold?.kind === "offered" && ownership !== null) return { ...known, hold: null };
    return hold === null || hold.kind === "claiming"
      ? { ...known, hold: null }
      : giveUp(known, "taken by another instance", now, effects);
  }
  if (hold !== null && hold.kind !== "claiming") return known;
  // Nothing was claimed: a release is under way, or was lost.
  if (hold === null) return known;
  // The offer of before, told late: its taker may still take the car.
  if (ownership.to !== null) return { ...known, hold: null };
  // Who offers a car has closed its session exactly, with a checkpoint of that epoch.
  const offered = hold?.from?.to ? hold.from : null;
  const { epoch } = ownership;
  effects.push({
    type: "serve",
    car,
    epoch,
    minEpoch: offered?.epoch ?? 0,
    planned: offered !== null,
  });
  return { ...known, hold: { kind: "serving", epoch: ownership.epoch } };
}

/** Stops to serve a car that is not this instance's any more. */
function giveUp(entry: CarEntry, reason: StopReason, now: number, effects: Effect[]): CarEntry {
  const { car, hold } = entry;
  if (hold === null) return entry;
  if (hold.kind === "serving" || hold.kind === "draining") {
    effects.push({ type: "abandon", car, reason });
  }
  if (reason !== "lease lost") return { ...entry, hold: null };
  return { ...entry, hold: null, ownership: null, ownerlessSince: now, unsettled: false };
}

function withMembers(
  state: ClusterState,
  members: readonly Member[],
  now: number,
): ClusterState {
  const shape = (list: readonly Member[]) =>
    JSON.stringify(list.map(({ id, capacity, draining }) => [id, capacity, draining]));
  const same = shape(state.members) === shape(members);
  return { ...state, members, membersSince: same ? state.membersSince : now };
}

function join(
  state: ClusterState,
  { members, owners, pins }: Input & { readonly type: "joined" },
  environment: Environment,
  effects: Effect[],
): ClusterState {
  const cars = state.cars.map((entry) => {
    const ownership = owners[entry.car] ?? null;
    const pinned = { ...entry, pinnedTo: pins[entry.car] ?? null };
    return isSame(ownership, entry.ownership) && ownership !== null
      ? pinned
      : onOwner(pinned, ownership, environment, effects);
  });
  return { ...withMembers(state, members, environment.now), cars, joined: true };
}

function isSame(one: Ownership | null, other: Ownership | null): boolean {
  return one?.owner === other?.owner && one?.epoch === other?.epoch && one?.to === other?.to;
}

function configure(
  state: ClusterState,
  names: readonly string[],
  now: number,
  effects: Effect[],
): ClusterState {
  const wanted = new Set(names);
  for (const { car, hold } of state.cars) {
    if (wanted.has(car) || hold === null) continue;
    if (hold.kind !== "claiming") {
      if (hold.kind !== "offered") effects.push({ type: "abandon", car, reason: "not configured" });
      effects.push({ type: "release", car, epoch: hold.epoch });
    }
  }
  const cars = [...wanted].sort().map((car): CarEntry =>
    entryOf(state, car) ?? {
      car,
      ownership: null,
      ownerlessSince: now,
      hold: null,
      unsettled: false,
      pinnedTo: null,
      restUntil: null,
      claimAfter: null,
    }
  );
  return { ...state, cars };
}
