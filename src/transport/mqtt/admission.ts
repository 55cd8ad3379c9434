// When the next car may try to connect to a broker [WAIT-RETRY]. Pure.
//
// While it is not known whether the broker accepts connections, one car tries for all. When it
// does, the others follow at a bounded rate.

/** For so long, the broker is tried at least once a second, in milliseconds. */
const EAGER_MS = 30_000;
/** The longest pause between attempts during that time, in milliseconds ... */
const EAGER_PAUSE_MS = 1_000;
/** ... and after it. */
export const MAX_PAUSE_MS = 30_000;
/** The shortest pause: a configuration without one must not cause a busy loop, in milliseconds. */
export const MIN_PAUSE_MS = 10;
/** Jitter: the random share of each pause. */
const JITTER = 0.5;
/** Attempts that take longer than the pause overlap, up to this number. */
const MAX_TRIES = 10;
/** Cars that connect at a time: more would not be faster, and strain the broker. */
const MAX_ATTEMPTS = 32;
/** 500 cars per second, as milliseconds per car ... */
const INTERVAL_MS = 2;
/** ... with bursts of this size. */
const BURST = 100;

/** What is known of a broker. */
export interface Admission {
  /** Attempts in progress. */
  readonly attempts: number;
  /** When the broker last accepted a connection. */
  readonly acceptedMs: number;
  /** When the next car would be due if there were no bursts. */
  readonly dueMs: number;
  /** While it is not known to accept connections: since when, and the current pause. */
  readonly doubt: { readonly sinceMs: number; readonly pauseMs: number } | null;
  /** The earliest moment for the next attempt while in doubt. */
  readonly nextMs: number;
}

export type AdmissionInput =
  /** A car tries to connect. */
  | { readonly type: "begun" }
  /** The broker has accepted a connection. */
  | { readonly type: "accepted" }
  /** An attempt that began then has failed. */
  | { readonly type: "refused"; readonly beganMs: number }
  /** An attempt was given up. */
  | { readonly type: "left" }
  /** A stable connection was lost. */
  | { readonly type: "lost" };

export interface AdmissionEnvironment {
  readonly now: number;
  /** From 0 up to 1. */
  readonly random: number;
  /** The first pause after a refusal, in milliseconds. */
  readonly firstPauseMs: number;
}

/** Nothing is known yet. */
export function newAdmission({ now, firstPauseMs }: AdmissionEnvironment): Admission {
  return {
    attempts: 0,
    acceptedMs: -Infinity,
    dueMs: now,
    doubt: { sinceMs: now, pauseMs: firstPauseMs },
    nextMs: now,
  };
}

/** When the next car may try, in milliseconds; `null` when an attempt must end first. */
export function nextAttempt({ attempts, doubt, dueMs, nextMs }: Admission): number | null {
  if (attempts >= (doubt ? MAX_TRIES : MAX_ATTEMPTS)) return null;
  return doubt ? nextMs : dueMs - (BURST - 1) * INTERVAL_MS;
}

/** Takes what has happened. */
export function stepAdmission(
  state: Admission,
  input: AdmissionInput,
  environment: AdmissionEnvironment,
): Admission {
  const { now, firstPauseMs } = environment;
  switch (input.type) {
    case "begun":
      return begun(state, environment);
    case "accepted": {
      const attempts = state.attempts - 1;
      if (!state.doubt) return { ...state, attempts, acceptedMs: now };
      return { ...state, attempts, acceptedMs: now, doubt: null, dueMs: now };
    }
    case "refused":
      return refused({ ...state, attempts: state.attempts - 1 }, input.beganMs, environment);
    case "left":
      return { ...state, attempts: state.attempts - 1 };
    case "lost": {
      if (state.doubt) return state;
      return { ...state, doubt: { sinceMs: now, pauseMs: firstPauseMs }, nextMs: now };
    }
  }
}

function begun(state: Admission, { now }: AdmissionEnvironment): Admission {
  const attempts = state.attempts + 1;
  const dueMs = Math.max(state.dueMs, now) + INTERVAL_MS;
  const next = { ...state, attempts, dueMs };
  // A hanging attempt blocks others no longer than this.
  const patienceMs = Math.max(EAGER_PAUSE_MS, pauseOf(state.doubt, now));
  return state.doubt ? { ...next, nextMs: now + patienceMs } : next;
}

function refused(
  state: Admission,
  beganMs: number,
  { now, random, firstPauseMs }: AdmissionEnvironment,
): Admission {
  // It had been hanging since before the broker came back.
  if (beganMs < state.acceptedMs) return state;
  const doubt = state.doubt ?? { sinceMs: now, pauseMs: firstPauseMs };
  const pauseMs = pauseOf(doubt, now);
  // Pauses count from one attempt to the next, however long each takes.
  const fromMs = isEager(doubt, now) ? beganMs : now;
  const nextMs = fromMs + pauseMs * (1 - JITTER * random);
  return {
    ...state,
    doubt: { ...doubt, pauseMs: 2 * pauseMs },
    nextMs: state.doubt ? Math.min(state.nextMs, nextMs) : nextMs,
  };
}

function isEager({ sinceMs }: NonNullable<Admission["doubt"]>, now: number): boolean {
  return now - sinceMs < EAGER_MS;
}

/** The pause before jitter. */
function pauseOf(doubt: Admission["doubt"], now: number): number {
  if (!doubt) return 0;
  const longestMs = isEager(doubt, now) ? EAGER_PAUSE_MS : MAX_PAUSE_MS;
  return Math.max(MIN_PAUSE_MS, Math.min(doubt.pauseMs, longestMs));
}
