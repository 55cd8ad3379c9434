// The flight recorder: writes the inputs of every car, and the effects of its session.
import type { Turn, TurnSubscriber } from "../car/mod.ts";
import type { Session, SessionSettings } from "../session/mod.ts";
import { systemClock } from "../time/mod.ts";
import { SegmentLog, type SegmentLogOptions } from "./segment_log.ts";

/** See {@linkcode SegmentLogOptions}. */
export type RecorderOptions =
  & Omit<SegmentLogOptions, "clock">
  & Partial<Pick<SegmentLogOptions, "clock">>;

/** The last record of a car. */
interface Recorded {
  segment: number;
  after: Session;
  settings: SessionSettings;
}

/** Records all cars. A disk that is full or slow loses records, but never delays a car. */
export class Recorder implements TurnSubscriber {
  readonly #log: SegmentLog;
  readonly #cars = new Map<string, Recorded>();

  constructor(options: RecorderOptions) {
    this.#log = new SegmentLog({ clock: systemClock, ...options });
  }

  /** Makes the directory and the first file. Failures are logged and retried. */
  start(): Promise<void> {
    return this.#log.start();
  }

  /** Writes what is still queued; never rejects. */
  stop(): Promise<void> {
    return this.#log.stop();
  }

  /** See {@linkcode TurnSubscriber}. */
  onTurn({ car, at, settings, input, before, after, effects }: Turn): void {
    const { segment } = this.#log;
    const last = this.#cars.get(car);
    // A new segment, a new car of that name, or turns that are missing.
    const begins = last === undefined || last.segment !== segment || last.after !== before;
    const taken = this.#log.append({
      car,
      at,
      begins: begins ? before : undefined,
      settings: begins || last.settings !== settings ? settings : undefined,
      input,
      effects,
    });
    if (!taken || after.kind === "stopped") this.#cars.delete(car);
    else if (last === undefined) this.#cars.set(car, { segment, after, settings });
    else {
      last.segment = segment;
      last.after = after;
      last.settings = settings;
    }
  }
}
