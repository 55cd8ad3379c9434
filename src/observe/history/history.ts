// The history of a fleet over a day, which may survive a restart.
import * as z from "zod";
import { LOG_LEVELS } from "../../log/mod.ts";
import { keptTime, type StateDirectory, type StateFile } from "../../state/mod.ts";
import { type Clock, every } from "../../time/mod.ts";
import { EventList } from "./event_list.ts";
import { type Sample, Series } from "./series.ts";

/** How often it is written, in milliseconds: what a crash may cost. */
const KEEP_MS = 300_000;

const series = z.strictObject({ first: z.int(), fields: z.record(z.string(), z.string()) });
const event = z.strictObject({
  id: z.int(),
  at: keptTime,
  car: z.string(),
  level: z.enum(LOG_LEVELS),
  text: z.string(),
  device: z.string().nullable(),
});
const schema = z.strictObject({
  format: z.literal(1),
  fleet: series,
  cars: z.record(z.string(), series),
  events: z.array(event),
});

/** Where the history is kept. */
export const HISTORY_DOCUMENT = { name: "history.json", schema };

/** Series of the fleet and of each car, and the events of all. */
export class History {
  readonly fleet = new Series();
  readonly events = new EventList();
  readonly #cars = new Map<string, Series>();
  readonly #clock: Clock;
  #file: StateFile | undefined;
  #stopKeeping: () => void = () => {};

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Adds a second of a car; `level`: how bad its health is. */
  add(car: string, at: number, sample: Sample, level: number): void {
    let own = this.#cars.get(car);
    if (own === undefined) this.#cars.set(car, own = new Series());
    own.add(at, sample, level);
  }

  /** One car's series; undefined when nothing is known of it. */
  of(car: string): Series | undefined {
    return this.#cars.get(car);
  }

  forget(car: string): void {
    this.#cars.delete(car);
  }

  /** Forgets cars that were kept, but are no longer served. */
  forgetOthers(served: ReadonlySet<string>): void {
    for (const car of this.#cars.keys()) if (!served.has(car)) this.forget(car);
  }

  /**
   * Reads what was kept, and keeps it from now on.
   *
   * @throws {StateError} when it can neither be used nor set aside.
   */
  async load(directory: StateDirectory): Promise<void> {
    const kept = await directory.readOrSetAside(HISTORY_DOCUMENT);
    if (kept !== undefined) {
      this.fleet.restore(kept.fleet);
      this.events.restore(kept.events);
      for (const [car, own] of Object.entries(kept.cars)) {
        const restored = new Series();
        restored.restore(own);
        this.#cars.set(car, restored);
      }
    }
    this.#file = directory.largeFile(HISTORY_DOCUMENT.name, () => this.#parts());
    this.#stopKeeping = every(KEEP_MS, () => void this.#file?.save(), this.#clock);
  }

  /** Writes it a last time. Never rejects. */
  async stop(): Promise<void> {
    this.#stopKeeping();
    await this.#file?.save();
  }

  /** The document of {@linkcode HISTORY_DOCUMENT}, a car or some events at a time. */
  *#parts(): Generator<string> {
    const now = this.#clock.now();
    const fleet = JSON.stringify(this.fleet.keep(now) satisfies z.input<typeof series>);
    yield `{"format":1,"fleet":${fleet},"cars":{`;
    let comma = "";
    for (const [car, own] of [...this.#cars]) {
      const kept = own.keep(now) satisfies z.input<typeof series>;
      yield `${comma}${JSON.stringify(car)}:${JSON.stringify(kept)}`;
      comma = ",";
    }
    yield '},"events":[';
    comma = "";
    for (const one of this.events.keep()) {
      yield comma + JSON.stringify(one satisfies z.input<typeof event>);
      comma = ",";
    }
    yield "]}\n";
  }
}
