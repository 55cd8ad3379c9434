// The life of a sink's cursor as one pure transition function: when to read, to deliver, to try again
// and to remember. It holds no event, only numbers.
import type { LogCount, Position } from "../record/mod.ts";
import { pauseMs } from "../time/mod.ts";

/** How a sink is fed. */
export interface ExportSettings {
  /** A batch has at most so many events. */
  readonly batchEvents: number;
  /** And about so many bytes of records. @default {256 KiB} */
  readonly batchBytes?: number;
  /** An event waits so long for others, in milliseconds. */
  readonly batchMs: number;
  /** Bytes of records that are delivered a second; 0: unlimited. */
  readonly bytesPerSecond: number;
}

/** Moments are milliseconds of the clock. */
export interface ExportState {
  /** Everything before it is delivered. */
  readonly cursor: Position;
  /** The end of the log, as far as it is known. */
  readonly end: LogCount;
  readonly phase: Phase;
  /** Failures since the last delivery. */
  readonly failures: number;
  /** Halved when a batch is too large, doubled again with each delivery. */
  readonly maxEvents: number;
  /** Since when it fails; `null`: it does not. */
  readonly failingSince: number | null;
  /** When the next batch may be read, by the rate. */
  readonly freeAt: number;
  /** Since when the oldest event waits; `null`: none does. */
  readonly behindSince: number | null;
  /** When the cursor was last kept; it is behind when `isKept` is false. */
  readonly keptAt: number;
  readonly isKept: boolean;
  /** Since the start. */
  readonly delivered: LogCount;
  /** What was deleted before it was read, since the start. */
  readonly missed: LogCount;
  /** What was deleted up to here is told already; `null`: nothing is. */
  readonly toldUpTo: LogCount | null;
}

type Phase =
  /** Nothing is to be read. */
  | { readonly name: "idle" }
  /** Events are there: at this moment they are read. */
  | { readonly name: "collecting"; readonly until: number }
  | { readonly name: "reading" }
  | { readonly name: "delivering"; readonly batch: Batch }
  /** What has failed is tried again at this moment: the batch is delivered, or without one read. */
  | { readonly name: "waiting"; readonly until: number; readonly batch: Batch | null }
  /** As `delivering`, but the last one. */
  | { readonly name: "finishing"; readonly batch: Batch }
  | { readonly name: "stopped" };

/** What was read. */
interface Batch {
  readonly position: Position;
}

export type ExportInput =
  /** The log has more, or is there. */
  | {
    readonly type: "grown";
    readonly end: LogCount;
    /** What stood before the oldest segment when one was deleted last; `null`: none was. */
    readonly begin: LogCount | null;
  }
  /** The effect `read` has ended. */
  | {
    readonly type: "read";
    readonly position: Position;
    /** Events that the sink gets; 0: nothing is delivered. */
    readonly events: number;
    /** When the first of the records happened; `null`: there was none. */
    readonly at: number | null;
    readonly isEnd: boolean;
    readonly missed: LogCount | null;
  }
  | { readonly type: "delivered" }
  /** Reading or delivering has failed. */
  | {
    readonly type: "failed";
    readonly reason: string;
    readonly retryAfterMs: number | null;
    readonly isTooLarge: boolean;
  }
  /** A deadline may have been reached. */
  | { readonly type: "tick" }
  /** What waits is delivered now: neither for other events nor after a failure is waited. */
  | { readonly type: "hurry" }
  | { readonly type: "stop" };

export type ExportEffect =
  /** Read from the cursor on; answered by `read` or `failed`. */
  | { readonly type: "read"; readonly maxBytes: number; readonly maxEvents: number }
  /** Deliver what was read last; answered by `delivered` or `failed`. */
  | { readonly type: "deliver" }
  /** Keep the cursor. */
  | { readonly type: "keep" }
  /** What was read ahead is deleted: the next `read` begins anew. */
  | { readonly type: "forget" }
  /** For the log. */
  | { readonly type: "overtaken"; readonly missed: LogCount }
  | { readonly type: "failing"; readonly reason: string; readonly pauseMs: number }
  | { readonly type: "recovered"; readonly failures: number };

/** What a step gets besides state and input. */
export interface ExportEnvironment {
  readonly now: number;
  readonly settings: ExportSettings;
  /** From 0 up to 1. */
  readonly random: number;
}

export interface ExportStep {
  readonly state: ExportState;
  readonly effects: readonly ExportEffect[];
}

