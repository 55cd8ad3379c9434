// The life of a car as one pure transition function: an input and the time go in, the
// next state and a list of effects come out. It calls neither transport nor modules,
// sets no timer and reads no clock.
import { withoutAny, withoutExpired } from "./command_keeping.ts";
import { poppedCommand, storeCommand, type WaitingCommand } from "./command_order.ts";
import {
  onDeviceResultConnecting,
  onMessageConnecting,
  onStepTimeout,
  ownSender,
  senderOf,
  stepDeadline,
} from "./connecting.ts";
import { type Connect, wasMade } from "../protocol/mod.ts";
import type { Effect, Environment, Ignored, Input, Note, StepContext } from "./effects.ts";
import { endSession, type SessionEnd, waiting } from "./session_end.ts";
import { commandsToAdd, NEW_BASE, onHandOver, onTakeOver } from "./hand_over.ts";
import { ignore } from "./ignore_message.ts";
import { NO_DEVICES } from "./known_devices.ts";
import { onPause, onRestart, onResume } from "./operator_actions.ts";
import { onMessageRunning, sendCommands } from "./running.ts";
import { onDeviceResultRunning, onForwarded } from "./running_statuses.ts";
import { onRunningTimeout, runningDeadline } from "./running_timers.ts";
import { withReading } from "./backpressure.ts";
import type { SessionSettings } from "./settings.ts";
import { onSettings } from "./settings_change.ts";
import type { Established, Offline, Session } from "./state.ts";
import { requestReconnectOnce } from "./reconnect_request.ts";
import {
  connectProblem,
  onMessageWaiting,
  onModulesReady,
  onWaitingTimeout,
  waitingDeadline,
} from "./wait_for_connect.ts";

/** The result of one input. */
export interface Step {
  readonly session: Session;
  /** To be carried out in this order. */
  readonly effects: readonly Effect[];
}

/** A car without a broker connection and module contexts. */
export function createSession(): Session {
  return { kind: "offline", base: NEW_BASE };
}

/**
 * Takes one input. Accepts every input in every state; a stopped session ignores all. Never throws.
 */
export function step(session: Session, input: Input, { now, settings }: Environment): Step {
  const context: StepContext = { now, settings, effects: [] };
  const next = transition(session, input, context);
  const { effects } = context;
  return { session: next.kind === "running" ? withReading(next, context) : next, effects };
}

/**
 * When the session needs a `tick` at the latest, in milliseconds; Infinity when it waits only for
 * inputs. Calling this is cheap: one timer per car, set again only when it fires, is enough.
 */
export function nextDeadline(session: Session, settings: SessionSettings): number {
  if (session.kind === "stopped") return Infinity;
  const expiresAt = session.base.commands.expiresAt ?? Infinity;
  return Math.min(sessionDeadline(session, settings), expiresAt);
}

function sessionDeadline(session: Session, settings: SessionSettings): number {
  switch (session.kind) {
    case "waiting":
      return waitingDeadline(session);
    case "connecting":
      return stepDeadline(session, settings);
    case "running":
      return runningDeadline(session, settings);
    default:
      return Infinity;
  }
}

/** Whether too many statuses wait for modules, so that reading must pause. */
export function isSaturated(session: Session): boolean {
  return session.kind === "running" && session.reading.pausedSince !== null;
}

function transition(session: Session, input: Input, context: StepContext): Session {
  if (session.kind === "stopped") return session;
  switch (input.type) {
    case "message":
      return onMessage(session, input, context);
    case "rejected": {
      const { why, detail } = input;
      return noted(session, { code: "rejected", why, detail }, context);
    }
    case "call_failed": {
      const { call, device, outcome } = input;
      return noted(session, { code: "call_failed", call, device, outcome }, context);
    }
    case "forwarded":
      if (session.kind !== "running" || input.epoch !== session.base.epoch) return session;
      return onForwarded(session, input.counter, context);
    case "device_result":
      return onDeviceResult(session, input, context);
    case "command":
      return onCommand(session, input, context);
    case "tick":
      return onTick(session, context);
    case "broker_connected":
      return session.kind === "offline" ? onBrokerConnected(session, context) : session;
    case "broker_up":
      return session.kind === "offline" ? waiting(session.base) : session;
    case "broker_leaving": {
      const { detail } = input;
      const end = { reason: "broker_lost", detail, request: "already_logged" } as const;
      const { base } = ended(session, end, context);
      return { kind: "offline", base };
    }
    case "broker_lost": {
      const end = { reason: "broker_lost", detail: input.detail } as const;
      const { base } = ended(session, end, context);
      return { kind: "offline", base };
    }
    case "module_lost": {
      const end = { reason: "module_lost", detail: input.detail } as const;
      const next = ended(session, end, context);
      return { ...next, base: { ...next.base, modulesReady: false } };
    }
    case "modules_ready":
      if (session.kind === "waiting") return onModulesReady(session, context);
      return { ...session, base: { ...session.base, modulesReady: true } };
    case "settings":
      return onSettings(session, context);
    case "hand_over":
      return onHandOver(session);
    case "take_over": {
      const { session: taken = session } = input;
      let next = onTakeOver(taken, session, context);
      if (taken !== session) {
        for (const command of commandsToAdd(session.base, next)) {
          next = withCommand(next, command, context);
        }
      }
      for (const message of input.missed) {
        next = transition(next, { type: "message", message }, context);
      }
      return next;
    }
    case "restart":
      return onRestart(session, context);
    case "pause":
      return onPause(session, context);
    case "resume":
      return onResume(session);
    case "stop":
      return onStop(session, input.detail, context);
  }
}

