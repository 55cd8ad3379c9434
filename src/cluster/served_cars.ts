// Serves the cars that an instance owns: makes them in its server, and has their conversations
// adopted and released.
import type { Car, Turn, TurnSubscriber } from "../car/mod.ts";
import type { Log } from "../log/mod.ts";
import type { Server } from "../server/mod.ts";
import type { Adoption, CarCluster, Taking } from "./car_cluster.ts";
import type { StopReason } from "./inputs.ts";
import type { CarKeeper } from "./instance.ts";

/** How cars came here. */
export type TakeoverKind = "planned" | "unplanned" | "reconnected";

/** How long takeovers took, in seconds. */
export interface Took {
  /** Ascending upper bounds; the last bucket has none. */
  readonly bounds: readonly number[];
  readonly counts: number[];
  sum: number;
}

/** What came of takeovers, since the server started. */
export interface TakeoverCounts {
  readonly took: Record<TakeoverKind, Took>;
  /** Exact ones, by kind. */
  readonly exact: Record<TakeoverKind, number>;
  /** Gateways that had to connect again, by the reason. */
  readonly inexact: Record<string, number>;
  /** Cars that turned out to be another's. */
  lost: number;
  /** Sessions that were not closed exactly when they were handed over. */
  unfinished: number;
}

export interface ServedCarsOptions {
  readonly server: Pick<Server, "add" | "remove" | "car">;
  readonly conversations: Pick<CarCluster, "adopt" | "release" | "abandon">;
  readonly log: Log;
  /** A car that was to be served with this epoch is not. */
  readonly onLost: (car: string, epoch: number) => void;
  /** A car is not to be moved, or may be again. */
  readonly onUnsettled: (car: string, unsettled: boolean) => void;
  /** A car is served; `paused`: an operator has paused it, here or where it was before. */
  readonly onAdopted?: (car: Car, adoption: Adoption) => void;
}

/** What is to be served with which epoch, and what is under way for it. */
interface Entry {
  readonly epoch: number;
  car: Car | undefined;
  /** Ends what is begun before anything else is done for the car; never rejects. */
  work: Promise<void>;
  /** Adopted. */
  settled: boolean;
  gone: boolean;
}

/** {@linkcode CarKeeper} of a {@linkcode Server}; gets the turns of all cars. */
export class ServedCars implements CarKeeper, TurnSubscriber {
  readonly #options: ServedCarsOptions;
  readonly #entries = new Map<string, Entry>();
  /** Of cars that leave, by car. */
  readonly #leaving = new Map<string, Promise<unknown>>();
  readonly counts: TakeoverCounts = noTakeovers();

  constructor(options: ServedCarsOptions) {
    this.#options = options;
  }

  /** The number of cars that this instance serves, or is taking. */
  get size(): number {
    return this.#entries.size;
  }

  serve(name: string, taking: Taking): void {
    const entry: Entry = {
      epoch: taking.epoch,
      car: undefined,
      work: Promise.resolve(),
      settled: false,
      gone: false,
    };
    this.#entries.set(name, entry);
    this.#options.onUnsettled(name, true);
    entry.work = this.#adopt(name, entry, taking);
  }

  async drain(name: string): Promise<boolean> {
    const entry = this.#entries.get(name);
    if (entry === undefined) return await this.#left(name).then(() => false);
    this.#entries.delete(name);
    entry.gone = true;
    const leaving = this.#release(name, entry);
    this.#leave(name, leaving);
    return await leaving;
  }

  abandon(name: string, reason: StopReason): void {
    const entry = this.#entries.get(name);
    if (entry === undefined) return;
    this.#entries.delete(name);
    entry.gone = true;
    this.#options.log.forCar(name).warning(`Not served here any more: ${reason}`);
    this.#leave(name, this.#abandon(entry));
  }

  /** A car was adopted once more after its connection was lost, or was lost for good. */
  readopted(name: string, adoption: Adoption): void {
    const entry = this.#entries.get(name);
    if (entry?.car === undefined) return;
    this.#judge(name, entry, entry.car, adoption, "reconnected");
  }