/** What one batch has at most unless told otherwise, in bytes of records. */
const BATCH_BYTES = 256 * 1024;
/** Pauses between attempts; a sink is never given up. */
const PAUSES = { firstMs: 500, maxMs: 30_000 };
/** What a delivery takes longer than the rate allows is made good for so long, in milliseconds. */
const CREDIT_MS = 100;
/** The cursor is kept so often, in milliseconds: what was delivered since comes again after a crash. */
const KEEP_MS = 1000;

/** A sink that has everything before a position. */
export function createExport(cursor: Position, settings: ExportSettings): ExportState {
  return {
    cursor,
    end: { records: cursor.records, bytes: cursor.bytes },
    phase: { name: "idle" },
    failures: 0,
    failingSince: null,
    maxEvents: settings.batchEvents,
    freeAt: 0,
    behindSince: null,
    keptAt: -Infinity,
    isKept: true,
    delivered: { records: 0, bytes: 0 },
    missed: { records: 0, bytes: 0 },
    toldUpTo: null,
  };
}

/** Takes one input, in every state. Never throws. */
export function step(state: ExportState, input: ExportInput, env: ExportEnvironment): ExportStep {
  const effects: ExportEffect[] = [];
  let next = state.phase.name === "stopped" ? state : transition(state, input, env, effects);
  const isDue = next.phase.name === "stopped" || env.now - next.keptAt >= KEEP_MS;
  if (!next.isKept && isDue) {
    effects.push({ type: "keep" });
    next = { ...next, isKept: true, keptAt: env.now };
  }
  return { state: next, effects };
}

/** When it needs a tick; Infinity: never. */
export function nextDeadline({ phase, isKept, keptAt }: ExportState): number {
  const keep = isKept ? Infinity : keptAt + KEEP_MS;
  return "until" in phase ? Math.min(phase.until, keep) : keep;
}

/** What waits for the sink. */
export function lagOf({ cursor, end, behindSince }: ExportState, now: number) {
  const records = Math.max(0, end.records - cursor.records);
  return {
    records,
    bytes: Math.max(0, end.bytes - cursor.bytes),
    seconds: records === 0 || behindSince === null ? 0 : Math.max(0, (now - behindSince) / 1000),
  };
}

function transition(
  state: ExportState,
  input: ExportInput,
  env: ExportEnvironment,
  effects: ExportEffect[],
): ExportState {
  const { phase } = state;
  switch (input.type) {
    case "grown": {
      const grown = { ...state, end: input.end, behindSince: state.behindSince ?? env.now };
      if (phase.name === "idle") return collect(grown, env);
      return phase.name === "waiting" ? overtaken(grown, phase, input.begin, effects) : grown;
    }
    case "read":
      return phase.name === "reading" ? onRead(state, input, env, effects) : state;
    case "delivered":
      if (phase.name === "finishing") {
        return { ...advance(state, phase.batch.position), phase: { name: "stopped" } };
      }
      if (phase.name !== "delivering") return state;
      return onDelivered(state, phase.batch, env, effects);
    case "failed": {
      if (phase.name === "finishing") return { ...state, phase: { name: "stopped" } };
      if (phase.name !== "delivering" && phase.name !== "reading") return state;
      return onFailed(state, input, env, effects);
    }
    case "tick": {
      if (!("until" in phase) || env.now < phase.until) return state;
      if (phase.name === "waiting" && phase.batch !== null) {
        effects.push({ type: "deliver" });
        return { ...state, phase: { name: "delivering", batch: phase.batch } };
      }
      return read(state, env, effects);
    }
    case "hurry": {
      if (!("until" in phase)) return state;
      const until = phase.name === "waiting" ? env.now : Math.max(env.now, state.freeAt);
      const sooner = { ...state, phase: { ...phase, until } };
      return transition(sooner, { type: "tick" }, env, effects);
    }
    case "stop":
      if (phase.name === "finishing") return state;
      if (phase.name !== "delivering") return { ...state, phase: { name: "stopped" } };
      return { ...state, phase: { name: "finishing", batch: phase.batch } };
  }
}

function read(state: ExportState, env: ExportEnvironment, effects: ExportEffect[]): ExportState {
  const { batchBytes = BATCH_BYTES } = env.settings;
  effects.push({ type: "read", maxBytes: batchBytes, maxEvents: state.maxEvents });
  const freeAt = Math.max(state.freeAt, env.now - CREDIT_MS);
  return { ...state, freeAt, phase: { name: "reading" } };
}

/** Waits for further events, and for what the rate allows. */
function collect(state: ExportState, { now, settings }: ExportEnvironment): ExportState {
  const until = Math.max(now + settings.batchMs, state.freeAt);
  return { ...state, phase: { name: "collecting", until } };
}

