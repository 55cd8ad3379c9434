// `log`: the time line of an event log, for people or as NDJSON.
import {
  eventJson,
  type LogEvent,
  LogReader,
  payloadText,
  type Position,
  segmentInfos,
} from "../record/mod.ts";
import { describeFileError, escapeUnsafe, isOfKind, type Output } from "../text/mod.ts";
import { sleep } from "../time/mod.ts";
import { deviceKey } from "../protocol/mod.ts";
import { printError, printWarning } from "./problems.ts";

/** What the command line said. */
export interface LogCommandOptions {
  readonly directory: string;
  readonly car?: string;
  /** Kinds of events, or what they begin with, such as `command`. */
  readonly kind?: string;
  /** Milliseconds since the epoch. */
  readonly from?: number;
  readonly to?: number;
  readonly follow?: true;
  readonly json?: true;
}

/** What one read takes, in bytes of records. */
const READ_BYTES = 1024 * 1024;
/** How often a log that is followed is looked at, in milliseconds. */
const FOLLOW_MS = 250;
/** A longer payload is cut for people, in characters. */
const MAX_SHOWN = 120;

/** @returns the exit status: 1 when the log cannot be read, or has no event that was asked for, else 0 */
export async function runLog(
  options: LogCommandOptions,
  output: Output,
  stop: AbortSignal,
): Promise<number> {
  const { directory, follow = false } = options;
  try {
    using reader = new LogReader({
      directory,
      from: await beginOf(options),
      onDamage: (path, { at, lost, why }) =>
        printWarning(`"${path}": left out ${lost} bytes from byte ${at} on: ${why}`, output),
    });
    let found = 0;
    while (!stop.aborted) {
      const { events, isEnd } = await reader.read(READ_BYTES);
      for (const event of events) {
        if (!isAsked(event, options)) continue;
        found++;
        output.out(options.json ? JSON.stringify(eventJson(event)) : lineOf(event));
      }
      if (!isEnd) continue;
      if (!follow) break;
      await sleep(FOLLOW_MS);
    }
    if (found > 0 || follow) return 0;
    printError(`Cannot show "${directory}": expected events: found none`, output);
  } catch (error) {
    printError(`Cannot show "${directory}": ${describeFileError(error)}`, output);
  }
  return 1;
}

/** Segments that were last written to before are left out. */
async function beginOf({ directory, from }: LogCommandOptions): Promise<Position | undefined> {
  const infos = await segmentInfos(directory);
  if (from === undefined) return undefined;
  const first = infos.find(({ writtenAt }) => writtenAt >= from) ?? infos.at(-1);
  return first && { segment: first.number, offset: 0, records: 0, bytes: 0 };
}

function isAsked(
  event: LogEvent,
  { car, kind, from = -Infinity, to = Infinity }: LogCommandOptions,
) {
  if (car !== undefined && event.car !== car) return false;
  if (kind !== undefined && !isOfKind(event.kind, kind)) return false;
  return event.at >= from && event.at <= to;
}

/** An event as a line for people. */
export function lineOf({ at, car, kind, device, counter, session, data, payload }: LogEvent) {
  const about = [
    ...(device === null ? [] : [deviceKey(device)]),
    ...(counter === null ? [] : [`#${counter}`]),
    ...Object.entries(data).map(([name, value]) => `${name}=${value}`),
    ...(payload === null || payload.length === 0 ? [] : [shownPayload(payload)]),
    ...(session === null ? [] : [`[session=${session}]`]),
  ];
  return escapeUnsafe(
    `${new Date(at).toISOString()}  ${car ?? "-"}  ${kind.padEnd(18)} ${about.join("  ")}`,
  );
}

function shownPayload(payload: Uint8Array): string {
  const shown = payloadText(payload);
  if ("base64" in shown) return `${payload.length} bytes`;
  return shown.text.length > MAX_SHOWN ? `${shown.text.slice(0, MAX_SHOWN)}...` : shown.text;
}
