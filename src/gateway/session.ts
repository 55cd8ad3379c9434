// The external session of a Module Gateway as one pure transition function [GATEWAY-TIMES]: an
// input and the time go in, the next state and a list of effects come out. It knows neither MQTT
// nor what devices report and when: its driver passes their statuses in.
import {
  connectedDeadline,
  onConnectedTimeout,
  onLinkLost,
  onMessageConnected,
  onNotifiedConnected,
  violate as violateConnected,
} from "./connected.ts";
import {
  isBeforeConnect,
  onLinkUp,
  onMessageConnecting,
  onPrepared,
  onSequenceTimeout,
  violate as violateConnecting,
} from "./connecting.ts";
import { NO_DEVICES } from "./device_map.ts";
import { foldAll, noteError, noteForced } from "./devices.ts";
import type { Effect, Input } from "./inputs.ts";
import { holdBack, onReport } from "./reports.ts";
import { connect, end, fail, type SessionEnd } from "./disconnected.ts";
import type { Environment, GatewayState, Report } from "./state.ts";

export interface Step {
  readonly state: GatewayState;
  /** To be carried out in this order. */
  readonly effects: readonly Effect[];
}

/** Takes one input; every input is allowed in every state. Never throws. */
export function step(state: GatewayState, input: Input, environment: Environment): Step {
  const effects: Effect[] = [];
  return { state: transition(state, input, environment, effects), effects };
}

/** When the gateway needs a `tick` at the latest; null when it waits only for inputs. */
export function nextDeadline(state: GatewayState, environment: Environment): number | null {
  switch (state.kind) {
    case "stopped":
      return null;
    case "not_initialized":
      return state.lookAt;
    case "not_connected":
      return state.retryAt;
    case "connecting":
      return state.by;
    case "connected":
      return connectedDeadline(state, environment);
  }
}

function transition(
  state: GatewayState,
  input: Input,
  environment: Environment,
  effects: Effect[],
): GatewayState {
  if (state.kind === "stopped") {
    if (input.type !== "start") return state;
    return { kind: "not_initialized", base: { ...state.base, linked: false }, lookAt: null };
  }
  switch (input.type) {
    case "start":
      return state;
    case "stop": {
      const base = isEstablished(state) ? end(state, STOPPED, environment, effects) : state.base;
      // What a gateway has not told the cloud by then is thrown away [GATEWAY-STOP].
      const devices = environment.settings.prepares ? NO_DEVICES : base.devices;
      return { kind: "stopped", base: { ...base, devices } };
    }
    case "link_up":
      return state.kind === "connecting" ? onLinkUp(state, environment, effects) : state;
    case "link_down":
      if (!isEstablished(state)) return state;
      effects.push({ type: "link_failed", detail: input.detail });
      return loseLink(state, { reason: "link_lost", detail: input.detail }, environment, effects);
    case "drop_link":
      if (!isEstablished(state)) return state;
      return loseLink(state, DROPPED, environment, effects);
    case "message":
      switch (state.kind) {
        case "connected":
          return onMessageConnected(state, input.message, environment, effects);
        case "connecting":
          return onMessageConnecting(state, input.message, environment, effects);
        default:
          return state;
      }
    case "malformed":
      return onMalformed(state, input.detail, environment, effects);
    case "notified":
      return onNotified(state, environment, effects);
    case "status":
    case "leave": {
      const { type, ...said } = input;
      return onSaid(state, { ...said, leaves: type === "leave" }, environment, effects);
    }
    case "forced": {
      if (state.kind !== "connecting" || state.step !== "prepare") return state;
      return { ...state, base: noteForced(state.base, input.device, input.data) };
    }
    case "error_message":
      return { ...state, base: noteError(state.base, input.device, input.errorMessage) };
    case "prepared":
      return state.kind === "connecting" ? onPrepared(state, environment, effects) : state;
    case "restart": {
      const base = isEstablished(state) ? end(state, RESTARTED, environment, effects) : state.base;
      const retryAt = environment.now + environment.settings.times.restartMs;
      return { kind: "not_connected", base: { ...base, linked: false }, retryAt };
    }
    case "tick":
      return onTick(state, environment, effects);
  }
}

const STOPPED: SessionEnd = { reason: "stopped", detail: "the gateway was stopped" };
const DROPPED: SessionEnd = { reason: "link_dropped", detail: "the gateway dropped its link" };
const RESTARTED: SessionEnd = { reason: "restarted", detail: "the gateway was restarted" };
const NOTIFIED: SessionEnd = {
  reason: "notified",
  detail: "the server sent the disconnect notification",
};

type Established = Extract<GatewayState, { kind: "connecting" | "connected" }>;

function isEstablished(state: GatewayState): state is Established {
  return state.kind === "connecting" || state.kind === "connected";
}

function loseLink(
  state: Established,
  cause: SessionEnd,
  environment: Environment,
  effects: Effect[],
): GatewayState {
  return state.kind === "connected"
    ? onLinkLost(state, cause, environment, effects)
    : fail(state, cause, environment, effects);
}

function onMalformed(
  state: GatewayState,
  detail: string,
  environment: Environment,
  effects: Effect[],
): GatewayState {
  if (state.kind === "connected") {
    return violateConnected(state, "malformed", detail, environment, effects);
  }
  return state.kind === "connecting"
    ? violateConnecting(state, "malformed", detail, environment, effects)
    : state;
}

function onNotified(
  state: GatewayState,
  environment: Environment,
  effects: Effect[],
): GatewayState {
  // Version 1.3 has not subscribed.
  if (environment.settings.version === "1.3") return state;
  if (state.kind === "connected") return onNotifiedConnected(state, environment, effects);
  return state.kind === "connecting" && !isBeforeConnect(state)
    ? fail(state, NOTIFIED, environment, effects)
    : state;
}

function onSaid(
  state: GatewayState,
  report: Report,
  environment: Environment,
  effects: Effect[],
): GatewayState {
  if (state.kind === "connected") return onReport(state, report, environment, effects);
  if (state.kind === "connecting" && !isBeforeConnect(state)) {
    return holdBack(state, report, environment, effects);
  }
  const base = foldAll(state.base, [report], environment.settings, effects);
  const said = { ...state, base };
  return said.kind === "not_initialized" && !report.leaves
    ? connect(said.base, environment, effects)
    : said;
}

function onTick(
  state: GatewayState,
  environment: Environment,
  effects: Effect[],
): GatewayState {
  const due = nextDeadline(state, environment);
  if (due === null || environment.now < due) return state;
  switch (state.kind) {
    case "stopped":
      return state;
    case "not_initialized":
    case "not_connected":
      return connect(state.base, environment, effects);
    case "connecting":
      return onSequenceTimeout(state, environment, effects);
    case "connected":
      return onConnectedTimeout(state, environment, effects);
  }
}
