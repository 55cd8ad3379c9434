// The ends of connections.
import type { CloseReason, Effect } from "./inputs.ts";
import {
  type Connection,
  type Environment,
  type InternalServerState,
  put,
  type Registered,
  remove,
  unregister,
} from "./state.ts";

/** Closes a connection at once; the module handler is told if it was a device's. */
export function end(
  state: InternalServerState,
  connection: Connection,
  reason: CloseReason,
  detail: string,
  effects: Effect[],
): InternalServerState {
  const { id } = connection;
  const next = remove(state, connection);
  if (connection.kind === "closing") {
    effects.push({ type: "drop", connection: id });
    return next;
  }
  if (connection.kind === "new") {
    effects.push({ type: "close", connection: id, device: null, reason, detail, when: "now" });
    return next;
  }
  const { device } = connection;
  effects.push({ type: "close", connection: id, device, reason, detail, when: "now" });
  dropHeld(connection, effects);
  effects.push({ type: "disconnected", device });
  return unregister(next, device);
}

/** Says of the commands that were held back for a device that it will not get them. */
export function dropHeld({ device, commands }: Registered, effects: Effect[]): void {
  for (const _ of commands) {
    effects.push({ type: "dropped_command", device, detail: "the device has gone" });
  }
}

/** Lets a device that is not registered read what it was sent, and closes its connection then. */
export function endWhenSent(
  state: InternalServerState,
  { id, heardAt }: Connection,
  { now }: Environment,
): InternalServerState {
  return put(state, { kind: "closing", id, heardAt, frameSince: null, heldBytes: 0, since: now });
}

/** When something is due for a connection; null when it may wait for ever. */
export function dueOf(connection: Connection, { settings }: Environment): number | null {
  const { limits } = settings;
  const { frameSince } = connection;
  const frameBy = frameSince === null ? null : frameSince + limits.frameMs;
  switch (connection.kind) {
    case "closing":
      return connection.since + limits.closeMs;
    case "new": {
      const connectBy = connection.acceptedAt + limits.connectMs;
      return frameBy === null ? connectBy : Math.min(frameBy, connectBy);
    }
    case "registered":
      return connection.awaited === null ? frameBy : connection.awaited.since + limits.answerMs;
  }
}

/** Ends a connection that is due. */
export function endDue(
  state: InternalServerState,
  connection: Connection,
  { now, settings: { limits } }: Environment,
  effects: Effect[],
): InternalServerState {
  if (connection.kind === "registered" && connection.awaited !== null) {
    const { what, device, since } = connection.awaited;
    const waitedMs = Math.round(now - since);
    effects.push({ type: "slow_answer", device, waitedMs });
    const detail = `module ${device.module} has not answered its ${what} for ${waitedMs} ms`;
    return end(state, connection, "answer_timeout", detail, effects);
  }
  const { frameSince, heldBytes } = connection;
  if (frameSince !== null && now >= frameSince + limits.frameMs) {
    const ms = Math.round(now - frameSince);
    const detail = `a frame was not whole after ${ms} ms: ${heldBytes} bytes of it had come`;
    return end(state, connection, "frame_timeout", detail, effects);
  }
  return end(state, connection, "no_connect", `no Connect within ${limits.connectMs} ms`, effects);
}
