// Reports of devices: what a connected gateway sends, what must wait, and the reconnect after it.
import { DeviceState, nextCounter, type Status } from "../protocol/mod.ts";
import { fold, foldAll, isConnected, noteSent } from "./devices.ts";
import type { Effect } from "./inputs.ts";
import { connect, end, type SessionEnd } from "./disconnected.ts";
import {
  type Connected,
  type Connecting,
  type Environment,
  type GatewayState,
  isSaturated,
  MAX_WAITING,
  MAX_WAITING_BYTES,
  type Report,
} from "./state.ts";

/** A device reports something, or leaves. */
export function onReport(
  state: Connected,
  report: Report,
  environment: Environment,
  effects: Effect[],
): GatewayState {
  if (state.silentUntil !== null) return holdBack(state, report, environment, effects);
  const connected = isConnected(state.base, report.device);
  if (report.leaves ? !connected : isSaturated(state, environment.settings)) {
    effects.push({ type: "kept", tag: report.tag });
    const base = fold(state.base, report, environment.settings, effects);
    return { ...state, base };
  }
  const sent = send(state, report, connected, environment, effects);
  // The queue of reconnects is looked at after each status.
  return sent.reconnect === null ? sent : reconnect(sent, sent.reconnect, environment, effects);
}

/** A report that must wait; with too many, the oldest only becomes its device's last status. */
export function holdBack<T extends Connecting | Connected>(
  state: T,
  report: Report,
  { settings }: Environment,
  effects: Effect[],
): T {
  const waiting = [...state.waiting, report];
  let { base } = state;
  const size = ({ data, errorMessage }: Report) => data.length + errorMessage.length;
  let bytes = waiting.reduce((sum, one) => sum + size(one), 0);
  while (waiting.length > MAX_WAITING || bytes > MAX_WAITING_BYTES) {
    const oldest = waiting.shift();
    if (oldest === undefined) break;
    bytes -= size(oldest);
    effects.push({ type: "kept", tag: oldest.tag });
    base = fold(base, oldest, settings, effects);
  }
  return { ...state, base, waiting };
}

/** {@linkcode onReport} for several; those behind a reconnect are for the next session. */
export function sendAll(
  state: Connected,
  reports: readonly Report[],
  environment: Environment,
  effects: Effect[],
): GatewayState {
  return reports.reduce<GatewayState>(
    (next, report) =>
      next.kind === "connected"
        ? onReport(next, report, environment, effects)
        : { ...next, base: foldAll(next.base, [report], environment.settings, effects) },
    state,
  );
}

function send(
  state: Connected,
  report: Report,
  connected: boolean,
  { now, settings }: Environment,
  effects: Effect[],
): Connected {
  const { device, data: statusData, errorMessage, leaves, tag } = report;
  const status: Status = {
    kind: "status",
    sessionId: state.sessionId,
    deviceState: leaves
      ? DeviceState.DISCONNECT
      : connected
      ? DeviceState.RUNNING
      : DeviceState.CONNECTING,
    messageCounter: state.counter,
    device,
    statusData,
    errorMessage,
  };
  effects.push({ type: "send", message: status, inSequence: false, tag });
  return {
    ...state,
    base: noteSent(state.base, report, settings, effects),
    counter: nextCounter(state.counter),
    open: [...state.open, { status, sentAt: now, tag }],
    openBytes: state.openBytes + sizeOf(status),
    lookedAt: now,
    silentUntil: leaves ? now + settings.times.leaveMs : null,
  };
}

/** Queues a reconnect for the next look, or after the next status; the first one counts. */
export function queueReconnect(
  state: Connected,
  cause: SessionEnd,
  { now, settings }: Environment,
): Connected {
  if (state.reconnect !== null) return state;
  const at = nextLook(state, now, settings.times.lookMs);
  return { ...state, reconnect: { ...cause, at } };
}

/** When the queue of reconnects is looked at next, if no status comes. */
export function nextLook({ lookedAt }: Connected, now: number, lookMs: number): number {
  const looks = Math.floor((now - lookedAt) / lookMs) + 1;
  return lookedAt + looks * lookMs;
}

/** Closes, and connects at once. */
export function reconnect(
  state: Connected,
  { reason, detail }: SessionEnd,
  environment: Environment,
  effects: Effect[],
): GatewayState {
  return connect(end(state, { reason, detail }, environment, effects), environment, effects);
}

/** Bytes of data a status holds. */
export function sizeOf({ statusData, errorMessage }: Status): number {
  return statusData.length + errorMessage.length;
}
