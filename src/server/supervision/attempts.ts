// Attempts to open a car's missing contexts, and the results: opened, failed, lost.
import { pauseMs } from "../../time/mod.ts";
import { hostKindOf } from "../../module/mod.ts";
import { lookLater } from "./consolidation.ts";
import type { ContextInput, SupervisorEffect, SupervisorInput } from "./effects.ts";
import { markDead, release, reserve } from "./places.ts";
import { hasBeenWell, mayTakeSpareHost, trustOf } from "./quarantine.ts";
import {
  type CarEntry,
  type ContextEntry,
  type Environment,
  includesSpec,
  isComplete,
  type ModuleSet,
  replaced,
  type SupervisorState,
  withCar,
  withId,
} from "./state.ts";

/** Pauses between attempts; the first new attempt is made at once. */
const PAUSES = { firstMs: 1000, maxMs: 60_000 } as const;

type SetName = "serving" | "coming";

/** Opens all missing contexts of a set at once. */
export function attempt(
  state: SupervisorState,
  car: CarEntry,
  setName: SetName,
  environment: Environment,
  effects: SupervisorEffect[],
): SupervisorState {
  const wanted = car[setName];
  if (wanted === null) return state;
  const onProbation = wanted.unproven.length > 0 &&
    mayTakeSpareHost(state, environment.contextsPerHost);
  const set = onProbation ? wanted : { ...wanted, unproven: [] };
  // Contexts that already serve the car are taken over.
  const alike = setName === "coming" ? car.serving.specs : [];
  const lacking = set.specs.filter((spec) =>
    !set.contexts.some((context) => context.spec.module === spec.module) &&
    !includesSpec(alike, spec)
  );
  const trust = trustOf(set, lacking.map(({ module }) => module), environment.now);
  let placed = state;
  const opening = lacking.map((spec, index): ContextEntry => {
    return { id: state.nextContext + index, host: 0, spec, stage: "opening", replaces: null };
  });
  for (const [kind, entries] of Map.groupBy(opening, ({ spec }) => hostKindOf(spec))) {
    const contexts = entries.map(({ id }) => id);
    const [next, hosts] = reserve(placed, car, { contexts, kind }, trust, environment, effects);
    placed = next;
    for (const [index, entry] of entries.entries()) {
      const host = hosts[index] ?? 0;
      opening[opening.indexOf(entry)] = { ...entry, host };
    }
  }
  for (const { id, host, spec } of opening) {
    effects.push({ type: "open", car: car.id, context: id, host, spec });
  }
  const contexts = [...set.contexts, ...opening];
  const attempting = { ...set, contexts, crashed: false, attempting: true };
  const next = withCar(
    { ...placed, nextContext: state.nextContext + opening.length },
    { ...car, [setName]: attempting },
  );
  return afterAttempt(next, car.id, setName, environment, effects);
}

/** After each context has been tried: tells the car, or schedules another attempt. */
export function afterAttempt(
  state: SupervisorState,
  id: number,
  setName: SetName,
  environment: Environment,
  effects: SupervisorEffect[],
): SupervisorState {
  const car = withId(state.cars, id);
  const set = car?.[setName];
  if (car === undefined || !set?.attempting) return state;
  if (set.contexts.some(({ stage }) => stage !== "open")) return state;
  const tried: ModuleSet = { ...set, attempting: false };
  if (!isComplete(tried)) {
    const next = retry(car, setName, tried, environment, effects);
    return withCar(state, { ...car, [setName]: next });
  }
  const next = withCar(state, { ...car, [setName]: { ...tried, wellSince: environment.now } });
  if (setName === "coming") return next;
  effects.push({ type: "ready", car: id });
  // It may have a host of its own now, and may have no session for long.
  return set.failuresInRow > 0 && car.idleSince !== null ? lookLater(next, environment) : next;
}

