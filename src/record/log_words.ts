// An event of the log in words, with a level.
import type { LogLevel } from "../log/mod.ts";
import { type EventKind, type LogEvent, payloadText } from "./log_event.ts";

/** How events of a kind are told. */
interface Wording {
  readonly level: LogLevel;
  readonly text: string;
}

const WORDING: Readonly<Record<EventKind, Wording>> = {
  "session.started": { level: "INFO", text: "Session started" },
  "session.ended": { level: "WARNING", text: "Session ended" },
  "device.connected": { level: "INFO", text: "Device connected" },
  "device.left": { level: "INFO", text: "Device disconnected" },
  "device.refused": { level: "WARNING", text: "Device is not served" },
  "status.accepted": { level: "DEBUG", text: "Status" },
  "status.error": { level: "DEBUG", text: "Error message" },
  "status.forwarded": { level: "DEBUG", text: "Status forwarded" },
  "status.refused": { level: "WARNING", text: "Status not forwarded" },
  "command.popped": { level: "DEBUG", text: "Command of the module" },
  "command.queued": { level: "DEBUG", text: "Command queued" },
  "command.sent": { level: "DEBUG", text: "Command sent" },
  "command.accepted": { level: "DEBUG", text: "Command accepted by the gateway" },
  "command.refused": { level: "WARNING", text: "Command refused by the gateway" },
  "command.superseded": { level: "INFO", text: "Command superseded" },
  "command.expired": { level: "WARNING", text: "Command expired" },
  "command.dropped": { level: "WARNING", text: "Command dropped" },
  "command.lost": { level: "WARNING", text: "Command lost with its session" },
  "module.lost": { level: "WARNING", text: "Modules lost" },
  "module.back": { level: "INFO", text: "Modules ready" },
  "module.call_failed": { level: "WARNING", text: "Call of the module failed" },
  "broker.up": { level: "INFO", text: "Connected to the broker" },
  "broker.lost": { level: "WARNING", text: "Lost the broker" },
  "message.rejected": { level: "WARNING", text: "Discarded a message" },
  "operator.paused": { level: "INFO", text: "Paused by an operator" },
  "operator.resumed": { level: "INFO", text: "Resumed by an operator" },
  "operator.restarted": { level: "INFO", text: "Restarted by an operator" },
  "operator.action": { level: "INFO", text: "Operator acted" },
  "operator.log_in": { level: "INFO", text: "Operator" },
  "operator.refused": { level: "WARNING", text: "Operator refused" },
  "config.reloaded": { level: "INFO", text: "Configuration" },
  "config.refused": { level: "ERROR", text: "Configuration" },
  "host.lost": { level: "ERROR", text: "Module host lost" },
  "server.started": { level: "INFO", text: "Server started" },
  "server.stopped": { level: "INFO", text: "Server stopped" },
  "status.reported": { level: "DEBUG", text: "Status sent to the cloud" },
  "status.answered": { level: "DEBUG", text: "Status answered by the cloud" },
  "status.kept": { level: "DEBUG", text: "Status kept for the cloud" },
  "command.received": { level: "DEBUG", text: "Command received from the cloud" },
  "gateway.started": { level: "INFO", text: "Gateway started" },
  "gateway.stopped": { level: "INFO", text: "Gateway stopped" },
  "sink.overtaken": { level: "ERROR", text: "Sink missed events" },
};

/** Data that speaks for itself; other values follow their names. */
const BARE: ReadonlySet<string> = new Set(["reason", "detail", "text", "action", "result"]);
/** Intended ends of sessions. */
const INTENDED: ReadonlySet<unknown> = new Set(["stopped", "new_session"]);

/** How important an event is. */
export function levelOfEvent({ kind, data }: LogEvent): LogLevel {
  if (kind === "session.ended" && INTENDED.has(data.reason)) return "INFO";
  return wordingOf(kind).level;
}

/** What happened, such as `Session ended: stopped: The server stops`. */
export function textOfEvent({ kind, counter, data, payload }: LogEvent): string {
  const { text } = wordingOf(kind);
  const number = counter === null ? "" : ` ${counter}`;
  const said = Object.entries(data).map(([name, value]) =>
    BARE.has(name) ? `${value}` : `${name} ${value}`
  );
  if (payload !== null && payload.length > 0) {
    const shown = payloadText(payload);
    said.push("text" in shown ? shown.text : `${payload.length} bytes`);
  }
  return `${text}${number}${said.length === 0 ? "" : `: ${said.join(", ")}`}`;
}

/** Of a later version, perhaps. */
function wordingOf(kind: EventKind): Wording {
  return WORDING[kind] ?? { level: "INFO", text: kind };
}
