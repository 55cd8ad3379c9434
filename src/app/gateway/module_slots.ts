// The modules of a gateway, each in a slot whose module can be replaced while calls go on.
import type { GatewayModuleConfig, ModuleLimits } from "../../config/mod.ts";
import type { Log } from "../../log/mod.ts";
import type {
  GatewayCall,
  GatewayModule,
  GatewayReturn,
  HostedModuleSnapshot,
} from "../../module/mod.ts";
import { type Clock, within } from "../../time/mod.ts";

/** A module, and the limits it runs with. */
export interface ModuleOrder extends GatewayModuleConfig {
  readonly limits: ModuleLimits;
}

/** A module that runs. */
export interface StartedModule extends GatewayModule {
  /** The module as plain data. */
  snapshot(): HostedModuleSnapshot;
  /** Fails the calls that are open, and ends its processes. Never rejects. */
  stop(): Promise<void>;
}

/**
 * Starts a module.
 *
 * @throws {ModuleLoadError | ModuleHostError} when it cannot be used.
 */
export type StartModule = (config: ModuleOrder) => Promise<StartedModule>;

/** A replaced module may finish its calls for this long, in milliseconds. */
const FINISH_MS = 5_000;

/** One start of a module, and its open calls. */
class Run {
  readonly module: StartedModule;
  readonly config: ModuleOrder;
  /** What its file was like, so that a reload notices another one under the same name. */
  readonly version: string;
  #open = 0;
  readonly #idle = Promise.withResolvers<void>();
  #retired = false;

  constructor(module: StartedModule, config: ModuleOrder, version: string) {
    this.module = module;
    this.config = config;
    this.version = version;
  }

  async call(call: GatewayCall): Promise<GatewayReturn> {
    this.#open++;
    try {
      return await this.module.call(call);
    } finally {
      this.#open--;
      this.#settle();
    }
  }

  /** Ends it, once its calls have returned. Never rejects. */
  async retire(clock: Clock): Promise<void> {
    this.#retired = true;
    this.#settle();
    await within(this.#idle.promise, FINISH_MS, clock);
    await this.module.stop();
  }

  #settle(): void {
    if (this.#retired && this.#open === 0) this.#idle.resolve();
  }
}

/** What a gateway calls: the module in the slot. */
class Slot implements GatewayModule {
  readonly number: number;
  run: Run;

  constructor(run: Run) {
    this.number = run.config.number;
    this.run = run;
  }

  call(call: GatewayCall): Promise<GatewayReturn> {
    return this.run.call(call);
  }
}

/** Modules of another configuration that have been started; one of both functions is to be called. */
export interface PreparedModules {
  /** Numbers of the modules that were started. */
  readonly started: readonly number[];
  /** Whether other numbers are served than before. */
  readonly isOtherSet: boolean;
  /** For a gateway of the new configuration. */
  readonly modules: ReadonlyMap<number, GatewayModule>;
  /** Calls go to the new modules; those they replace finish their calls, and end. */
  commit(): void;
  /** Ends the new modules. */
  discard(): Promise<void>;
}

/** All modules of a gateway. */
export class ModuleSlots {
  readonly #start: StartModule;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #ending = new Set<Promise<void>>();
  #slots: ReadonlyMap<number, Slot> = new Map();

  constructor(start: StartModule, log: Log, clock: Clock) {
    this.#start = start;
    this.#log = log;
    this.#clock = clock;
  }

  get modules(): ReadonlyMap<number, GatewayModule> {
    return this.#slots;
  }

  /** All modules as plain data. */
  snapshots(): HostedModuleSnapshot[] {
    return [...this.#slots.values()].map(({ run }) => run.module.snapshot());
  }

  /**
   * Starts what differs from the modules that run; these are left alone.
   *
   * @throws {AggregateError} with the reason of each module that cannot be started; none is then.
   */
  async prepare(configs: readonly ModuleOrder[]): Promise<PreparedModules> {
    const kept = new Map<number, Slot>();
    const starting: Promise<Run>[] = [];
    for (const config of configs) {
      const slot = this.#slots.get(config.number);
      const version = await versionOf(config.path);
      if (slot !== undefined && isSame(slot.run, config, version)) kept.set(config.number, slot);
      else starting.push(this.#start(config).then((module) => new Run(module, config, version)));
    }
    const outcomes = await Promise.allSettled(starting);
    const runs = outcomes.flatMap((one) => one.status === "fulfilled" ? [one.value] : []);
    const discard = async () => void await Promise.all(runs.map(({ module }) => module.stop()));
    const reasons = outcomes.flatMap((one) => one.status === "rejected" ? [one.reason] : []);
    if (reasons.length > 0) {
      await discard();
      throw new AggregateError(reasons, "Cannot start the modules");
    }
    const fresh = new Map(runs.map((run) => [run.config.number, run]));
    const next = new Map(configs.map(({ number }): [number, Slot] => {
      const run = fresh.get(number);
      const slot = this.#slots.get(number) ?? new Slot(run as Run);
      return [number, kept.get(number) ?? slot];
    }));
    const isOtherSet = next.size !== this.#slots.size ||
      [...next.keys()].some((number) => !this.#slots.has(number));
    return {
      started: [...fresh.keys()],
      isOtherSet,
      modules: next,
      commit: () => this.#commit(next, fresh),
      discard,
    };
  }

  /** Ends all modules. Never rejects. */
  async stop(): Promise<void> {
    const runs = [...this.#slots.values()].map(({ run }) => run.module.stop());
    this.#slots = new Map();
    await Promise.all([...runs, ...this.#ending]);
  }

  #commit(next: ReadonlyMap<number, Slot>, fresh: ReadonlyMap<number, Run>): void {
    const before = this.#slots;
    this.#slots = next;
    for (const [number, slot] of before) if (!next.has(number)) this.#retire(slot.run);
    for (const [number, run] of fresh) {
      const slot = next.get(number);
      if (slot === undefined || slot.run === run) continue;
      const old = slot.run;
      slot.run = run;
      this.#retire(old);
    }
  }

  #retire(run: Run): void {
    const ending = run.retire(this.#clock).catch((error) =>
      this.#log.error(() => `Cannot end module ${run.config.number} cleanly: ${error}`)
    ).finally(() => this.#ending.delete(ending));
    this.#ending.add(ending);
  }
}

function isSame({ config, version }: Run, next: ModuleOrder, now: string): boolean {
  return version === now && JSON.stringify(config) === JSON.stringify(next);
}

/** Differs when the file is another one, or was written. */
async function versionOf(path: string): Promise<string> {
  const file = await Deno.stat(path).catch(() => null);
  return file === null ? "" : `${file.ino} ${file.size} ${file.mtime?.getTime()}`;
}
