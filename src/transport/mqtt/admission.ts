// When the next car may try to connect to a broker [WAIT-RETRY]. Pure.
//
// While nobody knows that the broker accepts connections, one car tries for all. When it does, the
// others follow, at a bounded rate.

/** So long the broker is tried every second at least, in milliseconds. */
const EAGER_MS = 30_000;
/** The longest pause between two tries by then, in milliseconds ... */
const EAGER_PAUSE_MS = 1_000;
/** ... and after that. */
export const MAX_PAUSE_MS = 30_000;
/** Also a configuration that wants no pause at all must not make a busy loop, in milliseconds. */
export const MIN_PAUSE_MS = 10;
/** The share of each pause that is left to chance. */
const JITTER = 0.5;
/** Tries that take longer than the pause overlap, up to so many. */
const MAX_TRIES = 10;
/** Cars that connect at the same time: more would not be faster, and hard on the broker. */
const MAX_ATTEMPTS = 32;
/** 500 cars a second, in milliseconds for each ... */
const INTERVAL_MS = 2;
/** ... of which so many may come at once. */
const BURST = 100;

/** What is known of a broker. */
export interface Admission {
  /** Attempts under way. */
  readonly attempts: number;
  /** When the broker last accepted a connection. */
  readonly acceptedMs: number;
  /** Where the rate stands: when the next car would be due if there were no bursts. */
  readonly dueMs: number;
  /** While it is not known to accept connections: since when, and how long pauses are by now. */
  readonly doubt: { readonly sinceMs: number; readonly pauseMs: number } | null;
  /** In doubt, the earliest moment for another try. */
  readonly nextMs: number;
}

/** What may happen. */
export type AdmissionInput =
  /** A car tries to connect. */
  | { readonly type: "begun" }
  /** The broker has accepted a connection, whatever became of it. */
  | { readonly type: "accepted" }
  /** An attempt that began then has failed. */
  | { readonly type: "refused"; readonly beganMs: number }
  /** An attempt was given up. */
  | { readonly type: "left" }
  /** A connection that had lasted is gone. */
  | { readonly type: "lost" };

/** What a step depends on beside the state. */
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

/** When the next car may try, in milliseconds; `null` when an attempt has to end before. */
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
  // An attempt that hangs keeps the others from trying no longer than this.
  const patienceMs = Math.max(EAGER_PAUSE_MS, pauseOf(state.doubt, now));
  return state.doubt ? { ...next, nextMs: now + patienceMs } : next;
}

function refused(
  state: Admission,
  beganMs: number,
  { now, random, firstPauseMs }: AdmissionEnvironment,
): Admission {
  // It had hung since before the broker came back.
  if (beganMs < state.acceptedMs) return state;
  const doubt = state.doubt ?? { sinceMs: now, pauseMs: firstPauseMs };
  const pauseMs = pauseOf(doubt, now);
  // Every second means from one try to the next, however long each of them takes.
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

/** How long the pause is before chance shortens it. */
function pauseOf(doubt: Admission["doubt"], now: number): number {
  if (!doubt) return 0;
  const longestMs = isEager(doubt, now) ? EAGER_PAUSE_MS : MAX_PAUSE_MS;
  return Math.max(MIN_PAUSE_MS, Math.min(doubt.pauseMs, longestMs));
}
