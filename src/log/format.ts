// The formats of log lines [LOG-LINE].
import type { LogFormat, LogLevel } from "./settings.ts";
import { escapeUnsafe } from "../text/mod.ts";
import type { LogContext } from "./log.ts";

/** The logger's name in every line. */
const LOGGER_NAME = "external-server";

/** A line before it is formatted. */
export interface LineRecord extends LogContext {
  readonly car?: string | undefined;
  readonly level: LogLevel;
  /** Milliseconds since 1970. */
  readonly timestamp: number;
  readonly text: string;
}

/** Makes a line of it, with a line break at its end. */
export type LineFormatter = (record: LineRecord) => string;

/** Longer messages are cut, so that no peer can fill the disk with one line; in characters. */
const MAX_MESSAGE = 16_384;
/** The same for a session id or a device, which come from the network. */
const MAX_VALUE = 200;

const PLAIN_VALUE = /^[\p{L}\p{N}_./:+-]+$/u;

/**
 * The line that fleets' log pipelines parse, in local time, with a line break at its end:
 *
 * `[2026-11-20 23:46:42.669] [external-server] [INFO]\t (car_a)\tmessage [session=s device=2/1/r]`
 *
 * A line without a car leaves the column between the two tabs empty (`\t \tmessage`), so that
 * splitting at tabs always gives three columns. Session, device and module follow the message if
 * they are known. Control and format characters are escaped, so that a line or a column cannot be
 * forged, nor the direction of writing reversed.
 */
export function textFormatter(): LineFormatter {
  return tabbedFormatter((car) => car === undefined ? " " : ` (${escapeUnsafe(car)})`);
}

/**
 * The line of the Python server, with a fixed source place as its third field:
 *
 * `[2026-11-20 23:46:42.669] [external-server] [INFO]\t [external_server:0]\t(car_a)\tmessage`
 *
 * Outside a car, the fourth field is `(server)`.
 */
export function pythonFormatter(): LineFormatter {
  return tabbedFormatter((car = "server") => ` [${PYTHON_PLACE}]\t(${escapeUnsafe(car)})`);
}

/** A file without a line: where a line comes from is nothing that a log's reader could act on. */
const PYTHON_PLACE = "external_server:0";

/** @param columns what stands between the level and the message, but for the tabs around it */
function tabbedFormatter(columns: (car: string | undefined) => string): LineFormatter {
  let second = NaN;
  let prefix = "";
  return (record) => {
    const wholeSecond = Math.floor(record.timestamp / 1000);
    // Lines come in bursts, and splitting up a date costs more than the rest of a line.
    if (wholeSecond !== second) {
      second = wholeSecond;
      prefix = localSecond(record.timestamp);
    }
    const millis = pad(record.timestamp - wholeSecond * 1000, 3);
    return `[${prefix}.${millis}] [${LOGGER_NAME}] [${record.level}]\t${columns(record.car)}\t` +
      `${escapeUnsafe(cut(record.text, MAX_MESSAGE))}${suffix(record)}\n`;
  };
}

/** One JSON object per line: timestamp (UTC), level, logger, car, session, device, module, message. */
export function jsonFormatter(): LineFormatter {
  return ({ timestamp, level, car, session, device, module, text }) => {
    const line = JSON.stringify({
      timestamp: new Date(timestamp).toISOString(),
      level,
      logger: LOGGER_NAME,
      car,
      session: session === undefined ? undefined : cut(session, MAX_VALUE),
      device: device === undefined ? undefined : cut(device, MAX_VALUE),
      module,
      message: cut(text, MAX_MESSAGE),
    });
    // JSON does not escape all characters that readers take for line breaks or act on.
    return `${escapeUnsafe(line)}\n`;
  };
}

const FORMATTERS: Readonly<Record<LogFormat, () => LineFormatter>> = {
  text: textFormatter,
  python: pythonFormatter,
  json: jsonFormatter,
};

export function formatterOf(format: LogFormat): LineFormatter {
  return FORMATTERS[format]();
}

function cut(text: string, limit: number): string {
  if (text.length <= limit) return text;
  return `${text.slice(0, limit)}... (${text.length - limit} more characters)`;
}

function suffix({ session, device, module }: LogContext): string {
  if (session === undefined && device === undefined && module === undefined) return "";
  const parts: string[] = [];
  if (session !== undefined) parts.push(`session=${value(session)}`);
  if (device !== undefined) parts.push(`device=${value(device)}`);
  if (module !== undefined) parts.push(`module=${module}`);
  return ` [${parts.join(" ")}]`;
}

function value(text: string): string {
  const short = cut(text, MAX_VALUE);
  return PLAIN_VALUE.test(short) ? short : escapeUnsafe(JSON.stringify(short));
}

function localSecond(timestamp: number): string {
  const date = new Date(timestamp);
  return `${date.getFullYear()}-${pad(date.getMonth() + 1, 2)}-${pad(date.getDate(), 2)} ` +
    `${pad(date.getHours(), 2)}:${pad(date.getMinutes(), 2)}:${pad(date.getSeconds(), 2)}`;
}

function pad(number: number, width: number): string {
  return String(Math.floor(number)).padStart(width, "0");
}
