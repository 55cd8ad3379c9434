// The supervisor's core: keeps the module contexts of every car alive as one pure transition function.
// An input and its environment go in, the next state and a list of effects come out. It starts no
// process, calls no module and sets no timer.
import { pauseMs } from "../time/mod.ts";
import { hasBeenWell, mayStayApart, standingOf } from "./quarantine.ts";
import type { ContextInput, SupervisorEffect, SupervisorInput } from "./supervisor_effects.ts";
import {
  leave,
  markDead,
  onBlocked,
  onHostGone,
  release,
  reserve,
  stopAll,
} from "./supervisor_hosts.ts";
import {
  type CarEntry,
  type ContextEntry,
  type Environment,
  includesSpec,
  isComplete,
  type ModuleSet,
  newModuleSet,
  replaced,
  type SupervisorState,
  withId,
} from "./supervisor_state.ts";

/** Pauses between attempts; the very first new attempt is made at once. */
const PAUSES = { firstMs: 1000, maxMs: 60_000 } as const;

/** Which contexts of a car. */
type SetName = "serving" | "coming";

/** What one input leads to. */
export interface SupervisorStep {
  readonly state: SupervisorState;
  /** To be carried out in this order. */
  readonly effects: readonly SupervisorEffect[];
}

/** Takes one input. Inputs about what is not known any more change nothing. Never throws. */
export function step(
  state: SupervisorState,
  input: SupervisorInput,
  environment: Environment,
): SupervisorStep {
  const effects: SupervisorEffect[] = [];
  return { state: transition(state, input, environment, effects), effects };
}

