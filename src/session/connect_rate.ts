// Rate limit of connect sequences: a gateway that begins one after the other would keep its modules
// busy connecting and disconnecting devices, so it must pause, longer each time.

/** The state of one car's rate limit. */
export interface ConnectRate {
  /** Sequences that may begin without a pause. */
  readonly credit: number;
  /** When the last Connect came or its sequence began, in milliseconds; `null`: none has. */
  readonly lastAt: number | null;
  /** The pause after the next sequence without credit, in milliseconds. */
  readonly pauseMs: number;
  /** Without credit no sequence may begin earlier, in milliseconds; `null`: no pause. */
  readonly notBefore: number | null;
}

/** Sequences that may follow each other without a pause. */
const BURST = 20;
/** Without Connects, credit grows by one in this many milliseconds ... */
const CREDIT_MS = 1000;
/** ... after this grace period: in a storm it does not grow at all. */
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
  const credit = creditAt(rate, now);
  // The pauses start over only when all credit is back.
  const pauseMs = credit === BURST ? FIRST_PAUSE_MS : rate.pauseMs;
  return { ...rate, credit, lastAt: now, pauseMs };
}

/** When a sequence may begin with the last Connect, in milliseconds; `null`: at once. */
export function allowedAt({ credit, lastAt, notBefore }: ConnectRate): number | null {
  if (credit >= 1 || notBefore === null || lastAt === null) return null;
  // A gateway that sends nothing more is not in a storm, and waits only for credit.
  return Math.min(notBefore, lastAt + STORM_GAP_MS + (1 - credit) * CREDIT_MS);
}

/** A sequence begins, and uses up credit. */
export function withSequence(rate: ConnectRate, now: number): ConnectRate {
  const credit = Math.max(0, creditAt(rate, now) - 1);
  if (credit >= 1) return { ...rate, credit, lastAt: now };
  const pauseMs = Math.min(2 * rate.pauseMs, MAX_PAUSE_MS);
  return { credit, lastAt: now, pauseMs, notBefore: now + rate.pauseMs };
}

function creditAt({ credit, lastAt }: ConnectRate, now: number): number {
  const calmMs = lastAt === null ? 0 : Math.max(0, now - lastAt - STORM_GAP_MS);
  return Math.min(BURST, credit + calmMs / CREDIT_MS);
}