/**
 * Asks a gateway to connect again, as it may still be in an earlier session, or its Connect may have
 * been missed; or, if the car is paused, to leave.
 */
function onBrokerConnected(session: Offline, context: StepContext): Offline {
  const request = session.base.paused ? "notification" : "already_logged";
  return { ...session, base: requestReconnectOnce(session.base, request, "", context) };
}

function onMessage(
  session: Session,
  { message }: Input & { type: "message" },
  context: StepContext,
): Session {
  switch (session.kind) {
    case "running":
    case "connecting": {
      if (message.kind === "connect" && message.sessionId !== session.sessionId) {
        const why = refusal(session, message, context);
        if (why !== null) return ignore(session, why, message, context);
        // The gateway has restarted: this message begins its new session [CONNECT-NEW-SESSION].
        const detail = `Connect with the new session id "${message.sessionId}"`;
        const waiting = endSession(session, { reason: "new_session", detail }, context);
        return onMessageWaiting(waiting, message, context);
      }
      return session.kind === "running"
        ? onMessageRunning(session, message, context)
        : onMessageConnecting(session, message, context);
    }
    case "waiting":
      return onMessageWaiting(session, message, context);
    default:
      return session;
  }
}

/** Why a Connect with another session id must not end this session; undefined: it may. */
function refusal(
  session: Established,
  connect: Connect,
  { settings }: Environment,
): Ignored | null {
  if (connectProblem(connect, settings) !== null) return "bad_connect";
  // A gateway may use any name, but must not interrupt another one's session.
  const sender = senderOf(connect);
  return sender === ownSender(settings) || sender === session.sender ? null : "other_car";
}

function onDeviceResult(
  session: Session,
  { epoch, device, outcome }: Input & { type: "device_result" },
  context: StepContext,
): Session {
  // A call that was not made says nothing about the device; `module_lost` has come or will come.
  if (epoch !== session.base.epoch || !wasMade(outcome)) return session;
  switch (session.kind) {
    case "connecting":
      return onDeviceResultConnecting(session, device, outcome, context);
    case "running": {
      const next = onDeviceResultRunning(session, device, outcome, context);
      // Commands to be sent again may have waited for the device.
      return next.kind === "running" && next.base.commands.again.length > 0
        ? sendCommands(next, context)
        : next;
    }
    default:
      return session;
  }
}

function onCommand(
  session: Session,
  { module, command, id }: Input & { type: "command" },
  context: StepContext,
): Session {
  return withCommand(session, poppedCommand(module, command, id, context), context);
}

function withCommand(session: Session, waiting: WaitingCommand, context: StepContext): Session {
  const { base } = session;
  const devices = isEstablished(session) ? session.devices : NO_DEVICES;
  const commands = storeCommand(base.commands, devices, waiting, context);
  const next = { ...session, base: { ...base, commands } };
  return next.kind === "running" ? sendCommands(next, context) : next;
}

function onTick(session: Session, context: StepContext): Session {
  const next = withoutExpiredCommands(session, context);
  if (context.now < sessionDeadline(next, context.settings)) return next;
  switch (next.kind) {
    case "waiting":
      return onWaitingTimeout(next, context);
    case "connecting":
      return onStepTimeout(next, context);
    case "running":
      return onRunningTimeout(next, context);
    default:
      return next;
  }
}

function withoutExpiredCommands(session: Session, context: StepContext): Session {
  const { base } = session;
  const commands = withoutExpired(base.commands, context);
  return commands === base.commands ? session : { ...session, base: { ...base, commands } };
}

function onStop(
  session: Session,
  why: string | undefined,
  context: StepContext,
): Session {
  const end: SessionEnd = why === undefined
    ? { reason: "stopped", detail: "The server stops" }
    : { reason: "stopped", detail: why, request: "already_logged" };
  const { base } = ended(session, end, context);
  return { kind: "stopped", base: { ...base, commands: withoutAny(base.commands, context) } };
}

function noted(session: Session, note: Note, context: StepContext): Session {
  context.effects.push({ type: "note", note });
  return session;
}

function isEstablished(session: Session): session is Established {
  return session.kind === "connecting" || session.kind === "running";
}

/** Ends the session if there is one; otherwise changes nothing. */
function ended(session: Session, end: SessionEnd, context: StepContext): Session {
  return isEstablished(session) ? endSession(session, end, context) : session;
}