/** Missing contexts are opened at once the first time, then after growing pauses. */
function retry(
  { name }: CarEntry,
  setName: SetName,
  set: ModuleSet,
  { now, random }: Environment,
  effects: SupervisorEffect[],
): ModuleSet {
  // Sets that have not taken over yet are not retried.
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

export function onOpened(
  state: SupervisorState,
  input: SupervisorInput & { type: "opened" },
  environment: Environment,
  effects: SupervisorEffect[],
): SupervisorState {
  const owner = ownerOf(state, input);
  if (owner === null) {
    // No longer wanted.
    effects.push({ ...input, type: "destroy" });
    return state;
  }
  const { car, setName, set, context } = owner;
  const contexts = replaced(set.contexts, { ...context, stage: "open", replaces: null });
  const opened = withCar(state, { ...car, [setName]: { ...set, contexts } });
  if (setName === "serving") effects.push({ type: "attach", car: car.id, context: context.id });
  const next = afterAttempt(opened, car.id, setName, environment, effects);
  // It has moved: the next host can be emptied.
  return context.replaces === null ? next : { ...next, lookAt: environment.now };
}

export function onFailed(
  state: SupervisorState,
  input: SupervisorInput & { type: "failed" },
  environment: Environment,
  effects: SupervisorEffect[],
): SupervisorState {
  const released = release(state, input, effects);
  const owner = ownerOf(released, input);
  // A stopping host refuses to open contexts, which need not be reported.
  if (owner === null) return released;
  const { car, setName, set, context } = owner;
  const { module } = context.spec;
  effects.push({ type: "log", level: "error", car: car.name, module, text: input.message });
  // The host died meanwhile: `init` may have crashed, and would take the same neighbors down again.
  const suspect = set.suspect || input.blame === "likely";
  const problem = { module, detail: input.detail };
  const less = { ...without(set, context), suspect, problem };
  const next = withCar(released, { ...car, [setName]: less });
  return afterAttempt(next, car.id, setName, environment, effects);
}

export function onLost(
  state: SupervisorState,
  input: SupervisorInput & { type: "lost" },
  environment: Environment,
  effects: SupervisorEffect[],
): SupervisorState {
  const released = release(markDead(state, input.host), input, effects);
  const owner = ownerOf(released, input);
  if (owner === null) return released;
  const { car, setName, set, context } = owner;
  const { reason, blame } = input;
  const { module } = context.spec;
  const text = `Module context lost: ${reason}`;
  effects.push({ type: "log", level: "error", car: car.name, module, text });
  const past = hasBeenWell(set, environment.now) ? forgiven(set) : set;
  // A car's contexts on one host are lost together, which counts as one crash.
  const counts = blame !== "none" && !past.crashed;
  const less: ModuleSet = {
    ...without(past, context),
    wellSince: null,
    crashesInRow: past.crashesInRow + (counts ? 1 : 0),
    crashed: past.crashed || counts,
    suspect: past.suspect || blame === "likely",
    problem: { module, detail: reason },
  };
  const next = retry(car, setName, less, environment, effects);
  return afterAttempt(
    withCar(released, { ...car, [setName]: next }),
    car.id,
    setName,
    environment,
    effects,
  );
}

/** The set that wants a context; `null`: it is no longer wanted. */
function ownerOf(state: SupervisorState, input: ContextInput<string>) {
  const car = withId(state.cars, input.car);
  for (const setName of ["serving", "coming"] as const) {
    const set = car?.[setName];
    const context = set && withId(set.contexts, input.context);
    if (car && set && context) return { car, setName, set, context };
  }
  return null;
}

function without(set: ModuleSet, context: ContextEntry): ModuleSet {
  return { ...set, contexts: set.contexts.filter(({ id }) => id !== context.id) };
}

/** Clears the history of sets that have been well for long enough. */
export function forgiven(set: ModuleSet): ModuleSet {
  return { ...set, unproven: [], failuresInRow: 0, crashesInRow: 0, suspect: false };
}
