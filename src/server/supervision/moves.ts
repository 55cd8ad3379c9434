// Replaces contexts: with those of another configuration, or with the same ones on another host.
import { afterAttempt, forgiven } from "./attempts.ts";
import type { Emptying } from "./consolidation.ts";
import type { SupervisorEffect, SupervisorInput } from "./effects.ts";
import { hostOf, leave, moveIn, release, tenantOf } from "./places.ts";
import { hasBeenWell } from "./quarantine.ts";
import {
  type ContextEntry,
  type Environment,
  includesSpec,
  type ModuleSet,
  replaced,
  type SupervisorState,
  withCar,
  withId,
} from "./state.ts";

export function takeOver(
  state: SupervisorState,
  id: number,
  environment: Environment,
  effects: SupervisorEffect[],
): SupervisorState {
  const car = withId(state.cars, id);
  if (car === undefined || car.coming === null) return state;
  const { serving, coming } = car;
  const isKept = ({ spec }: ContextEntry) => includesSpec(coming.specs, spec);
  const contexts = [...coming.contexts, ...serving.contexts.filter(isKept)]
    .sort((one, other) => one.id - other.id);
  // What has proved itself before it took over need not do so again.
  const past = hasBeenWell(coming, environment.now) ? forgiven(coming) : coming;
  const set: ModuleSet = { ...past, contexts, attempting: true };
  const next = withCar(state, { ...car, serving: set, coming: null });
  for (const context of contexts) {
    if (context.stage === "open") effects.push({ type: "attach", car: id, context: context.id });
  }
  const left = abandon(next, id, serving.contexts.filter((one) => !isKept(one)), effects);
  return afterAttempt(left, id, "serving", environment, effects);
}

/** Destroys contexts that are no longer wanted, once they have been opened. */
export function abandon(
  state: SupervisorState,
  car: number,
  contexts: readonly ContextEntry[],
  effects: SupervisorEffect[],
): SupervisorState {
  let next = state;
  for (const { id: context, host, stage } of contexts) {
    next = stage === "moving"
      ? release(next, { context, host }, effects)
      : leave(next, { context, host });
    if (stage === "open") effects.push({ type: "destroy", car, context, host });
  }
  return next;
}

/** Moves every context of a host to others; the host ends when the last one has left. */
export function empty(
  state: SupervisorState,
  { host: id, targets }: Emptying,
  effects: SupervisorEffect[],
): SupervisorState {
  const cars = new Set(hostOf(state, id)?.tenants.map(({ car }) => car));
  let next = state;
  for (const car of cars) next = move(next, car, targets, effects);
  return next;
}

/** Moves contexts of a car to other hosts: destroyed first, then opened there. */
function move(
  state: SupervisorState,
  id: number,
  targets: ReadonlyMap<number, number>,
  effects: SupervisorEffect[],
): SupervisorState {
  const car = withId(state.cars, id);
  if (car === undefined) return state;
  const { serving, name } = car;
  const [staying, leaving] = partition(serving.contexts, (one) => !targets.has(one.id));
  const detail = "Its modules move to another host";
  effects.push({ type: "release", car: id, detail });
  for (const { id: context } of staying) effects.push({ type: "attach", car: id, context });
  const text = "Moves to a module host that has room, as it has no session";
  effects.push({ type: "log", level: "info", car: name, module: null, text });
  let { hosts, nextContext } = state;
  const moving = leaving.map(({ id: replaces, spec }): ContextEntry => {
    const host = targets.get(replaces) ?? 0;
    hosts = moveIn(hosts, host, [tenantOf(car, nextContext)]);
    return { id: nextContext++, host, spec, stage: "moving", replaces };
  });
  const set: ModuleSet = {
    ...forgiven(serving),
    contexts: [...staying, ...moving],
    attempting: true,
    wellSince: null,
  };
  const next = withCar({ ...state, hosts, nextContext }, { ...car, serving: set });
  return abandon(next, id, leaving, effects);
}

/** A place is free: opens the context that was waiting for it. */
export function onDestroyed(
  state: SupervisorState,
  input: SupervisorInput & { type: "destroyed" },
  effects: SupervisorEffect[],
): SupervisorState {
  const next = release(state, input, effects);
  const car = withId(next.cars, input.car);
  const moving = car?.serving.contexts.find(({ stage, replaces }) =>
    stage === "moving" && replaces === input.context
  );
  if (car === undefined || moving === undefined) return next;
  const { id: context, host, spec } = moving;
  effects.push({ type: "open", car: car.id, context, host, spec });
  const opening: ContextEntry = { ...moving, stage: "opening" };
  const contexts = replaced(car.serving.contexts, opening);
  return withCar(next, { ...car, serving: { ...car.serving, contexts } });
}

function partition<T>(list: readonly T[], test: (entry: T) => boolean): [T[], T[]] {
  return [list.filter(test), list.filter((entry) => !test(entry))];
}
