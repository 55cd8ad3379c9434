// Events of a car, derived from turns: level, text and device.
import type { LogLevel } from "../log/mod.ts";
import { type ClientMessage, type Device, deviceKey } from "../protocol/mod.ts";
import {
  type Doubtful,
  type Dropped,
  type Failure,
  type Ignored,
  isSaturated,
  type Note,
  type NotForwarded,
  type Session,
  stateName,
} from "../session/mod.ts";
import type { Turn } from "./turn.ts";

export interface CarEvent {
  /** The type of event, such as `device_connected` or `ended session_timeout`. */
  readonly code: string;
  readonly level: LogLevel;
  /** Built only when it is read. */
  readonly text: () => string;
  /** The session it belongs to. */
  readonly session: string | null;
  readonly device?: Device;
  /**
   * Present for events that a gateway or module can cause at will: they are logged once per kind
   * and minute, all others 30 times per code.
   */
  readonly kind?: string;
}

const IGNORED: Record<Ignored, string> = {
  no_session: "the car has no session; its gateway is told to connect again",
  other_session: "it belongs to another session",
  device_not_listed: "its device was not in the Connect",
  counter_handled: "its counter has been handled already",
  unexpected_here: "it is not expected at this point",
  no_room: "too many statuses wait for the end of the connect sequence, see limits",
  unknown_counter: "no open command has its counter",
  modules_away: "the car's modules were not restored in time",
  paused: "an operator has paused the car",
  other_car: "its sender names another car, and this car has a session",
  bad_connect: "it lacks a session id or has no, or too many, devices",
};

/** Second and late deliveries are normal with QoS 1, and pauses are intended. */
const USUAL: ReadonlySet<Ignored> = new Set(["counter_handled", "other_session", "paused"]);

const NOT_FORWARDED: Record<NotForwarded, string> = {
  unknown_module: "the car has no such module in the configuration",
  unsupported_type: "the module does not support this device type",
  device_refused: "the module refused the device",
  too_many_devices: "the maximum number of devices is connected, see limits.max_devices",
  device_not_connected: "the device is not connected",
  unknown_state: "its state is neither CONNECTING, RUNNING nor DISCONNECT",
};

const DROPPED: Record<Dropped, string> = {
  stale: "it waited since before the module's first device connected",
  superseded: "a newer one waits, and the module has no connected device",
  device_not_listed: "its device was not in the Connect",
  other_module: "its device belongs to another module",
  queue_full: "too many commands wait for the car",
  module_removed: "the car no longer has its module",
  expired: "it is older than its module's command_policy permits",
  replaced: "a newer one has taken its place, as its module's command_policy says",
  stopped: "the car stops",
};

const DOUBTFUL: Record<Doubtful, string> = {
  other_module: "its device belongs to another module",
  device_not_connected: "its device is not connected",
  empty: "it has no data",
};

/** Names a message. */
function named(message: ClientMessage): string {
  switch (message.kind) {
    case "connect":
      return "Connect";
    case "status":
      return `status ${message.messageCounter}`;
    case "command_response":
      return `command response ${message.messageCounter}`;
  }
}

const NOTHING: readonly CarEvent[] = [];
const known = new WeakMap<Turn, readonly CarEvent[]>();

/** The events of a turn, in order; worded once for all subscribers. */
export function eventsOf(turn: Turn): readonly CarEvent[] {
  if (isQuiet(turn)) return NOTHING;
  let events = known.get(turn);
  if (events === undefined) known.set(turn, events = describe(turn));
  return events;
}

/** The session of a car, if there is one. */
export function sessionIdOf(session: Session): string | null {
  return session.kind === "connecting" || session.kind === "running" ? session.sessionId : null;
}

/** Whether it only moves messages, as most do. */
function isQuiet({ before, after, effects }: Turn): boolean {
  if (before.kind !== after.kind || before.base.paused !== after.base.paused) return false;
  for (const { type } of effects) {
    if (type === "note" || type === "ended" || type === "hold_commands") return false;
  }
  if (before.base.modulesReady !== after.base.modulesReady) return false;
  // Whether a car is saturated is part of `reading`.
  return before.kind !== "running" || after.kind !== "running" || before.reading === after.reading;
}

function describe({ before, after, effects }: Turn): CarEvent[] {
  const events: CarEvent[] = [];
  const session = sessionIdOf(after);
  for (const effect of effects) {
    if (effect.type === "note") {
      events.push({ code: effect.note.code, session, ...noteEvent(effect.note) });
    } else if (effect.type === "ended") events.push(endOfSession(effect.failure));
    else if (effect.type === "hold_commands") {
      const { module } = effect;
      const text = () => `Module ${module} keeps its commands: too many wait for the car`;
      events.push({
        code: "commands_held",
        level: "WARNING",
        text,
        session,
        kind: `held ${module}`,
      });
    }
  }
  if (isSaturated(after) && !isSaturated(before)) {
    const text = () => "Reading paused: the car sends faster than its modules take";
    events.push({ code: "reading_paused", level: "WARNING", text, session, kind: "saturated" });
  }
  const [from, to] = [stateText(before), stateText(after)];
  if (from !== to) {
    events.push({
      code: "state",
      level: "DEBUG",
      text: () => `State ${from} is now ${to}`,
      session,
    });
  }
  return events;
}

