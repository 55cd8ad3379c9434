// Keeps the module contexts of one car alive: opens them, and opens them anew when they were lost,
// after pauses that grow while it keeps happening.
import type { Car } from "../car/mod.ts";
import {
  type Blame,
  type ContextListener,
  type ContextSpec,
  isSameSpec,
  type ModuleContext,
  ModuleLoadError,
} from "../module/mod.ts";
import type { ModuleCommand } from "../protocol/mod.ts";
import type { Log } from "../log/mod.ts";
import { backoff, type Clock, systemClock, type TimerHandle } from "../time/mod.ts";
import type { Apart, HostPool, Place, Standing } from "./host_pool.ts";

/** What is kept alive, and with what. */
export interface CarModulesOptions {
  readonly car: Car;
  readonly specs: readonly ContextSpec[];
  readonly pool: HostPool;
  readonly log: Log;
  /** @default {systemClock} */
  readonly clock?: Clock;
  /**
   * Whom these modules replace: they keep quiet until {@linkcode CarModules.takeOver}, and then get
   * the contexts that both have alike.
   */
  readonly predecessor?: CarModules | undefined;
  /** Where contexts go first. @default {where there is room} */
  readonly apart?: Apart | undefined;
}

/** After so long without a loss, in milliseconds, the pauses start over and others may move in. */
const WELL_MS = 60_000;

/** Pauses between attempts; the very first new attempt is made at once. */
const PAUSES = { firstMs: 1000, maxMs: 60_000 } as const;

/** Crashes in a row from which on a car is doubted, and shares hosts with a few of its like only. */
const CRASHES_UNTIL_DOUBTED = 2;
/** Crashes in a row from which on a car is suspect, and gets hosts of its own: it takes nobody along. */
const CRASHES_UNTIL_SUSPECT = 3;

/** What whoever opens contexts wants to know. */
interface OpenWatch {
  onFailure(error: Error): void;
  /** The library of one is loaded, or cannot be. */
  onLoaded(spec: ContextSpec): void;
}

const UNWATCHED: OpenWatch = { onFailure() {}, onLoaded() {} };

interface Opened {
  readonly spec: ContextSpec;
  readonly place: Place;
  /** Whose it is: it may outlive the configuration it was opened for. */
  owner: CarModules;
  /** Commands that came before the car had the context. */
  readonly early: ModuleCommand[];
  readonly listener: ContextListener;
  /** Set when it has been opened. */
  context?: ModuleContext;
  lost: boolean;
}

/** The module contexts of one car. */
export class CarModules {
  readonly #car: Car;
  readonly #specs: readonly ContextSpec[];
  readonly #pool: HostPool;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #opened = new Map<number, Opened>();
  #pauses = backoff(PAUSES);
  #failuresInRow = 0;
  #crashesInRow = 0;
  /** Whether contexts have been lost in a crash since the last attempt began. */
  #crashed = false;
  /** Whether a crash pointed at one of its modules. */
  #suspect = false;
  /** Since when every context has been there; Infinity while one lacks. */
  #wellSince = Infinity;
  #attempt: Promise<void> | null = null;
  #timer: TimerHandle | null = null;
  #stopped = false;
  /** Present until they take over. */
  #predecessor: CarModules | undefined;
  #apart: Apart | undefined;

  constructor(options: CarModulesOptions) {
    this.#car = options.car;
    this.#specs = options.specs;
    this.#pool = options.pool;
    this.#log = options.log.forCar(options.car.name);
    this.#clock = options.clock ?? systemClock;
    this.#predecessor = options.predecessor;
    this.#apart = options.apart;
  }

