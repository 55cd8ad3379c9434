// A module host on the server's side: starts, watches and ends the child process. host_contexts.ts
// keeps its contexts.
import { type Log, silentLog } from "../log/mod.ts";
import { type Clock, systemClock, type TimerHandle } from "../time/mod.ts";
import { connectHost, DEFAULT_CALL_TIMEOUT_MS } from "./process/connect_host.ts";
import type { Blame, ContextListener, ContextSpec, ModuleContext } from "./context.ts";
import { ModuleLoadError } from "./errors.ts";
import { type CreatePurpose, FrameKind } from "./wire/frames.ts";
import { CONTEXTS_PER_HOST, HostContexts } from "./host_contexts.ts";
import type { HostState, ModuleHostOptions, ModuleHostSnapshot } from "./host_model.ts";
import { describeExit, type HostExit, type HostProcess } from "./process/host_process.ts";
import type { Duplex, FrameChannel } from "./wire/frame_channel.ts";
import type { RemoteContext } from "./remote_context.ts";
import { CallStatistics } from "./statistics.ts";
import { halfOfMachineMemory, MemoryWatch, Watchdog } from "./process/watchdog.ts";

/** After the connection has ended, the process has this long to report why; in milliseconds. */
const EXIT_GRACE_MS = 1000;
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
  readonly #process: HostProcess;
  readonly #channel: FrameChannel;
  readonly #contexts: HostContexts;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #watchdog: Watchdog;
  readonly #memory: MemoryWatch;
  readonly #onExit: (reason: string, signal: string | null) => void;
  #state: HostState = "active";
  #residentBytes = 0;
  #killReason: string | null = null;
  #killed = false;
  /** Killed for its memory. */
  #outgrown = false;
  /** The error of the connection. */
  #broken: string | null = null;
  #stopping: Promise<void> | null = null;
  #exitTimer: TimerHandle | null = null;
  /** Contexts whose calls took too long. */
  readonly #overdue = new Set<RemoteContext>();

  private constructor(process: HostProcess, connection: Duplex, options: ModuleHostOptions) {
    this.#process = process;
    this.#log = options.log ?? silentLog;
    this.#clock = options.clock ?? systemClock;
    this.#onExit = options.onExit ?? (() => {});
    this.statistics = options.statistics ?? new CallStatistics();
    this.#contexts = new HostContexts(connection, {
      statistics: this.statistics,
      log: this.#log,
      clock: this.#clock,
      destroyTimeoutMs: options.destroyTimeoutMs ?? DEFAULT_DESTROY_TIMEOUT_MS,
      onBlocked: options.onBlocked ?? (() => {}),
      onPong: (residentBytes) => {
        this.#residentBytes = residentBytes;
        this.#watchdog.answered();
        this.#memory.seen(residentBytes);
      },
      onOverdue: (context, functionName, elapsedMs) =>
        this.#onOverdue(context, functionName, elapsedMs),
      onClosed: (error) => this.#onClosed(error),
    });
    this.#channel = this.#contexts.channel;
    this.#watchdog = new Watchdog({
      timeoutMs: options.moduleCallTimeoutMs ?? DEFAULT_CALL_TIMEOUT_MS,
      clock: this.#clock,
      ask: () => {
        this.#channel.out.frame(FrameKind.PING, 0);
        this.#channel.flush();
      },
      onSilent: (silentMs) => {
        this.#log.error(`Killing module host ${this.pid}: no answer for ${silentMs} ms`);
        this.kill(`it did not answer for ${silentMs} ms`);
      },
    });
    const maxBytes = options.maxMemoryBytes ?? 0;
    this.#memory = new MemoryWatch({
      maxBytes,
      warnBytes: options.warnMemoryBytes ?? halfOfMachineMemory(),
      onExceeded: (bytes) => {
        this.#outgrown = true;
        const text = `it has ${inMib(bytes)} of memory: max_host_memory_bytes is ${maxBytes}`;
        this.#log.error(`Killing module host ${this.pid}: ${text}`);
        this.kill(text);
      },
      onLarge: (bytes) => {
        const cars = new Set(this.#contexts.snapshot().map(({ car }) => car));
        this.#log.warning(
          `Module host ${this.pid} has ${inMib(bytes)} of memory: a module of ${cars.size} ` +
            `${cars.size === 1 ? "car" : "cars"} may leak (${listOf(cars)}). ` +
            "With limits.max_host_memory_bytes, such a host is replaced",
        );
      },
    });
    this.exited = process.exited.then((exit) => this.#onExited(exit));
  }

  /**
   * Starts a host process and connects it.
   *
   * @throws {ModuleHostError} when the process ends or does not connect in time.
   */
  static async start(options: ModuleHostOptions = {}): Promise<ModuleHost> {
    const { process, connection } = await connectHost(options);
    const host = new ModuleHost(process, connection, options);
    host.#channel.start();
    host.#watchdog.start();
    return host;
  }

  /** The host's process id. */
  get pid(): number {
    return this.#process.pid;
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
      pendingBytes: this.#channel.pendingBytes,
      residentBytes: this.#residentBytes,
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
    if (this.#state === "exited") return;
    this.#killReason ??= reason;
    this.#killed = true;
    this.#process.kill();
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

  #onClosed(error: Error | null): void {
    if (this.#state === "exited") return;
    const broken = error === null ? null : `its connection failed: ${error.message}`;
    this.#broken = broken;
    this.#watchdog.stop();
    this.#exitTimer = this.#clock.set(() => {
      this.kill(broken ?? "it closed its connection and did not exit");
    }, EXIT_GRACE_MS);
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
    this.#killReason ??= "it was stopped";
    this.#channel.close();
    await this.exited;
  }

  /** A host that has lost its server exits gracefully; a crash breaks the connection as well. */
  #ownReason(exit: HostExit): string {
    return exit.code === 0 && this.#broken !== null ? this.#broken : `it ${describeExit(exit)}`;
  }

  /** Which modules may have caused the end of the process. */
  #blameOf(exit: HostExit): (context: RemoteContext) => Blame {
    // A context that is known to hang exonerates the others, busy or not.
    if (this.#overdue.size > 0) {
      return (context) => this.#overdue.has(context) ? "likely" : "none";
    }
    // The context that was being called need not have taken the memory.
    if (this.#outgrown) return () => "possible";
    if (!this.#killed && exit.signal === "SIGKILL") {
      // By an operator, or by the kernel when out of memory.
      return () => this.#residentBytes >= LARGE_BYTES ? "possible" : "none";
    }
    return (context) => context.openCalls > 0 ? "likely" : "possible";
  }

  #onExited(exit: HostExit): string {
    this.#watchdog.stop();
    if (this.#exitTimer !== null) this.#clock.clear(this.#exitTimer);
    this.#state = "exited";
    this.#channel.close();
    const reason = this.#killReason ?? this.#ownReason(exit);
    this.#contexts.end(reason, this.#blameOf(exit), this.#stopping === null);
    this.#onExit(reason, this.#killReason === null ? exit.signal : null);
    return reason;
  }
}

function inMib(bytes: number): string {
  return `${Math.round(bytes / (1024 * 1024))} MiB`;
}

function listOf(cars: ReadonlySet<string>): string {
  const more = cars.size > 3 ? `, and ${cars.size - 3} more` : "";
  return [...cars].slice(0, 3).join(", ") + more;
}
