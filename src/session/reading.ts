// While statuses pile up nothing more is read of the gateway [SESSION-READING]: its silence is
// ours, so what is awaited of it waits, too. What may not take any longer then is the module.
import type { BegunStatus } from "./status_order.ts";
import type { Running } from "./state.ts";

/** How reading went in one session. */
export interface Reading {
  /** For how long it was paused before, in milliseconds. */
  readonly pausedMs: number;
  /** Since when it is paused; `null`: it is not. */
  readonly pausedSince: number | null;
  /** The newest status when reading paused, until it is answered; `null`: none is watched. */
  readonly watched: { readonly counter: number; readonly since: number } | null;
}

/** Nothing was paused. */
export const ALWAYS_READING: Reading = { pausedMs: 0, pausedSince: null, watched: null };

/** The time as the gateway has had it: it stands still while nothing is read. */
export function gatewayTime({ reading }: Running, now: number): number {
  return (reading.pausedSince ?? now) - reading.pausedMs;
}

/** When the gateway's time will be `at`; Infinity while it stands still. */
export function whenGatewayTime({ reading }: Running, at: number): number {
  return reading.pausedSince === null ? at + reading.pausedMs : Infinity;
}

/** Pauses and resumes the gateway's time with the reading. */
export function withReading(session: Running, now: number): Running {
  const { reading, statuses, base: { settings } } = session;
  const { waiting, bytes } = statuses;
  const isFull = waiting.size >= settings.maxWaitingStatuses || bytes >= settings.maxWaitingBytes;
  const { pausedMs, pausedSince } = reading;
  if (isFull === (pausedSince !== null)) return session;
  if (pausedSince !== null) {
    const resumed = { ...reading, pausedMs: pausedMs + now - pausedSince, pausedSince: null };
    return { ...session, reading: resumed };
  }
  const watched = reading.watched ?? watchNewest(session, now);
  return { ...session, reading: { pausedMs, pausedSince: now, watched } };
}

/** Looks on when the first `count` of `begun` have been answered; the session has them no longer. */
export function withAnswered(
  session: Running,
  begun: readonly BegunStatus[],
  count: number,
  now: number,
): Running {
  const { reading } = session;
  const { watched, pausedSince } = reading;
  if (watched === null) return session;
  const at = begun.findIndex(({ status }) => status.messageCounter === watched.counter);
  if (at < 0 || at >= count) return session;
  const { begun: rest, waiting } = session.statuses;
  const isOver = pausedSince === null || rest.length + waiting.size === 0;
  const next = isOver ? null : watchNewest(session, now);
  return { ...session, reading: { ...reading, watched: next } };
}

function watchNewest({ statuses }: Running, now: number): Reading["watched"] {
  return { counter: (statuses.expected - 1) >>> 0, since: now };
}
