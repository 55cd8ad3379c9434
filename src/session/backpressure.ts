// Backpressure [SESSION-READING]: while statuses pile up, the gateway is not read. Its silence
// does not count then, so its timers stand still; the module has a deadline instead.
import type { Environment } from "./effects.ts";
import type { BegunStatus } from "./status_order.ts";
import type { Running } from "./state.ts";

/** Pauses in reading during one session. */
export interface Reading {
  /** Total duration of past pauses, in milliseconds. */
  readonly pausedMs: number;
  /** Start of the current pause; `null`: none. */
  readonly pausedSince: number | null;
  /** The newest status when reading paused, until it is answered; `null`: none. */
  readonly watched: { readonly counter: number; readonly since: number } | null;
}

/** Reading has never paused. */
export const ALWAYS_READING: Reading = { pausedMs: 0, pausedSince: null, watched: null };

/** The gateway's time, which stands still while it is not read. */
export function gatewayTime({ reading }: Running, now: number): number {
  return (reading.pausedSince ?? now) - reading.pausedMs;
}

/** When the gateway's time reaches `at`; Infinity while it stands still. */
export function whenGatewayTime({ reading }: Running, at: number): number {
  return reading.pausedSince === null ? at + reading.pausedMs : Infinity;
}

/** Stops and restarts the gateway's time as reading pauses and resumes. */
export function withReading(session: Running, { now, settings }: Environment): Running {
  const { reading, statuses } = session;
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

/** Updates the watched status after the first `count` of `begun` were answered and removed. */
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
