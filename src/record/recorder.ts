// The event log's subscriber: writes the inputs of every car, and the effects of its session.
import { sessionIdOf, type Turn, type TurnSubscriber } from "../car/mod.ts";
import type { Session, SessionSettings } from "../session/mod.ts";
import { systemClock } from "../time/mod.ts";
import type { EventPart } from "./log_event.ts";
import { type LogCounts, SegmentLog, type SegmentLogOptions } from "./segment_log.ts";

/** See {@linkcode SegmentLogOptions}. */
export type RecorderOptions =
  & Omit<SegmentLogOptions, "clock">
  & Partial<Pick<SegmentLogOptions, "clock">>;

/** The last record of a car. */
interface Recorded {
  segment: number;
  /** Of its last record, which was lost when it is not the car's last turn. */
  sequence: number;
  after: Session | null;
  settings: SessionSettings | null;
  session: string | null;
}

/** Records all cars. A disk that is full or slow loses records, but never delays a car. */
export class Recorder implements TurnSubscriber {
  readonly directory: string;
  readonly #log: SegmentLog;
  /** Cars that have left keep their sequence: ids are unique. */
  readonly #cars = new Map<string, Recorded>();

  constructor(options: RecorderOptions) {
    this.directory = options.directory;
    this.#log = new SegmentLog({ clock: systemClock, ...options });
  }

  /** What was written, and what went wrong. */
  get counts(): LogCounts {
    return this.#log.counts;
  }

  /** Makes the directory and the first file. Failures are logged and retried. */
  start(): Promise<void> {
    return this.#log.start();
  }

  /** Writes what is still queued; never rejects. */
  stop(): Promise<void> {
    return this.#log.stop();
  }

  /** See {@linkcode SegmentLog.onWritten}. */
  onWritten(listener: () => void): () => void {
    return this.#log.onWritten(listener);
  }

  /** See {@linkcode SegmentLog.whenSafe}. */
  whenSafe(callback: () => void): void {
    this.#log.whenSafe(callback);
  }

  /** Records what is no turn of a session, such as what a sink has missed. @param car `null`: none */
  note(car: string | null, at: number, events: readonly EventPart[]): void {
    this.#log.append({ car, at, sequence: ++this.#of(car ?? "").sequence, events });
  }

  /** Whether a car of that name has had a turn. */
  has(car: string): boolean {
    return this.#cars.has(car);
  }

  /** See {@linkcode TurnSubscriber}. */
  onTurn({ car, at, settings, input, before, after, effects }: Turn): void {
    const { segment } = this.#log;
    const last = this.#of(car);
    // A new segment, a new car of that name, or turns that are missing.
    const begins = last.segment !== segment || last.after !== before;
    // The end of a session belongs to it.
    const session = sessionIdOf(after) ?? sessionIdOf(before);
    last.sequence++;
    const taken = this.#log.append({
      car,
      at,
      sequence: last.sequence,
      session: begins || last.session !== session ? session : undefined,
      input,
      effects,
      settings: begins || last.settings !== settings ? settings : undefined,
      begins: begins ? before : undefined,
    });
    const goesOn = taken && after.kind !== "stopped";
    last.segment = segment;
    last.after = goesOn ? after : null;
    last.settings = goesOn ? settings : null;
    last.session = session;
  }

  #of(car: string): Recorded {
    const known = this.#cars.get(car);
    if (known !== undefined) return known;
    const { segment } = this.#log;
    const made = { segment, sequence: 0, after: null, settings: null, session: null };
    this.#cars.set(car, made);
    return made;
  }
}
