// The core of remote configuration: which document is in use, on probation, refused, or comes back.
// Pure: documents, times and counts of cars in; what to load, apply, write and say out.
import { begin, refusedLine, tooOld, tryNext, withAttempt } from "./begin.ts";
import {
  type Counted,
  documentText,
  type Live,
  type Origin,
  type Pulled,
  type SourceEffect,
  type SourceEnvironment,
  type SourceInput,
  type SourceState,
  type SourceStep,
  type Trial,
  withRefusal,
} from "./state.ts";
import type { DocumentInfo } from "./envelope.ts";

/** The share of cars that may be missing after probation: in a large fleet, some always come and go. */
const MAY_MISS = 0.02;
/** An older share of the last stop says nothing of this start. */
const SHARE_MS = 3_600_000;

/** One step. Never throws. */
export function step(
  state: SourceState,
  input: SourceInput,
  env: SourceEnvironment,
): SourceStep {
  switch (input.type) {
    case "found":
      return begin(input, env, state);
    case "used":
      return state.live === null ? started(state, env) : used(state, input, env);
    case "unusable":
      return state.live === null
        ? passedOver(state, input.problems, env)
        : unusable(state, input.problems, env);
    case "serving":
      return serving(state, input.cars, env);
    case "pulled":
      return pulled(state, input.pulled, env);
    case "look":
      return look(state, input.running, env);
    case "cached":
      return { state: { ...state, uncached: !input.ok }, effects: [] };
    case "pin":
      return pin(state, input, env);
    case "stopping":
      return stopping(state, input.counted, env);
  }
}

/** A candidate of the start is in use. */
function started(state: SourceState, env: SourceEnvironment): SourceStep {
  const { candidates: [candidate], journal } = state;
  if (candidate === undefined) return { state, effects: [] };
  const { info, origin, why } = candidate;
  const live: Live = { info, origin, since: env.now, why };
  return {
    state: {
      ...state,
      live,
      candidates: [],
      journal: withAttempt(journal, info.hash, env.now),
    },
    effects: [{ type: "keep" }, log("info", `Configuration: ${liveText(live)}`)],
  };
}

function passedOver(
  state: SourceState,
  problems: readonly string[],
  env: SourceEnvironment,
): SourceStep {
  const [candidate, ...candidates] = state.candidates;
  if (candidate === undefined) return { state, effects: [] };
  const { info, origin } = candidate;
  const why = problems.join("; ");
  const passed = [...state.passed, ...problems];
  if (origin === "local") return tryNext({ ...state, candidates, passed }, []);
  const refusal = { hash: info.hash, version: info.version, at: env.now, why };
  const journal = withRefusal(state.journal, refusal);
  const others = candidates.map((one) => ({ ...one, why: one.why || why }));
  return tryNext({ ...state, journal, candidates: others, passed }, [
    log(refusedLine(refusal).level, refusedLine(refusal).text),
  ]);
}

/** All cars are served: the probation of the start begins. */
function serving(state: SourceState, cars: number, env: SourceEnvironment): SourceStep {
  const { live, journal, good } = state;
  if (live === null) return { state, effects: [] };
  const isNew = live.origin !== "local" && live.info.hash !== good?.hash;
  const { share } = journal;
  const isFresh = share !== null && Math.abs(env.now - share.at) <= SHARE_MS;
  // What is good already only has to live.
  const running = isNew && isFresh ? Math.round(share.value * cars) : 0;
  const before = isNew && good !== null
    ? { info: good, origin: "cache" as Origin, since: env.now, why: "" }
    : null;
  const trial: Trial = {
    ...newTrial(live.info, live.origin, "all", before),
    beganAt: env.now,
    of: cars,
    running,
  };
  return { state: { ...state, trial }, effects: [] };
}

function pulled(state: SourceState, what: Pulled, env: SourceEnvironment): SourceStep {
  const failure = what.kind === "document" ? null : what.why;
  const next: SourceState = {
    ...state,
    lastPull: { at: env.now, failure },
    failures: failure === null ? 0 : state.failures + 1,
  };
  const effects: SourceEffect[] = [];
  if (what.kind === "failed" && state.lastPull?.failure !== what.why) {
    effects.push(log("warning", `Cannot pull the configuration: ${what.why}`));
  }
  if (failure === null && state.lastPull !== null && state.lastPull.failure !== null) {
    effects.push(log("info", "The source of the configuration answers again"));
  }
  const { owed, live, trial, journal } = next;
  if (live === null || trial !== null) return { state: next, effects };
  // Before anything new: what has to come back, and what has to be in the cache.
  if (owed !== null) {
    const apply: SourceEffect = { type: "apply", hash: owed.info.hash, canary: false };
    return { state: next, effects: [...effects, apply] };
  }
  if (next.uncached && next.good !== null) {
    effects.push({ type: "cache", hash: next.good.hash }, { type: "keep" });
  }
  if (what.kind === "refused") {
    return refuse(next, { hash: what.hash, version: what.version }, what.why, env, effects);
  }
  if (what.kind === "failed" || journal.pin !== null) return { state: next, effects };
  const { info } = what;
  if (info.hash === live.info.hash || isRefused(next, info.hash)) return { state: next, effects };
  const old = info.hash === next.good?.hash ? null : tooOld(info, journal);
  if (old !== null) return refuse(next, info, old, env, effects);
  if (info.bodyHash === live.info.bodyHash) return renamed(next, live, info, effects);
  return tryOut(next, info, "remote", env, effects);
}

