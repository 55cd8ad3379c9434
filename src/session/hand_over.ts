// Hands a session over to another process, which continues it where this one stopped. The gateway
// notices nothing; modules get contexts in the other process, and learn of the devices there.
import { withoutPriority } from "../protocol/mod.ts";
import { settleCommands } from "./command_order.ts";
import type { StepContext } from "./effects.ts";
import type { KnownDevices } from "./known_devices.ts";
import { queueOf, values } from "./queue.ts";
import { sendCommands } from "./running.ts";
import { allGone } from "./running_statuses.ts";
import type { Base, Connecting, Running, Session } from "./state.ts";

/** Leaves silently: neither gateway nor modules are told. Encode the session first. */
export function onHandOver({ base }: Session): Session {
  return { kind: "stopped", base };
}

/**
 * Continues a session that another process had, with new module contexts: devices are connected
 * again, and statuses that were begun and not answered are forwarded again, in their order.
 */
export function onTakeOver(session: Session, context: StepContext): Session {
  // Results of calls that the other process made mean nothing here.
  const base = { ...session.base, epoch: session.base.epoch + 1, modulesReady: true };
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
