// Which events of the event log are asked for, and how they are shown.
import { LOG_LEVELS, type LogLevel } from "../../log/mod.ts";
import { deviceKey } from "../../protocol/mod.ts";
import { levelOfEvent, type LogEvent, textOfEvent } from "../../record/mod.ts";
import { payloadView } from "./payload_view.ts";
import type { ListedEventView } from "./schemas.ts";

/** What is asked for. */
export interface EventFilter {
  readonly cars?: readonly string[] | undefined;
  /** Kinds, or what they begin with. */
  readonly kinds?: readonly string[] | undefined;
  /** This level and above. */
  readonly level?: LogLevel | undefined;
  /** A part of the text, the car's name, the device or the kind, in any case. */
  readonly text?: string | undefined;
  readonly from?: number | undefined;
  readonly to?: number | undefined;
}

/** Longer texts are cut, in characters; payloads in bytes. */
const MAX_TEXT = 500;
const MAX_PAYLOAD = 1024;

/** What a search takes of it. */
export function queryOf({ cars, kinds, level, text, from, to }: EventFilter) {
  const least = level === undefined ? 0 : LOG_LEVELS.indexOf(level);
  const words = text?.toLowerCase();
  const isWanted = (event: LogEvent) => {
    const { kind } = event;
    if (kinds?.every((wanted) => kind !== wanted && !kind.startsWith(`${wanted}.`))) return false;
    if (LOG_LEVELS.indexOf(levelOfEvent(event)) < least) return false;
    return words === undefined || searched(event).includes(words);
  };
  return { cars: cars && new Set(cars), from, to, isWanted };
}

function searched(event: LogEvent): string {
  const { car, device, kind } = event;
  const about = `${car ?? ""}\n${device === null ? "" : deviceKey(device)}\n${kind}`;
  return `${about}\n${textOfEvent(event)}`.toLowerCase();
}

/** An event for people; texts and payloads are cut. */
export function eventView(event: LogEvent): ListedEventView {
  const { id, at, car, kind, device, session, counter, payload } = event;
  const text = textOfEvent({ ...event, payload: null });
  return {
    id,
    at: Math.floor(at),
    car,
    kind,
    level: levelOfEvent(event),
    text: text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}...` : text,
    device: device && deviceKey(device),
    session,
    counter,
    payload: payload &&
      payloadView({ data: payload.subarray(0, MAX_PAYLOAD), bytes: payload.length }),
  };
}
