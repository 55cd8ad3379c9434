// How often connect sequences may begin: a gateway that begins one after the other would keep its
// modules busy with devices that come and go, and takes growing pauses instead.

/** What one car's Connects have used up. */
export interface ConnectRate {
  /** Sequences that may begin without a pause. */
  readonly credit: number;
  /** When the last Connect came, in milliseconds; `null`: none has. */
  readonly lastAt: number | null;
  /** The pause behind the next sequence that has no credit, in milliseconds. */
  readonly pauseMs: number;
  /** No sequence begins before, in milliseconds; `null`: no pause. */
  readonly notBefore: number | null;
}

/** Sequences that may follow each other at once. */
const BURST = 20;
/** Credit grows by one in so many milliseconds without a Connect ... */
const CREDIT_MS = 1000;
/** ... but for the first of them: in a storm it does not grow at all. */
const STORM_GAP_MS = 250;
const FIRST_PAUSE_MS = 500;
const MAX_PAUSE_MS = 30_000;

/** No Connect has come. */
export const NO_CONNECTS: ConnectRate = {
  credit: BURST,
  lastAt: null,
  pauseMs: FIRST_PAUSE_MS,
  notBefore: null,
};

/** A Connect has come, whether a sequence begins with it or not. */
export function withConnect(rate: ConnectRate, now: number): ConnectRate {
  const calmMs = rate.lastAt === null ? 0 : Math.max(0, now - rate.lastAt - STORM_GAP_MS);
  const credit = Math.min(BURST, rate.credit + calmMs / CREDIT_MS);
  // The pauses start over only when all is as it was in the beginning.
  const pauseMs = credit === BURST ? FIRST_PAUSE_MS : rate.pauseMs;
  // A gateway that has waited by itself need not wait for us, too.
  const notBefore = credit >= 1 ? null : rate.notBefore;
  return { credit, lastAt: now, pauseMs, notBefore };
}

/** A sequence begins: what it costs those that follow. */
export function withSequence(rate: ConnectRate, now: number): ConnectRate {
  const credit = Math.max(0, rate.credit - 1);
  if (credit >= 1) return { ...rate, credit, notBefore: null };
  const pauseMs = Math.min(2 * rate.pauseMs, MAX_PAUSE_MS);
  return { ...rate, credit, pauseMs, notBefore: now + rate.pauseMs };
}
