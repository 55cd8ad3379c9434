// A module host on the server's side: starts, watches and ends the child process. host_contexts.ts
// keeps its contexts.
import { type Log, silentLog } from "../log/mod.ts";
import { systemClock } from "../time/mod.ts";
import { connectHost, DEFAULT_CALL_TIMEOUT_MS } from "./process/connect_host.ts";
import type { Blame, ContextListener, ContextSpec, ModuleContext } from "./context.ts";
import { ModuleLoadError } from "./errors.ts";
import type { CreatePurpose } from "./wire/frames.ts";
import { CONTEXTS_PER_HOST, HostContexts } from "./host_contexts.ts";
import type { HostState, ModuleHostOptions, ModuleHostSnapshot } from "./host_model.ts";
import { HostLife } from "./process/host_life.ts";
import type { HostExit, HostProcess } from "./process/host_process.ts";
import type { Duplex } from "./wire/frame_channel.ts";
import type { RemoteContext } from "./remote_context.ts";
import { CallStatistics } from "./statistics.ts";

const DEFAULT_DESTROY_TIMEOUT_MS = 5000;
/** A killed host with this much memory was probably killed by the kernel for it; in bytes. */
const LARGE_BYTES = 512 * 1024 * 1024;

/**
 * A child process with module contexts in it.
 *
 * When it dies, every open call ends as `host_lost`, then each context's `onLost` is called, then
 * `onExit`. Callbacks never run inside the call that caused them.
 */
export class ModuleHost {
  readonly statistics: CallStatistics;
  /** Resolves when the process has ended and all callbacks were called. */
  readonly exited: Promise<string>;
  readonly #life: HostLife;
  readonly #contexts: HostContexts;
  readonly #log: Log;
  readonly #onExit: (reason: string, signal: string | null) => void;
  #state: HostState = "active";
  #stopping: Promise<void> | null = null;
  /** Contexts whose calls took too long, or whose module has failed. */
  readonly #overdue = new Set<RemoteContext>();

