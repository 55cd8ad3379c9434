// The life of a car as one pure transition function: an input and the time go in, the
// next state and a list of effects come out. It calls neither transport nor modules,
// sets no timer and reads no clock.
import { NO_COMMANDS, storeCommand } from "./command_order.ts";
import {
  onDeviceResultConnecting,
  onMessageConnecting,
  onStepTimeout,
  ownSender,
  senderOf,
  stepDeadline,
} from "./connecting.ts";
import { type Connect, wasMade } from "../protocol/mod.ts";
import { NO_CONNECTS } from "./connect_rate.ts";
import type { Effect, Ignored, Input, Note } from "./effects.ts";
import { type Ending, endSession, waiting } from "./ending.ts";
import { ignore } from "./ignore.ts";
import { NO_DEVICES } from "./known_devices.ts";
import { onPause, onRestart, onResume } from "./operator.ts";
import { onDeviceResultRunning, onForwarded, onMessageRunning, sendCommands } from "./running.ts";
import { onRunningTimeout, runningDeadline } from "./running_timers.ts";
import { withReading } from "./reading.ts";
import type { SessionSettings } from "./settings.ts";
import { onSettings } from "./settings_change.ts";
import type { Base, Established, Offline, Session } from "./state.ts";
import { tellOnce } from "./telling.ts";
import {
  connectProblem,
  onMessageWaiting,
  onModulesReady,
  onWaitingTimeout,
  waitingDeadline,
} from "./waiting.ts";

/** What one input leads to. */
export interface Step {
  readonly session: Session;
  /** To be carried out in this order. */
  readonly effects: readonly Effect[];
}

/** A car without a broker connection and module contexts. */
export function createSession(settings: SessionSettings): Session {
  const base: Base = {
    settings,
    epoch: 0,
    commandCounter: 0,
    commands: NO_COMMANDS,
    toldAt: null,
    rate: NO_CONNECTS,
    modulesReady: false,
    paused: false,
  };
  return { kind: "offline", base };
}

/**
 * Takes one input at `now` (milliseconds of a monotonic clock).
 *
 * Accepts every input in every state; a stopped session ignores all. Never throws.
 */
export function step(session: Session, input: Input, now: number): Step {
  const effects: Effect[] = [];
  const next = transition(session, input, now, effects);
  return { session: next.kind === "running" ? withReading(next, now) : next, effects };
}

/**
 * When the session needs a `tick` at the latest, in milliseconds; Infinity when it waits only for inputs.
 * Calling this is cheap: one timer per car, set again only when it fires, is enough.
 */
export function nextDeadline(session: Session): number {
  switch (session.kind) {
    case "waiting":
      return waitingDeadline(session);
    case "connecting":
      return stepDeadline(session);
    case "running":
      return runningDeadline(session);
    default:
      return Infinity;
  }
}

/** Whether so many statuses wait for modules that reading must pause. */
export function isSaturated(session: Session): boolean {
  return session.kind === "running" && session.reading.pausedSince !== null;
}

function transition(session: Session, input: Input, now: number, effects: Effect[]): Session {
  if (session.kind === "stopped") return session;
  switch (input.type) {
    case "message":
      return onMessage(session, input, now, effects);
    case "rejected": {
      const { why, detail } = input;
      return noted(session, { code: "rejected", why, detail }, effects);
    }
    case "call_failed": {
      const { call, device, outcome } = input;
      return noted(session, { code: "call_failed", call, device, outcome }, effects);
    }
    case "forwarded":
      if (session.kind !== "running" || input.epoch !== session.base.epoch) return session;
      return onForwarded(session, input.counter, now, effects);
    case "device_result":
      return onDeviceResult(session, input, now, effects);
    case "command":
      return onCommand(session, input, now, effects);
    case "tick":
      return onTick(session, now, effects);
    case "broker_connected":
      return session.kind === "offline" ? onBrokerConnected(session, now, effects) : session;
    case "broker_up":
      return session.kind === "offline" ? waiting(session.base) : session;
    case "broker_leaving": {
      const { detail } = input;
      const ending = { reason: "broker_lost", detail, word: "already_logged" } as const;
      const { base } = ended(session, ending, now, effects);
      return { kind: "offline", base };
    }
    case "broker_lost": {
      const ending = { reason: "broker_lost", detail: input.detail } as const;
      const { base } = ended(session, ending, now, effects);
      return { kind: "offline", base };
    }
    case "module_lost": {
      const ending = { reason: "module_lost", detail: input.detail } as const;
      const next = ended(session, ending, now, effects);
      return { ...next, base: { ...next.base, modulesReady: false } };
    }
    case "modules_ready":
      if (session.kind === "waiting") return onModulesReady(session, now, effects);
      return { ...session, base: { ...session.base, modulesReady: true } };
    case "settings":
      return onSettings(session, input.settings, now, effects);
    case "restart":
      return onRestart(session, now, effects);
    case "pause":
      return onPause(session, now, effects);
    case "resume":
      return onResume(session);
    case "stop":
      return onStop(session, input.detail, now, effects);
  }
}

