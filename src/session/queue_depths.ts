// Queue lengths and connected devices of a session, for snapshots.
import { deviceKey, type Status } from "../protocol/mod.ts";
import type { Session } from "./state.ts";

/** Queue lengths of one car. */
export interface QueueDepths {
  /** Statuses received but not answered yet. */
  readonly statuses: number;
  /** Commands waiting to be published. */
  readonly commands: number;
  /** Commands published but not answered yet. */
  readonly unansweredCommands: number;
}

/** Identities of the devices that are connected, `module/type/role`. */
export function connectedDevices(session: Session): string[] {
  const established = session.kind === "connecting" || session.kind === "running";
  return established ? session.devices.map(deviceKey) : [];
}

/** The status that has waited longest for its answer, if any does. */
export function oldestUnanswered(session: Session): Status | null {
  if (session.kind !== "running") return null;
  const { begun: [first], waiting } = session.statuses;
  if (first !== undefined) return first.status;
  return waiting.size === 0 ? null : waiting.items[waiting.first] ?? null;
}

/** The queue lengths; commands of modules without a connected device count as well. */
export function queueDepths(session: Session): QueueDepths {
  const { ready, parked, again } = session.base.commands;
  const commands = ready.size + parked.length + again.length;
  if (session.kind === "running") {
    const { waiting, begun, early } = session.statuses;
    const statuses = waiting.size + begun.length + early.length;
    return { statuses, commands, unansweredCommands: open(session.sent) };
  }
  if (session.kind === "connecting" && session.step.name === "responses") {
    const { kept, sent } = session.step;
    return { statuses: kept.length, commands, unansweredCommands: open(sent) };
  }
  return { statuses: 0, commands, unansweredCommands: 0 };
}

function open(sent: readonly { readonly response: number | null }[]): number {
  return sent.filter(({ response }) => response === null).length;
}