  /**
   * Opens every context for the first time. Resolves when each has been tried; never rejects.
   *
   * @param onUnusable Called at once for each library that cannot be loaded: a reason not to start
   * at all. Everything else that can go wrong is tried again, for as long as it takes.
   * @param onLoaded Called when every library has been loaded, or could not be, `init` or no `init`.
   */
  async start(onUnusable: (error: Error) => void, onLoaded = () => {}): Promise<void> {
    const unloaded = new Set(this.#specs);
    this.#attempt = this.#open({
      onFailure: (error) => {
        if (cannotEverLoad(error)) onUnusable(error);
      },
      onLoaded: (spec) => {
        if (unloaded.delete(spec) && unloaded.size === 0) onLoaded();
      },
    });
    await this.#attempt;
    onLoaded();
  }

  /**
   * Takes the place of the predecessor, which has to be stopped afterwards: the car's session ends as
   * `module_lost`, its contexts are exchanged, and gateways may connect when all are there. Contexts
   * that are not there yet are opened as if they had been lost.
   *
   * @param exchange Called in between, while the car has neither session nor contexts.
   */
  takeOver(exchange: () => void): void {
    const predecessor = this.#predecessor;
    if (predecessor === undefined || this.#stopped) return;
    this.#predecessor = undefined;
    this.#car.releaseModules("Its modules are configured anew");
    for (const opened of predecessor.#handOver(this.#specs)) {
      opened.owner = this;
      this.#opened.set(opened.spec.module, opened);
    }
    exchange();
    for (const opened of this.#opened.values()) this.#attach(opened);
    if (this.#attempt !== null) return;
    if (this.#isComplete) this.#beWell();
    else this.#retry();
  }

  /** Whether they have not taken over yet. */
  get #isQuiet(): boolean {
    return this.#predecessor !== undefined;
  }

  /** Destroys the contexts and gives their places back. Never rejects. */
  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#timer !== null) this.#clock.clear(this.#timer);
    this.#timer = null;
    await Promise.all([...this.#opened.values()].map(leave));
    this.#opened.clear();
  }

  /** Gives up what `specs` have alike, and everything that is under way. */
  #handOver(specs: readonly ContextSpec[]): Opened[] {
    this.#stopped = true;
    // Whoever takes over has no history, and so have the places it gets.
    this.#forgive();
    const kept = [...this.#opened.values()].filter(({ spec }) => includesSpec(specs, spec));
    for (const { spec } of kept) this.#opened.delete(spec.module);
    return kept;
  }

  get #isComplete(): boolean {
    return this.#opened.size === this.#specs.length;
  }

  /** Opens the contexts that lack, all at once. */
  async #open(watch: OpenWatch): Promise<void> {
    const alike = this.#predecessor === undefined ? [] : this.#predecessor.#specs;
    const lacking = this.#specs.filter((spec) =>
      !this.#opened.has(spec.module) && !includesSpec(alike, spec)
    );
    this.#crashed = false;
    const company = { standing: this.#standing, apart: this.#apart };
    const places = this.#pool.reserve(this.#car.name, lacking.length, company);
    await Promise.all(lacking.map(async (spec, index) => {
      const place = places[index];
      if (place === undefined) return;
      try {
        await this.#openOne(spec, place, watch);
      } catch (error) {
        place.release();
        this.#onFailed(spec, error instanceof Error ? error : new Error(String(error)), watch);
      }
      watch.onLoaded(spec);
    }));
    this.#attempt = null;
    if (this.#stopped) return;
    if (this.#isComplete) this.#beWell();
    else this.#retry();
  }

  #beWell(): void {
    this.#wellSince = this.#clock.now();
    this.#car.modulesReady();
  }

  async #openOne(spec: ContextSpec, place: Place, watch: OpenWatch): Promise<void> {
    const listener = this.#car.contextListener(
      spec.module,
      (reason, blame) => opened.owner.#onLost(opened, reason, blame),
    );
    const opened: Opened = { spec, place, listener, owner: this, early: [], lost: false };
    const context = await place.open(spec, {
      onLoaded: () => watch.onLoaded(spec),
      onCommand: (command) => {
        if (opened.owner.#isQuiet) opened.early.push(command);
        else listener.onCommand(command);
      },
      onLost: (reason, blame) => {
        if (opened.owner.#isQuiet) opened.owner.#onLost(opened, reason, blame);
        else listener.onLost(reason, blame);
      },
    });
    if (opened.lost) return;
    opened.context = context;
    if (this.#stopped) return leave(opened);
    this.#opened.set(spec.module, opened);
    // Commands wait inside the module until the car can take them; few are on their way already.
    if (this.#isQuiet) context.holdCommands();
    else this.#car.attach(context);
  }

  /** Gives the car a context that was opened ahead, or that served it before. */
  #attach(opened: Opened): void {
    if (opened.context === undefined) return;
    this.#car.attach(opened.context);
    for (const command of opened.early.splice(0)) opened.listener.onCommand(command);
    opened.context.releaseCommands();
  }

  #onFailed(spec: ContextSpec, error: Error, watch: OpenWatch): void {
    // A host that stops refuses what it was asked for; nobody needs to hear of that.
    if (this.#stopped) return;
    // The host died over it: maybe `init` crashes, and would take the same neighbors along again.
    if (error instanceof ModuleLoadError && error.blame === "likely") this.#suspect = true;
    this.#log.error(() => error.message, { module: spec.module });
    watch.onFailure(error);
  }

  #onLost(opened: Opened, reason: string, blame: Blame): void {
    const { module } = opened.spec;
    opened.lost = true;
    opened.place.release();
    this.#opened.delete(module);
    if (this.#stopped) return;
    if (this.#hasBeenWell) this.#forgive();
    this.#wellSince = Infinity;
    if (blame !== "none") {
      // A car's contexts on one host are lost together: that is one crash.
      if (!this.#crashed) this.#crashesInRow++;
      this.#crashed = true;
    }
    this.#suspect ||= blame === "likely";
    this.#log.error(() => `Module context lost: ${reason}`, { module });
    this.#retry();
  }

  /** Whether neighbors are in danger; the pool goes on asking for the places contexts have got. */
  readonly #standing = (): Standing => {
    if (this.#hasBeenWell) return "trusted";
    if (this.#suspect || this.#crashesInRow >= CRASHES_UNTIL_SUSPECT) return "suspect";
    return this.#crashesInRow >= CRASHES_UNTIL_DOUBTED ? "doubted" : "trusted";
  };

  get #hasBeenWell(): boolean {
    return this.#clock.now() - this.#wellSince >= WELL_MS;
  }

  #forgive(): void {
    this.#pauses = backoff(PAUSES);
    this.#failuresInRow = 0;
    this.#crashesInRow = 0;
    this.#suspect = false;
  }

  /** Opens what lacks at once the first time, and after a growing pause when it goes on. */
  #retry(): void {
    // Nobody waits for those who have not taken over.
    if (this.#attempt !== null || this.#timer !== null || this.#isQuiet) return;
    this.#failuresInRow++;
    const pauseMs = this.#failuresInRow === 1 ? 0 : this.#pauses.next().value;
    if (this.#failuresInRow > 1) {
      const seconds = (pauseMs / 1000).toFixed(1);
      this.#log.critical(() =>
        `Modules failed ${this.#failuresInRow} times in a row, next attempt in ${seconds} s`
      );
    }
    this.#timer = this.#clock.set(() => {
      this.#timer = null;
      this.#attempt = this.#open(UNWATCHED);
    }, pauseMs);
  }
}

/** Destroys a context and gives its place back, come what may. */
async function leave({ context, place }: Opened): Promise<void> {
  try {
    await context?.destroy();
  } catch {
    // There is nothing left to do for it, and its host ends when the last one has left.
  } finally {
    place.release();
  }
}

function includesSpec(specs: readonly ContextSpec[], spec: ContextSpec): boolean {
  return specs.some((one) => isSameSpec(one, spec));
}

/** Whether trying again cannot help: the library itself is wrong. */
function cannotEverLoad(error: Error): boolean {
  return error instanceof ModuleLoadError && ["library", "symbol", "number"].includes(error.kind);
}
