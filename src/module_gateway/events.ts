// Events of a gateway, derived from turns: level, text and device.
import type { LogLevel } from "../log/mod.ts";
import { type Device, DeviceConnectResponseType as Type, deviceKey } from "../protocol/mod.ts";
import type { EndReason } from "../gateway/mod.ts";
import type { DropReason } from "../module_handler/mod.ts";
import type { DeviceTurn, ErrorTurn, GatewayTurn, SessionTurn } from "./turn.ts";

export interface GatewayEvent {
  /** The type of event, such as `device_connected` or `session_ended`. */
  readonly code: string;
  readonly level: LogLevel;
  /** Built only when it is read. */
  readonly text: () => string;
  readonly session: string | null;
  readonly device: Device | null;
  /** Present where a device, a module or the network decides how often: logged once a minute. */
  readonly kind: string | null;
}

/** Ends that belong to the life of a gateway. */
const ORDERLY: ReadonlySet<EndReason> = new Set([
  "told_to_reconnect",
  "notified",
  "all_devices_gone",
  "stopped",
]);

/** What is usual, and what the internal server or the device itself says. */
const QUIET: ReadonlySet<DropReason> = new Set(["command_empty", "device_gone"]);

/** What there is to say about a turn, in order. */
export function gatewayEventsOf(turn: GatewayTurn): GatewayEvent[] {
  switch (turn.kind) {
    case "device":
      return deviceEvents(turn);
    case "errors":
      return troubles(turn, turn.effects);
    case "session":
      return sessionEvents(turn);
  }
}

function deviceEvents(turn: DeviceTurn): GatewayEvent[] {
  const { effects, before, after } = turn;
  const events = troubles(turn, effects);
  for (const effect of effects) {
    if (effect.type === "answer_connect") {
      const { device, responseType } = effect;
      // A refusal is in the line of its connection, as is the end of a device that is silent.
      if (responseType === Type.OK) {
        events.push(
          of("device_connected", "INFO", device, () => `Device ${named(device)} connected`),
        );
      }
    }
  }
  if (before.aggregate !== null && after.aggregate === null) {
    const { device } = before.aggregate;
    const text = () => `Device ${named(device)} has gone: its last status is reported`;
    events.push(of("device_gone", "INFO", device, text));
  }
  return events;
}

function troubles(
  turn: DeviceTurn | ErrorTurn,
  effects: readonly (DeviceTurn | ErrorTurn)["effects"][number][],
): GatewayEvent[] {
  const events: GatewayEvent[] = [];
  for (const effect of effects) {
    if (effect.type === "dropped") {
      const { what, device, reason, detail } = effect;
      const level = QUIET.has(reason) ? "DEBUG" : "WARNING";
      const text = () => `Dropped ${article(what)} ${what} of device ${named(device)}: ${detail}`;
      events.push({
        ...of("dropped", level, device, text),
        kind: `${what} ${reason} ${turn.device}`,
      });
    }
    if (effect.type === "call_failed") {
      const { device, name, detail } = effect;
      const text = () => `Module ${device.module} failed for device ${named(device)}: ${detail}`;
      events.push({
        ...of("call_failed", "WARNING", device, text),
        kind: `${device.module} ${name}`,
      });
    }
  }
  return events;
}

function sessionEvents({ endpoint, effects }: SessionTurn): GatewayEvent[] {
  return effects.flatMap((effect): GatewayEvent[] => {
    const base = { device: null, session: null, kind: null };
    switch (effect.type) {
      case "running": {
        const { sessionId: session } = effect;
        const text = () => `Session "${session}" with endpoint "${endpoint}" is running`;
        return [{ ...base, code: "session_running", level: "INFO", text, session }];
      }
      case "ended": {
        const { sessionId: session, reason, detail, hadRun } = effect;
        const what = hadRun ? "Session" : "Connect sequence of session";
        const text = () =>
          `${what} "${session}" with endpoint "${endpoint}" ended as ${reason}: ${detail}`;
        const level = ORDERLY.has(reason) ? "INFO" : "WARNING";
        return [{ ...base, code: "session_ended", level, text, session }];
      }
      case "link_failed": {
        const text = () => `No broker at endpoint "${endpoint}": ${effect.detail}`;
        const kind = `link_failed ${endpoint}`;
        return [{ ...base, code: "link_failed", level: "WARNING", text, kind }];
      }
      case "violation": {
        const { sessionId: session, kind: rule, detail } = effect;
        const text = () =>
          `The server at endpoint "${endpoint}" broke the protocol: ${rule}: ${detail}`;
        const kind = `violation ${endpoint} ${rule}`;
        return [{ ...base, code: "violation", level: "WARNING", text, session, kind }];
      }
      default:
        return [];
    }
  });
}

function of(code: string, level: LogLevel, device: Device, text: () => string): GatewayEvent {
  return { code, level, text, device, session: null, kind: null };
}

function named(device: Device): string {
  return `${deviceKey(device)} ("${device.deviceName}")`;
}

function article(what: string): string {
  return what === "error" ? "an" : "a";
}