/**
 * Tells a gateway that believes in an earlier session, or whose Connect was missed, to connect again; and
 * one of a paused car to stop.
 */
function onBrokerConnected(session: Offline, now: number, effects: Effect[]): Offline {
  const word = session.base.paused ? "notification" : "already_logged";
  return { ...session, base: tellOnce(session.base, word, "", now, effects) };
}

function onMessage(
  session: Session,
  { message }: Input & { type: "message" },
  now: number,
  effects: Effect[],
): Session {
  switch (session.kind) {
    case "running":
    case "connecting": {
      if (message.kind === "connect" && message.sessionId !== session.sessionId) {
        const why = refusal(session, message);
        if (why !== null) return ignore(session, why, message, effects);
        // The gateway has restarted: this message begins its new session [CONNECT-NEW-SESSION].
        const detail = `Connect with the new session id "${message.sessionId}"`;
        const waiting = endSession(session, { reason: "new_session", detail }, now, effects);
        return onMessageWaiting(waiting, message, now, effects);
      }
      return session.kind === "running"
        ? onMessageRunning(session, message, now, effects)
        : onMessageConnecting(session, message, now, effects);
    }
    case "waiting":
      return onMessageWaiting(session, message, now, effects);
    default:
      return session;
  }
}

/** Why a Connect with another session id must not end this session; undefined: it may. */
function refusal(session: Established, connect: Connect): Ignored | null {
  if (connectProblem(connect, session.base.settings) !== null) return "bad_connect";
  // A gateway may use any name, but must not interrupt another one's session.
  const sender = senderOf(connect);
  return sender === ownSender(session.base.settings) || sender === session.sender
    ? null
    : "other_car";
}

function onDeviceResult(
  session: Session,
  { epoch, device, outcome }: Input & { type: "device_result" },
  now: number,
  effects: Effect[],
): Session {
  // A call that was not made says nothing about the device; `module_lost` has come or will come.
  if (epoch !== session.base.epoch || !wasMade(outcome)) return session;
  switch (session.kind) {
    case "connecting":
      return onDeviceResultConnecting(session, device, outcome, now, effects);
    case "running":
      return onDeviceResultRunning(session, device, outcome, now, effects);
    default:
      return session;
  }
}

function onCommand(
  session: Session,
  { module, command }: Input & { type: "command" },
  now: number,
  effects: Effect[],
): Session {
  const { base } = session;
  const devices = isEstablished(session) ? session.devices : NO_DEVICES;
  const waiting = { module, command };
  const commands = storeCommand(base.commands, devices, waiting, base.settings, effects);
  const next = { ...session, base: { ...base, commands } };
  return next.kind === "running" ? sendCommands(next, now, effects) : next;
}

function onTick(session: Session, now: number, effects: Effect[]): Session {
  if (now < nextDeadline(session)) return session;
  switch (session.kind) {
    case "waiting":
      return onWaitingTimeout(session, now, effects);
    case "connecting":
      return onStepTimeout(session, now, effects);
    case "running":
      return onRunningTimeout(session, now, effects);
    default:
      return session;
  }
}

function onStop(
  session: Session,
  why: string | undefined,
  now: number,
  effects: Effect[],
): Session {
  const ending: Ending = why === undefined
    ? { reason: "stopped", detail: "The server stops" }
    : { reason: "stopped", detail: why, word: "already_logged" };
  return { kind: "stopped", base: ended(session, ending, now, effects).base };
}

function noted(session: Session, note: Note, effects: Effect[]): Session {
  effects.push({ type: "note", note });
  return session;
}

function isEstablished(session: Session): session is Established {
  return session.kind === "connecting" || session.kind === "running";
}

/** Ends the session if there is one; otherwise changes nothing. */
function ended(session: Session, ending: Ending, now: number, effects: Effect[]): Session {
  return isEstablished(session) ? endSession(session, ending, now, effects) : session;
}
