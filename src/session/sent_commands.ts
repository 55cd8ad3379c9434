// Commands published but not answered. Counters are consecutive, and responses are settled in counter
// order [COMMAND-COUNTER] [COMMAND-ACK].
import { CommandResponseType, type ModuleCommand } from "../protocol/mod.ts";
import type { WaitingCommand } from "./command_order.ts";
import type { StepContext } from "./effects.ts";
import { hasDevice, type KnownDevices } from "./known_devices.ts";

/** A published command whose response has not been settled. */
export interface SentCommand extends Omit<WaitingCommand, "module" | "key"> {
  readonly counter: number;
  /** The module to acknowledge it to; `null` for the empty commands of the connect sequence. */
  readonly module: number | null;
  /** When it was published, in milliseconds. */
  readonly sentAt: number;
  /** The type of its response; `null` until it has come. */
  readonly response: number | null;
}

/** Notes a command that is sent although something is wrong with it [COMMAND-UNCONNECTED]. */
export function noteDoubt(
  { device, data }: ModuleCommand,
  connected: KnownDevices,
  context: StepContext,
): void {
  const why = data.length === 0
    ? "empty"
    : hasDevice(connected, device)
    ? null
    : "device_not_connected";
  if (why === null) return;
  context.effects.push({ type: "note", note: { code: "command_doubtful", why, device } });
}

/** Publishes a command under its counter, which is used up even if publishing fails. */
export function sendCommand(
  { module, command, id, at, sends }: Omit<SentCommand, "counter" | "sentAt" | "response">,
  counter: number,
  sessionId: string,
  sentAt: number,
  context: StepContext,
): SentCommand {
  context.effects.push({
    type: "publish",
    message: {
      kind: "command",
      sessionId,
      messageCounter: counter,
      device: command.device,
      commandData: command.data,
    },
    ...named(id),
  });
  return { counter, module, command, id, at, sends: sends + 1, sentAt, response: null };
}

function named(id: string | null): { readonly commandId?: string } {
  return id === null ? {} : { commandId: id };
}

/** Notes the response for `counter`; the same list when no unanswered command has that counter. */
export function withResponse(
  sent: readonly SentCommand[],
  counter: number,
  responseType: number,
): readonly SentCommand[] {
  const first = sent[0];
  if (first === undefined) return sent;
  // Counters are consecutive, so the distance is the index.
  const index = (counter - first.counter) >>> 0;
  const command = sent[index];
  if (command === undefined || command.response !== null) return sent;
  return sent.with(index, { ...command, response: responseType });
}

/**
 * Settles answered commands, from the oldest up to the first without an answer: OK is acknowledged
 * to the command's module, everything else is noted [COMMAND-REFUSED].
 */
export function settleCommands(
  sent: readonly SentCommand[],
  context: StepContext,
): readonly SentCommand[] {
  let settled = 0;
  for (const { counter, module, command, response, id } of sent) {
    if (response === null) break;
    settled++;
    // An empty command of our own needs no acknowledgement.
    if (module === null) continue;
    if (response === CommandResponseType.OK) {
      const followed = id === null ? {} : { commandId: id, counter };
      context.effects.push({ type: "acknowledge", module, command, ...followed });
    } else {
      const { device } = command;
      context.effects.push({
        type: "note",
        note: { code: "command_refused", device, responseType: response, counter, ...named(id) },
      });
    }
  }
  return settled === 0 ? sent : sent.slice(settled);
}
