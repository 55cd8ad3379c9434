// Which cars operators have paused: who, when and why. Outlives the cars, and with a state
// directory the server.
import * as z from "zod";
import type { Log } from "../log/mod.ts";
import type { StateDirectory } from "./state_directory.ts";
import type { StateFile } from "./state_file.ts";

/** Why a car answers no Connect. */
export interface Pause {
  /** The name of the operator's key. */
  readonly by: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** In the operator's words; may be empty. */
  readonly reason: string;
}

/** A time of a document, in milliseconds since the epoch, that can be written as a date. */
export const keptTime = z.number().min(0).max(8_640_000_000_000_000);

/** Without it, cars would come back by mistake: one that cannot be used stops the start. */
export const PAUSES_DOCUMENT = {
  name: "pauses.json",
  schema: z.strictObject({
    format: z.literal(1),
    pauses: z.record(
      z.string(),
      z.strictObject({ by: z.string(), at: keptTime, reason: z.string() }),
    ),
  }),
};

/** Pauses by car; also of cars that the configuration no longer has, in case they come back. */
export class Pauses {
  readonly #directory: StateDirectory | undefined;
  readonly #log: Log;
  #pauses: ReadonlyMap<string, Pause> = new Map();
  #file: StateFile | undefined;

  /** @param directory absent: pauses end with the server */
  constructor(directory: StateDirectory | undefined, log: Log) {
    this.#directory = directory;
    this.#log = log;
  }

  /**
   * Reads what was kept.
   *
   * @throws {StateError} when it cannot be used: cars must not come back by mistake.
   */
  async load(): Promise<void> {
    if (this.#directory === undefined) return;
    const kept = await this.#directory.read(PAUSES_DOCUMENT);
    this.#pauses = new Map(Object.entries(kept?.pauses ?? {}));
    this.#file = this.#directory.file(PAUSES_DOCUMENT.name, () => ({
      format: 1,
      pauses: Object.fromEntries(this.#pauses),
    }));
    for (const [car, pause] of this.#pauses) {
      this.#log.forCar(car).info(() => `Still paused: ${pauseText(pause)}`);
    }
  }

  /** Whether they survive a restart of the server. */
  get areKept(): boolean {
    return this.#file !== undefined && !this.#file.hasFailed;
  }

  get(car: string): Pause | undefined {
    return this.#pauses.get(car);
  }

  /**
   * Pauses cars; those that are paused stay as they were.
   *
   * @returns whether that is on the disk, true without a state directory. Never rejects.
   */
  add(cars: readonly string[], pause: Pause): Promise<boolean> {
    return this.#change(
      new Map([...this.#pauses, ...cars.map((car) => [car, this.get(car) ?? pause] as const)]),
    );
  }

  /** Resumes cars; returns as {@linkcode add} does. */
  remove(cars: readonly string[]): Promise<boolean> {
    const gone = new Set(cars);
    return this.#change(new Map([...this.#pauses].filter(([car]) => !gone.has(car))));
  }

  async #change(pauses: ReadonlyMap<string, Pause>): Promise<boolean> {
    this.#pauses = pauses;
    return await this.#file?.save() ?? true;
  }
}

/** Such as `by "dispatcher" since 2026-11-20 23:46 UTC: brake check`. */
function pauseText({ by, at, reason }: Pause): string {
  const since = new Date(at).toISOString().slice(0, 16).replace("T", " ");
  return `by ${JSON.stringify(by)} since ${since} UTC${reason === "" ? "" : `: ${reason}`}`;
}
