// A gateway between two sessions: ends one, and begins the next.
import { foldAll, foldUnanswered, hasNoDevice, leaveSession } from "./devices.ts";
import type { Effect } from "./inputs.ts";
import type {
  Base,
  Connected,
  Connecting,
  EndReason,
  Environment,
  GatewayState,
  NotConnected,
} from "./state.ts";

/** Why a session ends. */
export interface SessionEnd {
  readonly reason: EndReason;
  /** Human-readable, with the values. */
  readonly detail: string;
}

/** Begins to connect, or waits for a device when there is none. */
export function connect(
  base: Base,
  { now, settings }: Environment,
  effects: Effect[],
): GatewayState {
  if (hasNoDevice(base)) return { kind: "not_initialized", base, lookAt: null };
  const next = { ...base, linked: true };
  if (settings.firstLinkFails && !base.linked) {
    effects.push({ type: "link_failed", detail: "the first one of a gateway's process fails" });
    return { kind: "not_connected", base: next, retryAt: now + settings.times.retryMs };
  }
  effects.push({ type: "open_link" });
  return {
    kind: "connecting",
    base: next,
    step: "link",
    sessionId: "",
    listed: [],
    by: null,
    open: [],
    awaited: [],
    lastCommand: null,
    waiting: [],
  };
}

/** Ends the session if there is one; its unanswered statuses are for the next. */
export function end(
  state: Connecting | Connected,
  cause: SessionEnd,
  { settings }: Environment,
  effects: Effect[],
): Base {
  const { sessionId, open, waiting } = state;
  if (cause.reason !== "link_lost") effects.push({ type: "close_link" });
  if (sessionId !== "") {
    const hadRun = state.kind === "connected";
    effects.push({ type: "ended", sessionId, ...cause, hadRun, unanswered: open });
  }
  const base = foldUnanswered(leaveSession(state.base), open, settings, effects);
  return foldAll(base, waiting, settings, effects);
}

/** A connect sequence failed: the next one begins after a pause [GATEWAY-TIMES]. */
export function fail(
  state: Connecting,
  cause: SessionEnd,
  environment: Environment,
  effects: Effect[],
): NotConnected {
  const base = end(state, cause, environment, effects);
  const { now, settings } = environment;
  return { kind: "not_connected", base, retryAt: now + settings.times.retryMs };
}

/** The session has ended; the next status, which may be waiting already, begins a new one. */
export function drop(
  state: Connected,
  cause: SessionEnd,
  environment: Environment,
  effects: Effect[],
): GatewayState {
  const base = end(state, cause, environment, effects);
  if (state.waiting.some(({ leaves }) => !leaves)) return connect(base, environment, effects);
  return { kind: "not_initialized", base, lookAt: null };
}
