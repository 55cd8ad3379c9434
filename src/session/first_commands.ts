// Step 3 of the connect sequence: a first command for every listed device, and the responses
// [CONNECT-FIRST-COMMANDS].
import {
  type CommandResponse,
  CommandResponseType,
  nextCounter,
  NO_BYTES,
} from "../protocol/mod.ts";
import { resumeAgain, withoutExpired } from "./command_keeping.ts";
import { firstOf, takeFirstCommands } from "./command_order.ts";
import {
  noteDoubt,
  sendCommand,
  type SentCommand,
  settleCommands,
  withResponse,
} from "./sent_commands.ts";
import { onDeviceLeft } from "./device_connection.ts";
import type { StepContext } from "./effects.ts";
import { enterRunning } from "./running.ts";
import { endSession } from "./session_end.ts";
import type { AwaitingResponses, AwaitingStatuses, Connecting, Running, Waiting } from "./state.ts";
import { forwardHeard } from "./status_forward.ts";

/** Step 3: a command for every listed device, the oldest one waiting or an empty one. */
export function sendFirstCommands(
  session: Connecting,
  step: AwaitingStatuses,
  context: StepContext,
): Connecting {
  forwardHeard(session, step.heard, context);
  const { listed, sessionId, devices } = session;
  const stored = resumeAgain(withoutExpired(session.base.commands, context), devices);
  const [first, commands] = takeFirstCommands(stored, listed, devices, context);
  let { commandCounter } = session.base;
  const counters = step.heard.map(({ messageCounter }) => messageCounter);
  const sent: SentCommand[] = [];
  for (const device of listed) {
    const waiting = firstOf(first, device);
    if (waiting !== undefined) noteDoubt(waiting.command, devices, context);
    const empty = { device, data: NO_BYTES };
    const one = waiting ?? { module: null, command: empty, id: null, at: context.now, sends: 0 };
    sent.push(sendCommand(one, commandCounter, sessionId, context.now, context));
    commandCounter = nextCounter(commandCounter);
  }
  return {
    ...session,
    base: { ...session.base, commands, commandCounter },
    step: {
      name: "responses",
      sent,
      awaited: sent.length,
      handled: [...counters, ...step.skipped],
      kept: step.kept,
      since: context.now,
    },
  };
}

/**
 * Step 3: a response of this session. It acknowledges the command whose counter it has; one with a
 * counter that no command has, or that was answered already, counts all the same
 * [CONNECT-COMMAND-RESPONSES].
 */
export function onFirstResponse(
  session: Connecting,
  step: AwaitingResponses,
  response: CommandResponse,
  context: StepContext,
): Connecting | Running | Waiting {
  const { messageCounter, type } = response;
  const marked = withResponse(step.sent, messageCounter, type);
  const command = step.sent.find(({ counter }) => counter === messageCounter);
  // With a counter that was answered already, it is not known which device is meant.
  const gone = command !== undefined && marked !== step.sent &&
    type === CommandResponseType.DEVICE_NOT_CONNECTED;
  const known = gone ? onDeviceLeft(session, command.command.device, context) : session;
  const awaited = step.awaited - 1;
  // A response with another counter stood in for a command's own, which must not block others.
  const open = awaited > 0 ? marked : marked.filter(({ response }) => response !== null);
  const sent = settleCommands(open, context);
  const next: Connecting = {
    ...known,
    step: { ...step, sent, awaited, since: context.now },
  };
  if (next.devices.length === 0) {
    const detail = `The gateway answered that ${session.devices.length} devices are not connected`;
    return endSession(next, { reason: "all_devices_gone", detail }, context);
  }
  return awaited > 0 ? next : enterRunning(next, step.handled, step.kept, context);
}