function stateText(session: Session): string {
  return stateName(session) + (session.base.paused ? ", paused by an operator" : "");
}

/** Restarts of gateways and stops are intended; other failures are warnings. */
function endOfSession({ reason, detail, waitedMs, sessionId }: Failure): CarEvent {
  const waited = waitedMs > 0 ? `, waited ${(waitedMs / 1000).toFixed(1)} s for it` : "";
  // A gateway can send invalid Connects at any rate.
  const often = reason === "connect_incomplete" || reason === "protocol_violation";
  const code = `ended ${reason}`;
  return {
    code,
    level: reason === "stopped" || reason === "new_session" ? "INFO" : "WARNING",
    text: () => `Session ended: ${reason}: ${detail}${waited}`,
    session: sessionId === "" ? null : sessionId,
    ...(often ? { kind: code } : {}),
  };
}

/** The event of a note; failed calls are distinguished by function and outcome. */
function noteEvent(note: Note): Omit<CarEvent, "session" | "code"> & { readonly code?: string } {
  switch (note.code) {
    case "connect_accepted":
      return { level: "DEBUG", text: () => `Connect answered, ${note.devices} devices listed` };
    case "connect_held":
      return {
        level: "WARNING",
        text: () =>
          "The gateway begins connect sequences too often: the next one waits " +
          `${(note.pauseMs / 1000).toFixed(1)} s`,
        kind: "connect_held",
      };
    case "running":
      return {
        level: "INFO",
        text: () => `Connect sequence done, ${note.connected} of ${note.listed} devices connected`,
      };
    case "identity_mismatch":
      return {
        level: "WARNING",
        text: () =>
          `The gateway calls itself "${note.vehicle}" of "${note.company}": not what its topic ` +
          "says, going on",
      };
    case "device_connected":
      return { level: "INFO", text: () => "Device connected", device: note.device };
    case "device_disconnected":
      return { level: "INFO", text: () => "Device disconnected", device: note.device };
    case "device_not_connected": {
      const returned = note.outcome === null || note.outcome === "unsupported"
        ? ""
        : ` (device_connected returned ${note.outcome})`;
      return {
        level: "WARNING",
        text: () => `Device is not served: ${NOT_FORWARDED[note.why]}${returned}`,
        device: note.device,
        kind: `not_connected ${note.why} ${deviceKey(note.device)}`,
      };
    }
    case "ignored": {
      const { message, why } = note;
      const line = {
        level: USUAL.has(why) ? "DEBUG" : "WARNING",
        text: () => `Ignored ${named(message)}: ${IGNORED[why]}`,
        kind: `ignored ${why} ${message.kind}`,
      } as const;
      return message.kind === "status" ? { ...line, device: message.device } : line;
    }
    case "not_forwarded":
      return {
        level: note.first ? "WARNING" : "DEBUG",
        text: () => `Status answered but not forwarded: ${NOT_FORWARDED[note.why]}`,
        device: note.device,
      };
    case "call_failed": {
      const code = `${note.call} ${note.outcome}`;
      return {
        code,
        level: "WARNING",
        text: () => `Module ${note.device.module}: ${note.call} returned ${note.outcome}`,
        device: note.device,
        kind: `${code} ${deviceKey(note.device)}`,
      };
    }
    case "rejected":
      return {
        code: note.why,
        level: "WARNING",
        text: () => `Discarded a message: ${note.detail}`,
        kind: note.why,
      };
    case "counter_restarted":
      return {
        level: "INFO",
        text: () =>
          `The gateway started counting statuses again at ${note.counter}: expected ${note.expected}`,
      };
    case "command_dropped":
      return {
        level: "WARNING",
        text: () =>
          `${note.count > 1 ? `${note.count} commands` : "Command"} dropped: ${DROPPED[note.why]}`,
        device: note.device,
        kind: `dropped ${note.why} ${note.device.module}`,
      };
    case "command_doubtful":
      return {
        level: "WARNING",
        text: () => `Command sent although ${DOUBTFUL[note.why]}`,
        device: note.device,
        kind: `doubtful ${note.why} ${deviceKey(note.device)}`,
      };
    case "commands_unanswered":
      return { level: "DEBUG", text: () => `${note.count} commands were not answered` };
    case "command_refused":
      return {
        level: "WARNING",
        text: () =>
          `Command ${note.counter} refused by the gateway: ${responseName(note.responseType)}`,
        device: note.device,
        kind: `refused ${note.responseType} ${deviceKey(note.device)}`,
      };
  }
}

/** The name of a command response's type. */
export function responseName(type: number): string {
  return ["OK", "DEVICE_NOT_CONNECTED", "DEVICE_NOT_SUPPORTED", "INVALID_COMMAND"][type] ??
    `type ${type}`;
}
