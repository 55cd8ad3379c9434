// What has happened to all cars, in words, for those who search it.
import { LOG_LEVELS, type LogLevel } from "../../log/mod.ts";

/** An event of a car. */
export interface ListedEvent {
  /** Greater than that of every earlier event. */
  readonly id: number;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly car: string;
  readonly level: LogLevel;
  readonly text: string;
  /** Identity of the device; null when it is about none. */
  readonly device: string | null;
}

/** What is asked of the list. */
export interface EventQuery {
  readonly cars?: ReadonlySet<string> | undefined;
  /** This level and above. */
  readonly level?: LogLevel | undefined;
  /** A part of the text, the car's name or the device, in any case. */
  readonly q?: string | undefined;
  /** Milliseconds since the epoch. */
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  /** Only events with a smaller id. */
  readonly before?: number | undefined;
  readonly limit: number;
}

/** How many events are remembered; the oldest is forgotten for a further one. */
export const MAX_EVENTS = 10_000;
/** Longer strings are cut, in characters. */
const MAX_TEXT = 500;

/** The newest events of all cars. */
export class EventList {
  #events: ListedEvent[] = [];
  #lastId = 0;

  add(event: Omit<ListedEvent, "id">): void {
    const { text, device } = event;
    const about = device === null ? null : cut(device);
    this.#events.push({ id: ++this.#lastId, ...event, text: cut(text), device: about });
    // Half at a time: taking one off the front moves all others.
    if (this.#events.length >= 2 * MAX_EVENTS) this.#events = this.#events.slice(-MAX_EVENTS);
  }

  /** The newest first. */
  list({ cars, level, q, from = 0, to = Infinity, before = Infinity, limit }: EventQuery) {
    const least = level === undefined ? 0 : LOG_LEVELS.indexOf(level);
    const words = q?.toLowerCase();
    const found: ListedEvent[] = [];
    const events = this.#events.slice(-MAX_EVENTS);
    for (let i = events.length - 1; i >= 0 && found.length < limit; i--) {
      const event = events[i] as ListedEvent;
      if (event.id >= before || event.at < from || event.at > to) continue;
      if (cars !== undefined && !cars.has(event.car)) continue;
      if (LOG_LEVELS.indexOf(event.level) < least) continue;
      if (words !== undefined && !searched(event).includes(words)) continue;
      found.push(event);
    }
    return found;
  }

  /** The time of the oldest one; `null`: there is none. */
  get oldestAt(): number | null {
    return this.#events.at(-MAX_EVENTS)?.at ?? this.#events[0]?.at ?? null;
  }

  /** The oldest first. */
  keep(): readonly ListedEvent[] {
    return this.#events.slice(-MAX_EVENTS);
  }

  /** Takes back what was kept, before anything else is added. */
  restore(events: readonly ListedEvent[]): void {
    this.#events = [...events];
    this.#lastId = events.at(-1)?.id ?? 0;
  }
}

function cut(text: string): string {
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}...` : text;
}

function searched({ car, device, text }: ListedEvent): string {
  return `${car}\n${device ?? ""}\n${text}`.toLowerCase();
}
