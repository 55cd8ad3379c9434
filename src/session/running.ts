// Normal communication: what follows the connect sequence, and commands with their responses.
import {
  type ClientMessage,
  type CommandResponse,
  CommandResponseType,
  ConnectResponseType,
  nextCounter,
  type Status,
} from "../protocol/mod.ts";
import { ALWAYS_READING, gatewayTime } from "./backpressure.ts";
import { resumeAgain, withoutExpired } from "./command_keeping.ts";
import { commandBytes, releaseHeld, takeReady } from "./command_order.ts";
import { noteDoubt, sendCommand, settleCommands, withResponse } from "./sent_commands.ts";
import { onDeviceLeft } from "./device_connection.ts";
import type { StepContext } from "./effects.ts";
import { ignore } from "./ignore_message.ts";
import { NO_DEVICES, withoutDevice } from "./known_devices.ts";
import { allGone, onStatus, pump } from "./running_statuses.ts";
import type { Connecting, Running, Waiting } from "./state.ts";
import { orderAfterConnect } from "./status_order.ts";

type Next = Running | Waiting;

/** The connect sequence is done: handles the statuses it kept, and publishes waiting commands. */
export function enterRunning(
  session: Connecting,
  handled: readonly number[],
  kept: readonly Status[],
  context: StepContext,
): Next {
  const { base, sessionId, sender, devices, listed } = session;
  context.effects.push({
    type: "note",
    note: { code: "running", connected: devices.length, listed: listed.length },
  });
  let next: Next = {
    kind: "running",
    // First statuses are answered already: the results of their modules are not needed, also when a
    // gateway starts counting again and reuses their counters.
    base: { ...base, epoch: base.epoch + 1 },
    sessionId,
    sender,
    devices,
    resuming: NO_DEVICES,
    statuses: orderAfterConnect(handled, context.now),
    sent: [],
    heardAt: context.now,
    reading: ALWAYS_READING,
    noted: [],
  };
  for (const status of kept) {
    if (next.kind !== "running") return next;
    next = onStatus(next, status, context);
  }
  return next.kind === "running" ? sendCommands(next, context) : next;
}

/** A message of the gateway in normal communication. */
export function onMessageRunning(
  session: Running,
  message: ClientMessage,
  context: StepContext,
): Next {
  if (message.sessionId !== session.sessionId) {
    return ignore(session, "other_session", message, context);
  }
  switch (message.kind) {
    case "status":
      return onStatus(session, message, context);
    case "command_response":
      return onCommandResponse(heard(session, context.now), message, context);
    case "connect": {
      const { sessionId } = session;
      const type = ConnectResponseType.ALREADY_LOGGED;
      context.effects.push({
        type: "publish",
        message: { kind: "connect_response", sessionId, type },
      });
      return session;
    }
  }
}

function heard(session: Running, now: number): Running {
  return { ...session, heardAt: gatewayTime(session, now) };
}

/** Publishes waiting commands, unless too many are unanswered. */
export function sendCommands(session: Running, context: StepContext): Running {
  const { base, sessionId, devices } = session;
  const { settings } = context;
  let { commandCounter } = base;
  let commands = resumeAgain(withoutExpired(base.commands, context), devices);
  if (commands.ready.size === 0 && commands.held.length === 0) {
    return commands === base.commands ? session : { ...session, base: { ...base, commands } };
  }
  const sent = [...session.sent];
  const time = gatewayTime(session, context.now);
  let sentBytes = sent.reduce((sum, { command }) => sum + commandBytes(command), 0);
  while (
    sent.length < settings.maxUnansweredCommands && sentBytes < settings.maxWaitingCommandBytes
  ) {
    const taken = takeReady(commands);
    if (taken === null) break;
    const [waiting, rest] = taken;
    commands = rest;
    sentBytes += commandBytes(waiting.command);
    noteDoubt(waiting.command, devices, context);
    sent.push(sendCommand(waiting, commandCounter, sessionId, time, context));
    commandCounter = nextCounter(commandCounter);
  }
  commands = releaseHeld(commands, context);
  return { ...session, base: { ...base, commands, commandCounter }, sent };
}

function onCommandResponse(
  session: Running,
  response: CommandResponse,
  context: StepContext,
): Next {
  const { messageCounter, type } = response;
  const marked = withResponse(session.sent, messageCounter, type);
  if (marked === session.sent) return ignore(session, "unknown_counter", response, context);
  let next = session;
  if (type === CommandResponseType.DEVICE_NOT_CONNECTED) {
    // Immediately, without waiting for earlier responses.
    const command = session.sent.find(({ counter }) => counter === messageCounter);
    if (command !== undefined) {
      const { device } = command.command;
      next = onDeviceLeft(next, device, context);
      next = { ...next, resuming: withoutDevice(next.resuming, device) };
    }
  }
  next = { ...next, sent: settleCommands(marked, context) };
  if (next.devices.length === 0) return allGone(next, context);
  const pumped = pump(next, context);
  return pumped.kind === "running" ? sendCommands(pumped, context) : pumped;
}