  private constructor(process: HostProcess, connection: Duplex, options: ModuleHostOptions) {
    const clock = options.clock ?? systemClock;
    const log = options.log ?? silentLog;
    this.#log = log;
    this.#onExit = options.onExit ?? (() => {});
    this.statistics = options.statistics ?? new CallStatistics();
    this.#contexts = new HostContexts(connection, {
      statistics: this.statistics,
      log,
      clock,
      destroyTimeoutMs: options.destroyTimeoutMs ?? DEFAULT_DESTROY_TIMEOUT_MS,
      onBlocked: options.onBlocked ?? (() => {}),
      onPong: (residentBytes) => this.#life.answered(residentBytes),
      onOverdue: (context, functionName, elapsedMs) =>
        this.#onOverdue(context, functionName, elapsedMs),
      onFailed: (context, reason) => {
        if (context) this.#overdue.add(context);
        this.#life.willEnd(reason);
      },
      onClosed: (error) => this.#life.disconnected(error),
    });
    this.#life = new HostLife({
      process,
      channel: this.#contexts.channel,
      timeoutMs: options.moduleCallTimeoutMs ?? DEFAULT_CALL_TIMEOUT_MS,
      maxMemoryBytes: options.maxMemoryBytes ?? 0,
      warnMemoryBytes: options.warnMemoryBytes,
      memoryKey: "max_host_memory_bytes",
      describeLarge: (memory) => {
        const cars = new Set(this.#contexts.snapshot().map(({ car }) => car));
        return `Module host ${this.pid} has ${memory} of memory: a module of ${cars.size} ` +
          `${cars.size === 1 ? "car" : "cars"} may leak (${listOf(cars)}). ` +
          "With limits.max_host_memory_bytes, such a host is replaced";
      },
      log,
      clock,
      onExited: (reason, exit) => this.#onExited(reason, exit),
    });
    this.exited = this.#life.exited;
  }

  /**
   * Starts a host process and connects it.
   *
   * @throws {ModuleHostError} when the process ends or does not connect in time.
   */
  static async start(options: ModuleHostOptions = {}): Promise<ModuleHost> {
    const connected = options.early?.take(options) ?? connectHost(options);
    const { process, connection } = await connected;
    const host = new ModuleHost(process, connection, options);
    host.#life.start();
    return host;
  }

  /** The host's process id. */
  get pid(): number {
    return this.#life.pid;
  }

  get state(): HostState {
    return this.#state;
  }

  /** The number of free places. */
  get freePlaces(): number {
    if (this.#state !== "active" || this.#contexts.exhausted) return 0;
    return CONTEXTS_PER_HOST - this.#contexts.places;
  }

  /** The host as plain data. */
  snapshot(): ModuleHostSnapshot {
    const contexts = this.#contexts.snapshot();
    return {
      pid: this.pid,
      state: this.#state,
      places: this.#contexts.places,
      openCalls: contexts.reduce((sum, context) => sum + context.openCalls, 0),
      pendingBytes: this.#contexts.channel.pendingBytes,
      residentBytes: this.#life.residentBytes,
      contexts,
    };
  }

  /**
   * Loads the library and makes a context. Its commands wait until they are released.
   *
   * @throws {ModuleLoadError} with the kind of the failure; names car, module and path.
   */
  createContext(spec: ContextSpec, listener: ContextListener): Promise<ModuleContext> {
    return this.#create(spec, listener, "context");
  }

  /**
   * Tries a library: `load` checks its functions and its number, `init` also makes a context and
   * destroys it. The module is never asked for commands.
   *
   * @throws {ModuleLoadError} as `createContext`.
   */
  async tryLibrary(spec: ContextSpec, purpose: "load" | "init"): Promise<void> {
    await this.#create(spec, { onCommand() {}, onLost() {} }, purpose);
  }

  /**
   * Destroys all contexts, waiting at most `destroyTimeoutMs` (or the given time, in milliseconds),
   * then ends the process. `onLost` of contexts is not called. Never rejects.
   */
  stop(options: { destroyTimeoutMs?: number } = {}): Promise<void> {
    return this.#stopping ??= this.#stop(options.destroyTimeoutMs);
  }

  /** Kills the process (SIGKILL); contexts get the reason with `onLost`. */
  kill(reason: string): void {
    this.#life.kill(reason);
  }

  #create(
    spec: ContextSpec,
    listener: ContextListener,
    purpose: CreatePurpose,
  ): Promise<ModuleContext> {
    if (this.#state !== "active") {
      return Promise.reject(new ModuleLoadError("host", spec, `the host is ${this.#state}`));
    }
    return this.#contexts.create(spec, listener, purpose);
  }

  #onOverdue(context: RemoteContext | undefined, functionName: string, elapsedMs: number): void {
    if (context) this.#overdue.add(context);
    const { car, module } = context?.spec ?? {};
    const who = car === undefined ? "a module" : `module ${module} of car "${car}"`;
    const text = `${functionName} of ${who} has not come back for ${elapsedMs} ms`;
    const log = car === undefined ? this.#log : this.#log.forCar(car);
    const fields = module === undefined ? {} : { module };
    log.error(`Killing module host ${this.pid}: ${text}`, fields);
    this.kill(text);
  }

  async #stop(destroyTimeoutMs: number | undefined): Promise<void> {
    if (this.#state === "exited") return;
    this.#state = "stopping";
    await this.#contexts.destroyAll(destroyTimeoutMs);
    await this.#life.end("it was stopped");
  }

  /** Which modules may have caused the end of the process. */
  #blameOf(exit: HostExit): (context: RemoteContext) => Blame {
    // A context that is known to hang exonerates the others, busy or not.
    if (this.#overdue.size > 0) {
      return (context) => this.#overdue.has(context) ? "likely" : "none";
    }
    // The context that was being called need not have taken the memory.
    if (this.#life.outgrown) return () => "possible";
    if (!this.#life.killed && exit.signal === "SIGKILL") {
      // By an operator, or by the kernel when out of memory.
      return () => this.#life.residentBytes >= LARGE_BYTES ? "possible" : "none";
    }
    return (context) => context.openCalls > 0 ? "likely" : "possible";
  }

  #onExited(reason: string, exit: HostExit): void {
    this.#state = "exited";
    this.#contexts.end(reason, this.#blameOf(exit), this.#stopping === null);
    this.#onExit(reason, this.#life.signalOf(exit));
  }
}

function listOf(cars: ReadonlySet<string>): string {
  const more = cars.size > 3 ? `, and ${cars.size - 3} more` : "";
  return [...cars].slice(0, 3).join(", ") + more;
}