/** The same configuration in another envelope: no car is touched, there is nothing to prove. */
function renamed(
  state: SourceState,
  live: Live,
  info: DocumentInfo,
  effects: readonly SourceEffect[],
): SourceStep {
  const renamed: Live = { info, origin: "remote", since: live.since, why: "the source has it" };
  const text = `Configuration ${documentText(info)} is what is in use: nothing changes`;
  return confirm({ ...state, live: renamed }, info, [...effects, log("info", text)]);
}

function tryOut(
  state: SourceState,
  info: DocumentInfo,
  origin: Origin,
  env: SourceEnvironment,
  effects: readonly SourceEffect[],
): SourceStep {
  const canary = info.labels.length > 0;
  const trial = newTrial(info, origin, canary ? "canary" : "all", state.live);
  const journal = withAttempt(state.journal, info.hash, env.now);
  const cars = canary ? `cars labeled ${info.labels.join(", ")}` : "all cars";
  return {
    state: { ...state, trial, journal },
    effects: [
      ...effects,
      log("info", `Trying configuration ${documentText(info)} with ${cars}`),
      { type: "keep" },
      { type: "apply", hash: info.hash, canary },
    ],
  };
}

/** What was to be applied is in use. */
function used(
  state: SourceState,
  { before, isTouched }: { readonly before: Counted; readonly isTouched: boolean },
  env: SourceEnvironment,
): SourceStep {
  const { trial, owed } = state;
  if (owed !== null) {
    const live = { ...owed, since: env.now };
    return {
      state: { ...state, live, owed: null },
      effects: [log("warning", `Configuration returned: ${liveText(live)}`), { type: "keep" }],
    };
  }
  if (trial === null) return { state, effects: [] };
  // No car has the labels, or nothing of them differs: a canary would prove nothing.
  if (trial.phase === "canary" && !isTouched) return toAll(state, trial, []);
  const begun: Trial = { ...trial, ...before, lastRunning: before.running, beganAt: env.now };
  const live: Live = {
    info: trial.info,
    origin: trial.origin,
    since: env.now,
    why: "the source has it",
  };
  return { state: { ...state, trial: begun, live }, effects: [] };
}

function toAll(
  state: SourceState,
  trial: Trial,
  effects: readonly SourceEffect[],
): SourceStep {
  const all = newTrial(trial.info, trial.origin, "all", trial.before);
  return {
    state: { ...state, trial: all },
    effects: [...effects, { type: "apply", hash: trial.info.hash, canary: false }],
  };
}

/** It was refused when it was to be applied: nothing has changed. */
function unusable(
  state: SourceState,
  problems: readonly string[],
  env: SourceEnvironment,
): SourceStep {
  const { trial, owed } = state;
  const why = problems.join("; ");
  if (owed !== null) {
    const text = `Cannot return to configuration ${documentText(owed.info)}: ${why}`;
    return { state, effects: [log("error", `${text}. It is tried again`)] };
  }
  if (trial === null) return { state, effects: [] };
  if (trial.phase === "all" && state.live?.info.hash === trial.info.hash) {
    // The canary has it already.
    return giveBack(state, trial, why, env);
  }
  const journal = withoutAttempts(state, trial.info.hash);
  return refuse({ ...state, trial: null, journal }, trial.info, why, env, []);
}

function look(state: SourceState, running: number, env: SourceEnvironment): SourceStep {
  const { trial } = state;
  if (trial === null || trial.beganAt === null) return { state, effects: [] };
  const { confirmMs } = env.settings;
  const age = env.now - trial.beganAt;
  const counts = age * 2 >= confirmMs;
  const isGood = running >= trial.running - Math.floor(trial.of * MAY_MISS);
  const seen: Trial = {
    ...trial,
    lastRunning: running,
    looks: trial.looks + (counts ? 1 : 0),
    goodLooks: trial.goodLooks + (counts && isGood ? 1 : 0),
  };
  if (age < confirmMs) return { state: { ...state, trial: seen }, effects: [] };
  if (seen.goodLooks * 2 >= seen.looks) return passed(state, seen);
  const seconds = Math.round(confirmMs / 1000);
  const why = `after ${seconds} s, ${running} of ${trial.of} cars were RUNNING, before ` +
    `${trial.running}`;
  return giveBack({ ...state, trial: seen }, seen, why, env);
}

/** The probation is over, and was passed. */
function passed(state: SourceState, trial: Trial): SourceStep {
  if (trial.phase === "canary") {
    const text = `Configuration ${documentText(trial.info)} has passed with its canary`;
    return toAll(state, trial, [log("info", text)]);
  }
  const done: SourceState = { ...state, trial: null };
  if (trial.origin === "local" || trial.info.hash === state.good?.hash) {
    const journal = { ...state.journal, attempts: [] };
    return { state: { ...done, journal }, effects: [{ type: "keep" }] };
  }
  const text = `Configuration ${documentText(trial.info)} is confirmed`;
  return confirm(done, trial.info, [log("info", text)]);
}