function onRead(
  state: ExportState,
  { position, events, at, isEnd, missed }: ExportInput & { readonly type: "read" },
  env: ExportEnvironment,
  effects: ExportEffect[],
): ExportState {
  let next = state;
  if (missed !== null) {
    next = tell(next, untold(missed, state), effects);
  }
  if (events > 0) {
    effects.push({ type: "deliver" });
    const behindSince = at ?? next.behindSince;
    return { ...next, behindSince, phase: { name: "delivering", batch: { position } } };
  }
  next = advance(next, position);
  return isEnd ? settle(next, env) : onward(next, env, effects);
}

/** The sink is away, and what it would get next is deleted: that is not told when it is back. */
function overtaken(
  state: ExportState,
  { batch }: Phase & { readonly name: "waiting" },
  begin: LogCount | null,
  effects: ExportEffect[],
): ExportState {
  const has = batch?.position ?? state.cursor;
  const from = has.records > (state.toldUpTo?.records ?? 0) ? has : state.toldUpTo ?? has;
  if (begin === null || begin.records <= from.records) return state;
  const missed = { records: begin.records - from.records, bytes: begin.bytes - from.bytes };
  effects.push({ type: "forget" });
  return tell({ ...state, toldUpTo: begin }, missed, effects);
}

/** What of a gap behind the cursor is not told already. */
function untold(missed: LogCount, { cursor, toldUpTo }: ExportState): LogCount {
  if (toldUpTo === null || toldUpTo.records <= cursor.records) return missed;
  return {
    records: Math.max(0, missed.records - (toldUpTo.records - cursor.records)),
    bytes: Math.max(0, missed.bytes - (toldUpTo.bytes - cursor.bytes)),
  };
}

function tell(state: ExportState, missed: LogCount, effects: ExportEffect[]): ExportState {
  if (missed.records === 0) return state;
  effects.push({ type: "overtaken", missed });
  return { ...state, missed: plus(state.missed, missed) };
}

function onDelivered(
  state: ExportState,
  { position }: Batch,
  env: ExportEnvironment,
  effects: ExportEffect[],
): ExportState {
  const { cursor, failures, delivered, maxEvents } = state;
  if (failures > 0) effects.push({ type: "recovered", failures });
  const bytes = Math.max(0, position.bytes - cursor.bytes);
  const { bytesPerSecond, batchEvents } = env.settings;
  const takes = bytesPerSecond === 0 ? 0 : bytes * 1000 / bytesPerSecond;
  return onward(
    advance({
      ...state,
      failures: 0,
      failingSince: null,
      maxEvents: Math.min(batchEvents, 2 * maxEvents),
      freeAt: state.freeAt + takes,
      delivered: plus(delivered, {
        records: Math.max(0, position.records - cursor.records),
        bytes,
      }),
    }, position),
    env,
    effects,
  );
}

function plus(one: LogCount, other: LogCount): LogCount {
  return { records: one.records + other.records, bytes: one.bytes + other.bytes };
}

function advance(state: ExportState, cursor: Position): ExportState {
  return { ...state, cursor, isKept: false };
}

/** Reads on where there is more, else waits for it. */
function onward(state: ExportState, env: ExportEnvironment, effects: ExportEffect[]): ExportState {
  if (state.cursor.records >= state.end.records) return settle(state, env);
  if (state.freeAt > env.now) {
    return { ...state, phase: { name: "collecting", until: state.freeAt } };
  }
  return read(state, env, effects);
}

/** The end of the log is reached; what has come meanwhile is collected. */
function settle(state: ExportState, env: ExportEnvironment): ExportState {
  if (state.cursor.records < state.end.records) return collect(state, env);
  return { ...state, phase: { name: "idle" }, behindSince: null };
}

function onFailed(
  state: ExportState,
  { reason, retryAfterMs, isTooLarge }: ExportInput & { readonly type: "failed" },
  { now, random }: ExportEnvironment,
  effects: ExportEffect[],
): ExportState {
  const smaller = Math.max(1, state.maxEvents >> 1);
  const isSplit = isTooLarge && smaller < state.maxEvents;
  const { phase } = state;
  const batch = phase.name === "delivering" && !isSplit ? phase.batch : null;
  const pause = isSplit ? 0 : Math.max(pauseMs(state.failures, PAUSES, random), retryAfterMs ?? 0);
  if (!isSplit) effects.push({ type: "failing", reason, pauseMs: pause });
  return {
    ...state,
    failures: isSplit ? state.failures : state.failures + 1,
    failingSince: isSplit ? state.failingSince : state.failingSince ?? now,
    maxEvents: isTooLarge ? smaller : state.maxEvents,
    phase: { name: "waiting", until: now + pause, batch },
  };
}
