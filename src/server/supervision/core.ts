// The supervisor's core: keeps the module contexts of every car alive as one pure transition
// function. An input and its environment go in, the next state and a list of effects come out. It
// starts no process, calls no module and sets no timer.
import { attempt, onFailed, onLost, onOpened } from "./attempts.ts";
import { hasTooMany, look, lookLater } from "./consolidation.ts";
import type { SupervisorEffect, SupervisorInput } from "./effects.ts";
import { abandon, empty, onDestroyed, takeOver } from "./moves.ts";
import { onBlocked, onHostGone, stopAll } from "./places.ts";
import {
  type CarEntry,
  type Environment,
  includesSpec,
  newModuleSet,
  type SupervisorState,
  withCar,
  withId,
} from "./state.ts";

export interface SupervisorStep {
  readonly state: SupervisorState;
  /** To be carried out in this order. */
  readonly effects: readonly SupervisorEffect[];
}

/** Takes one input. Inputs about unknown contexts or hosts change nothing. Never throws. */
export function step(
  state: SupervisorState,
  input: SupervisorInput,
  environment: Environment,
): SupervisorStep {
  const effects: SupervisorEffect[] = [];
  return { state: transition(state, input, environment, effects), effects };
}

/** When a `tick` is due, in milliseconds; `null`: none is needed. */
export function nextDeadline(state: SupervisorState, contextsPerHost: number): number | null {
  let deadline = hasTooMany(state.hosts, contextsPerHost) ? state.lookAt : null;
  for (const { serving: { retryAt } } of state.cars) {
    if (retryAt !== null && retryAt < (deadline ?? Infinity)) deadline = retryAt;
  }
  return deadline;
}

function transition(
  state: SupervisorState,
  input: SupervisorInput,
  environment: Environment,
  effects: SupervisorEffect[],
): SupervisorState {
  switch (input.type) {
    case "add": {
      const { car: id, name, specs, unproven } = input;
      const modules = unproven ? specs.map(({ module }) => module) : [];
      const serving = newModuleSet(specs, modules);
      const car: CarEntry = { id, name, idleSince: environment.now, serving, coming: null };
      const next = { ...state, cars: [...state.cars, car] };
      return attempt(next, car, "serving", environment, effects);
    }
    case "prepare": {
      const car = withId(state.cars, input.car);
      if (car === undefined) return state;
      const { specs } = input;
      const modules = specs.filter((spec) => !includesSpec(car.serving.specs, spec))
        .map(({ module }) => module);
      const prepared: CarEntry = { ...car, coming: newModuleSet(specs, modules) };
      return attempt(withCar(state, prepared), prepared, "coming", environment, effects);
    }
    case "take_over":
      return takeOver(state, input.car, environment, effects);
    case "give_up": {
      const car = withId(state.cars, input.car);
      if (car === undefined || car.coming === null) return state;
      const next = withCar(state, { ...car, coming: null });
      return abandon(next, car.id, car.coming.contexts, effects);
    }
    case "session": {
      const car = withId(state.cars, input.car);
      if (car === undefined) return state;
      const idleSince = input.active ? null : environment.now;
      const next = withCar(state, { ...car, idleSince });
      return input.active ? next : lookLater(next, environment);
    }
    case "remove": {
      const car = withId(state.cars, input.car);
      if (car === undefined) return state;
      const next = { ...state, cars: state.cars.filter((one) => one !== car) };
      const contexts = [...car.serving.contexts, ...car.coming?.contexts ?? []];
      return abandon(next, car.id, contexts, effects);
    }
    case "opened":
      return onOpened(state, input, environment, effects);
    case "failed":
      return onFailed(state, input, environment, effects);
    case "lost":
      return onLost(state, input, environment, effects);
    case "destroyed":
      return lookLater(onDestroyed(state, input, effects), environment);
    case "host_gone":
      return onHostGone(state, input.host, input.reason, effects);
    case "blocked":
      return onBlocked(state, input.host, input.count);
    case "tick":
      return onTick(state, environment, effects);
    case "stop":
      return stopAll(state, effects);
  }
}

function onTick(
  state: SupervisorState,
  environment: Environment,
  effects: SupervisorEffect[],
): SupervisorState {
  let next = state;
  for (const { id, serving: { retryAt } } of state.cars) {
    if (retryAt === null || retryAt > environment.now) continue;
    const car = withId(next.cars, id);
    if (car === undefined) continue;
    const due: CarEntry = { ...car, serving: { ...car.serving, retryAt: null } };
    next = attempt(withCar(next, due), due, "serving", environment, effects);
  }
  if (next.lookAt === null || next.lookAt > environment.now) return next;
  const { emptying, lookAt } = look(next, environment);
  const looked = { ...next, lookAt };
  return emptying === null ? looked : empty(looked, emptying, effects);
}