/** When a `tick` is due, in milliseconds; `null`: nothing waits for time to pass. */
export function nextDeadline({ cars }: SupervisorState): number | null {
  let deadline: number | null = null;
  for (const { serving: { retryAt } } of cars) {
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
      const car: CarEntry = { id, name, serving: newModuleSet(specs, modules), coming: null };
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
      return release(state, input, effects);
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

/** Opens the contexts that a set lacks, all at once. */
function attempt(
  state: SupervisorState,
  car: CarEntry,
  setName: SetName,
  environment: Environment,
  effects: SupervisorEffect[],
): SupervisorState {
  const wanted = car[setName];
  if (wanted === null) return state;
  const apart = wanted.unproven.length > 0 && mayStayApart(state, environment.contextsPerHost);
  const set = apart ? wanted : { ...wanted, unproven: [] };
  // What serves the car already is taken over.
  const alike = setName === "coming" ? car.serving.specs : [];
  const lacking = set.specs.filter((spec) =>
    !set.contexts.some((context) => context.spec.module === spec.module) &&
    !includesSpec(alike, spec)
  );
  const standing = standingOf(set, lacking.map(({ module }) => module), environment.now);
  const ids = lacking.map((_, index) => state.nextContext + index);
  const [placed, hosts] = reserve(state, car, ids, standing, environment, effects);
  const opening = lacking.map((spec, index): ContextEntry => {
    const [id = 0, host = 0] = [ids[index], hosts[index]];
    effects.push({ type: "open", car: car.id, context: id, host, spec });
    return { id, host, spec, stage: "opening" };
  });
  const contexts = [...set.contexts, ...opening];
  const attempting = { ...set, contexts, crashed: false, attempting: true };
  const next = withCar(
    { ...placed, nextContext: state.nextContext + ids.length },
    { ...car, [setName]: attempting },
  );
  return afterAttempt(next, car.id, setName, environment, effects);
}

/** Once each context has been tried: the car is told, or there will be another attempt. */
function afterAttempt(
  state: SupervisorState,
  id: number,
  setName: SetName,
  { now, random }: Environment,
  effects: SupervisorEffect[],
): SupervisorState {
  const car = withId(state.cars, id);
  const set = car?.[setName];
  if (car === undefined || !set?.attempting) return state;
  if (set.contexts.some(({ stage }) => stage === "opening")) return state;
  const tried: ModuleSet = { ...set, attempting: false };
  const next = isComplete(tried)
    ? well(car, setName, tried, now, effects)
    : retry(car, setName, tried, now, random, effects);
  return withCar(state, { ...car, [setName]: next });
}

/** Every context is there. */
function well(
  { id }: CarEntry,
  setName: SetName,
  set: ModuleSet,
  now: number,
  effects: SupervisorEffect[],
): ModuleSet {
  if (setName === "serving") effects.push({ type: "ready", car: id });
  return { ...set, wellSince: now };
}

/** What lacks is opened at once the first time, and after a growing pause when it goes on. */
function retry(
  { name }: CarEntry,
  setName: SetName,
  set: ModuleSet,
  now: number,
  random: number,
  effects: SupervisorEffect[],
): ModuleSet {
  // Nobody waits for those who have not taken over.
  if (set.attempting || set.retryAt !== null || setName === "coming") return set;
  const failuresInRow = set.failuresInRow + 1;
  const pause = failuresInRow === 1 ? 0 : pauseMs(failuresInRow - 2, PAUSES, random);
  if (failuresInRow > 1) {
    const seconds = (pause / 1000).toFixed(1);
    const text = `Modules failed ${failuresInRow} times in a row, next attempt in ${seconds} s`;
    effects.push({ type: "log", level: "critical", car: name, module: null, text });
  }
  return { ...set, failuresInRow, retryAt: now + pause };
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
  return next;
}

function onOpened(
  state: SupervisorState,
  input: SupervisorInput & { type: "opened" },
  environment: Environment,
  effects: SupervisorEffect[],
): SupervisorState {
  const owner = ownerOf(state, input);
  if (owner === null) {
    // Nobody wants it any more.
    effects.push({ ...input, type: "destroy" });
    return state;
  }
  const { car, setName, set, context } = owner;
  const contexts = replaced(set.contexts, { ...context, stage: "open" });
  const next = withCar(state, { ...car, [setName]: { ...set, contexts } });
  if (setName === "serving") effects.push({ type: "attach", car: car.id, context: context.id });
  return afterAttempt(next, car.id, setName, environment, effects);
}

function onFailed(
  state: SupervisorState,
  input: SupervisorInput & { type: "failed" },
  environment: Environment,
  effects: SupervisorEffect[],
): SupervisorState {
  const released = release(state, input, effects);
  const owner = ownerOf(released, input);
  // A host that stops refuses what it was asked for; nobody needs to hear of that.
  if (owner === null) return released;
  const { car, setName, set, context } = owner;
  const { module } = context.spec;
  effects.push({ type: "log", level: "error", car: car.name, module, text: input.message });
  // The host died over it: maybe `init` crashes, and would take the same neighbors along again.
  const suspect = set.suspect || input.blame === "likely";
  const next = withCar(released, { ...car, [setName]: { ...without(set, context), suspect } });
  return afterAttempt(next, car.id, setName, environment, effects);
}

function onLost(
  state: SupervisorState,
  input: SupervisorInput & { type: "lost" },
  environment: Environment,
  effects: SupervisorEffect[],
): SupervisorState {
  const released = release(markDead(state, input.host), input, effects);
  const owner = ownerOf(released, input);
  if (owner === null) return released;
  const { car, setName, set, context } = owner;
  const { now, random } = environment;
  const { reason, blame } = input;
  const { module } = context.spec;
  const text = `Module context lost: ${reason}`;
  effects.push({ type: "log", level: "error", car: car.name, module, text });
  const past = hasBeenWell(set, now) ? forgiven(set) : set;
  // A car's contexts on one host are lost together: that is one crash.
  const counts = blame !== "none" && !past.crashed;
  const less: ModuleSet = {
    ...without(past, context),
    wellSince: null,
    crashesInRow: past.crashesInRow + (counts ? 1 : 0),
    crashed: past.crashed || counts,
    suspect: past.suspect || blame === "likely",
  };
  const next = retry(car, setName, less, now, random, effects);
  return afterAttempt(
    withCar(released, { ...car, [setName]: next }),
    car.id,
    setName,
    environment,
    effects,
  );
}

function takeOver(
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
  const isOpening = contexts.some(({ stage }) => stage === "opening");
  const set: ModuleSet = { ...coming, contexts, attempting: true };
  const next = withCar(state, { ...car, serving: set, coming: null });
  for (const context of contexts) {
    if (context.stage === "open") effects.push({ type: "attach", car: id, context: context.id });
  }
  const left = abandon(next, id, serving.contexts.filter((one) => !isKept(one)), effects);
  return isOpening ? left : afterAttempt(left, id, "serving", environment, effects);
}

/** Contexts that nobody wants any more are destroyed, when they have been opened. */
function abandon(
  state: SupervisorState,
  car: number,
  contexts: readonly ContextEntry[],
  effects: SupervisorEffect[],
): SupervisorState {
  let next = state;
  for (const { id: context, host, stage } of contexts) {
    next = leave(next, { context, host });
    if (stage === "open") effects.push({ type: "destroy", car, context, host });
  }
  return next;
}

/** Whoever wants a context; `null`: nobody any more. */
function ownerOf(state: SupervisorState, input: ContextInput<string>) {
  const car = withId(state.cars, input.car);
  for (const setName of ["serving", "coming"] as const) {
    const set = car?.[setName];
    const context = set && withId(set.contexts, input.context);
    if (car && set && context) return { car, setName, set, context };
  }
  return null;
}

function withCar(state: SupervisorState, car: CarEntry): SupervisorState {
  return { ...state, cars: replaced(state.cars, car) };
}

function without(set: ModuleSet, context: ContextEntry): ModuleSet {
  return { ...set, contexts: set.contexts.filter(({ id }) => id !== context.id) };
}

/** What has been well for long enough begins without a history. */
function forgiven(set: ModuleSet): ModuleSet {
  return { ...set, unproven: [], failuresInRow: 0, crashesInRow: 0, suspect: false };
}
