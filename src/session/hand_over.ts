// Hands a session over to another process, which continues it where this one stopped. The gateway
// notices nothing; modules get contexts in the other process, and learn of the devices there.
import { sameDevice, withoutPriority } from "../protocol/mod.ts";
import { type CommandStore, NO_COMMANDS, type WaitingCommand } from "./command_order.ts";
import { settleCommands } from "./sent_commands.ts";
import { NO_CONNECTS } from "./connect_rate.ts";
import type { StepContext } from "./effects.ts";
import type { KnownDevices } from "./known_devices.ts";
import { queueOf, values } from "./queue.ts";
import { sendCommands } from "./running.ts";
import { allGone } from "./running_statuses.ts";
import type { Base, Connecting, Running, Session } from "./state.ts";

/** Of a car that has met nobody yet. */
export const NEW_BASE: Base = {
  epoch: 0,
  commandCounter: 0,
  commands: NO_COMMANDS,
  toldAt: null,
  rate: NO_CONNECTS,
  modulesReady: false,
  paused: false,
};

/**
 * Leaves silently: neither gateway nor modules are told. Encode the session first. It may be taken over
 * once more.
 */
export function onHandOver({ base: { epoch } }: Session): Session {
  return { kind: "offline", base: { ...NEW_BASE, epoch } };
}

/**
 * Continues a session that another process had, with new module contexts: devices are connected
 * again, and statuses that were begun and not answered are forwarded again, in their order.
 *
 * @param present what the car has here, whose module calls may still be under way
 */
export function onTakeOver(session: Session, present: Session, context: StepContext): Session {
  // Results of calls that were made before, here or there, mean nothing.
  const epoch = Math.max(session.base.epoch, present.base.epoch) + 1;
  const modulesReady = session.kind === "offline" ? present.base.modulesReady : true;
  const base = { ...session.base, epoch, modulesReady };
  for (const module of base.commands.held) context.effects.push({ type: "hold_commands", module });
  switch (session.kind) {
    case "running":
      return takeOverRunning({ ...session, base }, context);
    case "connecting":
      return takeOverConnecting({ ...session, base }, context);
    default:
      return { ...session, base };
  }
}

/** Commands that modules gave here before, and that the other process does not have. */
export function commandsToAdd(present: Base, taken: Session): readonly WaitingCommand[] {
  const known = [
    ...waitingCommands(taken.base.commands),
    ...taken.kind === "running" ? taken.sent : [],
  ];
  return waitingCommands(present.commands).filter((one) =>
    !known.some((other) => isSameCommand(one, other))
  );
}

function waitingCommands({ again, ready, parked }: CommandStore): readonly WaitingCommand[] {
  return [...again, ...values(ready), ...parked];
}

/**
 * One whose id is not known was published by a process that has not told it. Two processes round the
 * moment of a command differently.
 */
function isSameCommand(
  one: WaitingCommand,
  other: Omit<WaitingCommand, "module" | "key">,
): boolean {
  if (one.id !== null && other.id !== null) return one.id === other.id;
  const { device, data } = one.command;
  return Math.abs(one.at - other.at) < 1 && sameDevice(device, other.command.device) &&
    data.length === other.command.data.length &&
    data.every((byte, index) => byte === other.command.data[index]);
}

function takeOverRunning(session: Running, context: StepContext): Session {
  const { statuses, devices } = session;
  connectAgain(session.base, devices, context);
  const begun = statuses.begun.map(({ status }) => status);
  const waiting = queueOf([...begun, ...values(statuses.waiting)]);
  const next = { ...session, resuming: devices, statuses: { ...statuses, begun: [], waiting } };
  // The last device may have left, and commands may have been answered, while nobody was there.
  if (devices.length === 0) return allGone(next, context);
  return sendCommands({ ...next, sent: settleCommands(session.sent, context) }, context);
}

function takeOverConnecting(session: Connecting, context: StepContext): Session {
  connectAgain(session.base, session.devices, context);
  if (session.step.name === "devices") connectAgain(session.base, session.step.pending, context);
  return session;
}

function connectAgain({ epoch }: Base, devices: KnownDevices, { effects }: StepContext): void {
  for (const device of devices) {
    effects.push({ type: "connect_device", epoch, device: withoutPriority(device) });
  }
}