  onTurn({ car, before, after }: Turn): void {
    if (before.kind === after.kind || !this.#entries.get(car)?.settled) return;
    this.#options.onUnsettled(car, after.kind === "connecting");
  }

  /** Resolves when every car that leaves has left. Never rejects. */
  async left(): Promise<void> {
    await Promise.all(this.#leaving.values());
  }

  async #adopt(name: string, entry: Entry, taking: Taking): Promise<void> {
    const { server, conversations, log } = this.#options;
    await this.#left(name);
    if (entry.gone) return;
    const car = await server.add(name);
    entry.car = car;
    if (entry.gone) return;
    if (car === undefined) return this.#lose(name, entry, "It is not in the configuration");
    const adoption = await conversations.adopt(car, taking);
    if (entry.gone) return;
    this.#judge(name, entry, car, adoption, taking.planned ? "planned" : "unplanned");
    if (adoption.kind === "lost") return;
    entry.settled = true;
    const { state, sessionId } = car.snapshot();
    this.#options.onUnsettled(name, sessionId !== null && state !== "RUNNING");
    log.forCar(name).info(() => `Served here, epoch ${taking.epoch}: ${adoptionText(adoption)}`);
  }

  #judge(name: string, entry: Entry, car: Car, adoption: Adoption, kind: TakeoverKind): void {
    if (adoption.kind === "lost") return this.#lose(name, entry, adoption.detail);
    if (adoption.kind === "exact") this.counts.exact[kind]++;
    else {
      const { inexact } = this.counts;
      inexact[adoption.reason] = (inexact[adoption.reason] ?? 0) + 1;
    }
    observe(this.counts.took[kind], adoption.tookMs / 1000);
    this.#options.onAdopted?.(car, adoption);
  }

  #lose(name: string, entry: Entry, detail: string): void {
    if (this.#entries.get(name) !== entry) return;
    this.#entries.delete(name);
    entry.gone = true;
    this.counts.lost++;
    this.#options.log.forCar(name).error(`Cannot serve the car: ${detail}`);
    this.#leave(name, this.#abandon(entry));
    this.#options.onUnsettled(name, false);
    this.#options.onLost(name, entry.epoch);
  }

  /** Whether the session was closed exactly. */
  async #release(name: string, entry: Entry): Promise<boolean> {
    const { server, conversations, log } = this.#options;
    // A takeover that has begun goes on until there is something to close.
    await entry.work;
    const { car } = entry;
    if (car === undefined) return false;
    const release = await conversations.release(car);
    if (release.kind === "unfinished") {
      this.counts.unfinished++;
      log.forCar(name).warning(`Handed over before everything had ended: ${release.detail}`);
    }
    void this.#track(name, server.remove(car));
    return release.kind === "exact";
  }

  async #abandon(entry: Entry): Promise<void> {
    const { server, conversations } = this.#options;
    // At once: whatever is under way ends by it.
    if (entry.car !== undefined) await conversations.abandon(entry.car);
    await entry.work;
    if (entry.car !== undefined) await server.remove(entry.car);
  }

  /** Resolves when what leaves under this name has left. */
  async #left(name: string): Promise<void> {
    await this.#leaving.get(name);
  }

  #leave(name: string, leaving: Promise<unknown>): void {
    void this.#track(name, leaving);
  }

  async #track(name: string, leaving: Promise<unknown>): Promise<void> {
    const all = Promise.all([this.#leaving.get(name), leaving]);
    this.#leaving.set(name, all);
    await all;
    if (this.#leaving.get(name) === all) this.#leaving.delete(name);
  }
}

function adoptionText(adoption: Adoption): string {
  switch (adoption.kind) {
    case "exact":
      return `its session goes on after ${Math.round(adoption.tookMs)} ms`;
    case "connect_again":
      return `its gateway is to connect again (${adoption.reason}): ${adoption.detail}`;
    case "lost":
      return adoption.detail;
  }
}

const BOUNDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Of an instance that has just begun. */
export function noTakeovers(): TakeoverCounts {
  const none = (): Took => ({ bounds: BOUNDS, counts: BOUNDS.map(() => 0).concat(0), sum: 0 });
  return {
    took: { planned: none(), unplanned: none(), reconnected: none() },
    exact: { planned: 0, unplanned: 0, reconnected: 0 },
    inexact: {},
    lost: 0,
    unfinished: 0,
  };
}

function observe(took: Took, seconds: number): void {
  const index = took.bounds.findIndex((bound) => seconds <= bound);
  const bucket = index < 0 ? took.bounds.length : index;
  took.counts[bucket] = (took.counts[bucket] ?? 0) + 1;
  took.sum += seconds;
}