/** It is the last good one from now on. */
function confirm(
  state: SourceState,
  info: DocumentInfo,
  effects: readonly SourceEffect[],
): SourceStep {
  const journal = {
    ...state.journal,
    version: info.version ?? state.journal.version,
    attempts: [],
  };
  const { good } = state;
  const previous = good === null || good.bodyHash === info.bodyHash ? state.previous : good;
  return {
    state: { ...state, journal, good: info, previous },
    effects: [...effects, { type: "cache", hash: info.hash }, { type: "keep" }],
  };
}

/** The probation has failed: what was there before comes back. */
function giveBack(
  state: SourceState,
  trial: Trial,
  why: string,
  env: SourceEnvironment,
): SourceStep {
  const { info, before } = trial;
  const refusal = { hash: info.hash, version: info.version, at: env.now, why };
  const journal = withRefusal(
    { ...state.journal, attempts: withoutAttempts(state, info.hash).attempts },
    refusal,
  );
  const text = `Configuration ${documentText(info)} has failed its probation: ${why}`;
  const failed: SourceState = { ...state, trial: null, journal };
  if (before === null) {
    const effect = log("error", `${text}. There is none to return to`);
    return { state: failed, effects: [effect, { type: "keep" }] };
  }
  const owed: Live = { ...before, why: `${documentText(info)} has failed: ${why}` };
  return {
    state: { ...failed, owed },
    effects: [
      log("error", `${text}. Returning to ${documentText(before.info)}`),
      { type: "keep" },
      { type: "apply", hash: before.info.hash, canary: false },
    ],
  };
}

function refuse(
  state: SourceState,
  { hash, version }: Pick<DocumentInfo, "hash" | "version">,
  why: string,
  env: SourceEnvironment,
  effects: readonly SourceEffect[],
): SourceStep {
  if (isRefused(state, hash)) return { state, effects };
  const refusal = { hash, version, at: env.now, why };
  const { level, text } = refusedLine(refusal);
  return {
    state: { ...state, journal: withRefusal(state.journal, refusal) },
    effects: [...effects, log(level, text), { type: "keep" }],
  };
}

function pin(
  state: SourceState,
  { to, by, local }: Extract<SourceInput, { readonly type: "pin" }>,
  env: SourceEnvironment,
): SourceStep {
  const { live, good, previous, journal } = state;
  if (to === null) {
    // What was refused may be tried again.
    const free = { ...journal, pin: null, refused: [] };
    return { state: { ...state, journal: free }, effects: [{ type: "keep" }] };
  }
  const info = { live: live?.info ?? null, good, previous, local }[to];
  if (info === null || live === null) return { state, effects: [] };
  const held = { ...journal, pin: { hash: info.hash, by, at: env.now } };
  if (info.hash === live.info.hash) {
    // It is held whatever its probation would say.
    return { state: { ...state, journal: held, trial: null }, effects: [{ type: "keep" }] };
  }
  const origin: Origin = to === "local" ? "local" : to === "good" ? "cache" : "previous";
  const owed: Live = { info, origin, since: env.now, why: `pinned by ${by}` };
  return {
    state: { ...state, journal: held, trial: null, owed },
    effects: [{ type: "keep" }, { type: "apply", hash: info.hash, canary: false }],
  };
}

/** A stop in order is no death: what is on probation gets another one. */
function stopping(
  state: SourceState,
  { of, running }: Counted,
  env: SourceEnvironment,
): SourceStep {
  const share = of === 0 ? null : { value: running / of, at: env.now };
  const journal = { ...state.journal, attempts: [], share };
  return { state: { ...state, journal, trial: null }, effects: [{ type: "keep" }] };
}

function newTrial(
  info: DocumentInfo,
  origin: Origin,
  phase: Trial["phase"],
  before: Live | null,
): Trial {
  const nothing = { of: 0, running: 0, looks: 0, goodLooks: 0, lastRunning: 0 };
  return { info, origin, phase, before, beganAt: null, ...nothing };
}

function withoutAttempts({ journal }: SourceState, hash: string) {
  return { ...journal, attempts: journal.attempts.filter((one) => one.hash !== hash) };
}

function isRefused({ journal }: SourceState, hash: string): boolean {
  return journal.refused.some((one) => one.hash === hash);
}

function log(
  level: Extract<SourceEffect, { readonly type: "log" }>["level"],
  text: string,
): SourceEffect {
  return { type: "log", level, text };
}

const ORIGINS: Readonly<Record<Origin, string>> = {
  remote: "from the source",
  cache: "the last good one, from the cache",
  previous: "the one before the last good one, from the cache",
  local: "the local file",
};

/** Such as `version 7 (3f2a9c01d4e5), from the source: the source has it`. */
function liveText({ info, origin, why }: Live): string {
  return `${documentText(info)}, ${ORIGINS[origin]}${why === "" ? "" : `: ${why}`}`;
}
