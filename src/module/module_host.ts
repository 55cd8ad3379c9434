// A module host as seen from outside: a child process that owns up to 15 contexts.
import { type Log, silentLog } from "../observe/log.ts";
import { type Clock, systemClock, type TimerHandle } from "../time/clock.ts";
import type { ContextListener, ContextSpec, ModuleContext } from "./context.ts";
import { ModuleLoadError } from "./errors.ts";
import {
  type CreateFailure,
  type CreatePurpose,
  type CreateRequest,
  type Frame,
  FrameKind,
  type OverdueReport,
} from "./frames.ts";
import { connectHost, DEFAULT_CALL_TIMEOUT_MS } from "./connect_host.ts";
import { describeExit, type HostExit, type HostProcess } from "./host_process.ts";
import type { HostState, ModuleHostOptions, ModuleHostSnapshot } from "./host_model.ts";
import { type Duplex, Link, type LinkHandler } from "./link.ts";
import { type ContextOwner, RemoteContext } from "./remote_context.ts";
import { CallStatistics } from "./statistics.ts";
import { Watchdog } from "./watchdog.ts";

export type { HostState, ModuleHostOptions, ModuleHostSnapshot } from "./host_model.ts";

/**
 * Contexts one host may hold: each has one of the process's 32 threads to wait on and one to be
 * called on, always.
 */
export const CONTEXTS_PER_HOST = 15;

/** A context that is being made. */
interface Creation {
  readonly context: RemoteContext;
  readonly purpose: CreatePurpose;
  readonly resolve: (context: ModuleContext) => void;
  readonly reject: (error: ModuleLoadError) => void;
}

/** After the connection has ended, the process gets this long to say why. */
const EXIT_GRACE_MS = 1000;
/** More than the host's own bound on destroying, for a host that does not answer at all. */
const DESTROY_MARGIN_MS = 500;

/**
 * A child process with module contexts in it.
 *
 * When it dies, every open call ends as `host_lost`, then each context's `onLost` is called, then
 * `onExit`. Callbacks never run inside the call that caused them.
 */
export class ModuleHost implements LinkHandler, ContextOwner {
  readonly link: Link;
  readonly statistics: CallStatistics;
  /** Resolves when the process has ended and everybody has been told. */
  readonly exited: Promise<string>;
  readonly #process: HostProcess;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #options: ModuleHostOptions;
  readonly #watchdog: Watchdog;
  readonly #contexts = new Map<number, RemoteContext>();
  readonly #creations = new Map<number, Creation>();
  readonly #destroyed = new Map<number, () => void>();
  /** Places of contexts that were left undestroyed, with their threads. */
  readonly #abandoned = new Set<number>();
  #state: HostState = "active";
  #residentBytes = 0;
  #killReason: string | null = null;
  #killed = false;
  #stopping: Promise<void> | null = null;
  #exitTimer: TimerHandle | null = null;
  /** Whose call took too long. */
  #overdue: RemoteContext | null = null;

  private constructor(process: HostProcess, connection: Duplex, options: ModuleHostOptions) {
    this.#process = process;
    this.#options = options;
    this.#log = options.log ?? silentLog;
    this.#clock = options.clock ?? systemClock;
    this.statistics = options.statistics ?? new CallStatistics();
    this.link = new Link(connection, this);
    this.#watchdog = new Watchdog({
      timeoutMs: options.moduleCallTimeoutMs ?? DEFAULT_CALL_TIMEOUT_MS,
      clock: this.#clock,
      ask: () => {
        this.link.out.frame(FrameKind.PING, 0, 0);
        this.link.flush();
      },
      onSilent: (silentMs) => {
        this.#log.error(`Module host ${this.pid} is killed: no answer for ${silentMs} ms`);
        this.kill(`it did not answer for ${silentMs} ms`);
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
    host.link.start();
    host.#watchdog.start();
    return host;
  }

  /** The host's process id. */
  get pid(): number {
    return this.#process.pid;
  }

  /** What the host is doing. */
  get state(): HostState {
    return this.#state;
  }

  /** How many more contexts the host takes. */
  get freePlaces(): number {
    return this.#state === "active" ? CONTEXTS_PER_HOST - this.#places : 0;
  }

  /** What the host holds, as plain data. */
  snapshot(): ModuleHostSnapshot {
    const contexts = [...this.#contexts.values()].map((context) => ({
      car: context.spec.car,
      module: context.spec.module,
      libPath: context.spec.libPath,
      openCalls: context.openCalls,
      destroying: context.destroying,
    }));
    return {
      pid: this.pid,
      state: this.#state,
      places: this.#places,
      openCalls: contexts.reduce((sum, context) => sum + context.openCalls, 0),
      pendingBytes: this.link.pendingBytes,
      residentBytes: this.#residentBytes,
      contexts,
    };
  }

  /**
   * Loads the library and makes a context. Commands arrive only after this has resolved.
   *
   * @throws {ModuleLoadError} with the kind of the failure; names car, module and path.
   */
  createContext(spec: ContextSpec, listener: ContextListener): Promise<ModuleContext> {
    return this.#create(spec, listener, "context");
  }

  /**
   * Tries a library: `load` looks for its functions and asks for its number, `init` makes a context
   * and destroys it as well. The module is never asked for commands.
   *
   * @throws {ModuleLoadError} as `createContext`.
   */
  async tryLibrary(spec: ContextSpec, purpose: "load" | "init"): Promise<void> {
    await this.#create(spec, { onCommand() {}, onLost() {} }, purpose);
  }

  /**
   * Destroys every context, waiting at most `destroyTimeoutMs` (or the given time, in
   * milliseconds), then ends the process. Contexts are not told `onLost`. Never rejects.
   */
  stop(options: { destroyTimeoutMs?: number } = {}): Promise<void> {
    return this.#stopping ??= this.#stop(options.destroyTimeoutMs);
  }

  /** Kills the process (SIGKILL); the reason is what contexts hear from `onLost`. */
  kill(reason: string): void {
    if (this.#state === "exited") return;
    this.#killReason ??= reason;
    this.#killed = true;
    this.#process.kill();
  }

  /** See {@linkcode ContextOwner}. */
  destroy(
    context: RemoteContext,
    timeoutMs = this.#options.destroyTimeoutMs ?? 5000,
  ): Promise<void> {
    const { index } = context;
    const { out } = this.link;
    out.begin(FrameKind.DESTROY, index, 0);
    out.uint32(timeoutMs);
    out.end();
    this.link.flush();
    return new Promise((resolve) => {
      const timer = this.#clock.set(
        () => this.#onDestroyed(index, true),
        timeoutMs + DESTROY_MARGIN_MS,
      );
      this.#destroyed.set(index, () => {
        this.#clock.clear(timer);
        resolve();
      });
    });
  }

  /** See {@linkcode ContextOwner}. */
  onCallbackError(context: RemoteContext, error: unknown): void {
    const text = error instanceof Error ? error.stack ?? error.message : String(error);
    this.#logOf(context).error(`Callback of a module call failed: ${text}`, {
      module: context.spec.module,
    });
  }

  /** See {@linkcode LinkHandler}. */
  onFrame(frame: Frame): void {
    const { kind, context: index } = frame;
    if (kind === FrameKind.DONE) {
      this.#contexts.get(index)?.answered(frame.argument, frame.uint32(0));
      return;
    }
    switch (kind) {
      case FrameKind.COMMAND:
        return this.#onCommand(index, frame);
      case FrameKind.PONG:
        this.#residentBytes = frame.uint32(0) * 1024;
        return this.#watchdog.answered();
      case FrameKind.LOADED:
        return this.#creations.get(index)?.context.listener.onLoaded?.();
      case FrameKind.CREATED:
        return this.#onCreated(index);
      case FrameKind.CREATE_FAILED:
        return this.#onCreateFailed(index, JSON.parse(frame.text()) as CreateFailure);
      case FrameKind.DESTROYED:
        return this.#onDestroyed(index, frame.argument !== 0);
      case FrameKind.FREED:
        return void this.#abandoned.delete(index);
      case FrameKind.OVERDUE:
        return this.#onOverdue(index, JSON.parse(frame.text()) as OverdueReport);
      case FrameKind.NOTICE:
        return this.#onNotice(index, frame.text());
    }
  }

  /** See {@linkcode LinkHandler}. */
  onClosed(error: Error | null): void {
    if (this.#state === "exited") return;
    if (error !== null) this.#killReason ??= `its connection failed: ${error.message}`;
    this.#watchdog.stop();
    this.#exitTimer = this.#clock.set(() => {
      this.kill("it closed its connection and did not end");
    }, EXIT_GRACE_MS);
  }

  get #places(): number {
    return this.#contexts.size + this.#creations.size + this.#abandoned.size;
  }

  #freeIndex(): number {
    let index = 0;
    while (
      this.#contexts.has(index) || this.#creations.has(index) || this.#abandoned.has(index)
    ) index++;
    return index;
  }

  #create(
    spec: ContextSpec,
    listener: ContextListener,
    purpose: CreatePurpose,
  ): Promise<ModuleContext> {
    const active = this.#state === "active";
    if (!active || this.#places >= CONTEXTS_PER_HOST) {
      const why = active ? `holds ${CONTEXTS_PER_HOST} contexts already` : `is ${this.#state}`;
      return Promise.reject(new ModuleLoadError("host", spec, `the host ${why}`));
    }
    const index = this.#freeIndex();
    const context = new RemoteContext(spec, listener, index, this);
    const { module, libPath, parameters, waitTimeoutMs } = spec;
    const request: CreateRequest = { module, libPath, parameters, waitTimeoutMs, purpose };
    return new Promise((resolve, reject) => {
      this.#creations.set(index, { context, purpose, resolve, reject });
      const { out } = this.link;
      out.begin(FrameKind.CREATE, index, 0);
      out.text(JSON.stringify(request));
      out.end();
      this.link.flush();
    });
  }

  #onCommand(index: number, frame: Frame): void {
    const context = this.#contexts.get(index);
    if (!context || context.destroying) return;
    try {
      context.listener.onCommand(frame.deviceAndData());
    } catch (error) {
      this.onCallbackError(context, error);
    }
  }

  #onCreated(index: number): void {
    const creation = this.#creations.get(index);
    if (!creation) return;
    this.#creations.delete(index);
    if (creation.purpose !== "context") return creation.resolve(creation.context);
    this.#contexts.set(index, creation.context);
    creation.resolve(creation.context);
    // The loop begins held: whoever awaits the context shall have it before its first command.
    if (this.#state === "active") creation.context.releaseCommands();
  }

  #onCreateFailed(index: number, failure: CreateFailure): void {
    const creation = this.#creations.get(index);
    if (!creation) return;
    this.#creations.delete(index);
    creation.reject(new ModuleLoadError(failure.kind, creation.context.spec, failure.detail));
  }

  #onDestroyed(index: number, left: boolean): void {
    const context = this.#contexts.get(index);
    const resolve = this.#destroyed.get(index);
    this.#destroyed.delete(index);
    this.#contexts.delete(index);
    if (context) {
      if (left) {
        this.#abandoned.add(index);
        this.#logOf(context).warning(
          "Context not destroyed: the module has not come back from its last call in time",
          { module: context.spec.module },
        );
      }
      context.end();
    } else if (!left) {
      // It had been given up on this side already.
      this.#abandoned.delete(index);
    }
    resolve?.();
  }

  #onOverdue(index: number, { functionName, elapsedMs }: OverdueReport): void {
    const context = this.#contexts.get(index) ?? this.#creations.get(index)?.context;
    const who = context ? `module ${context.spec.module} of car "${context.spec.car}"` : "a module";
    this.#overdue = context ?? null;
    const text = `${functionName} of ${who} has not come back for ${elapsedMs} ms`;
    const log = context ? this.#logOf(context) : this.#log;
    log.error(
      `Module host ${this.pid} is killed: ${text}`,
      context ? { module: context.spec.module } : {},
    );
    this.kill(text);
  }

  #onNotice(index: number, text: string): void {
    const context = this.#contexts.get(index);
    if (context) this.#logOf(context).warning(text, { module: context.spec.module });
    else this.#log.warning(text);
  }

  #logOf(context: RemoteContext): Log {
    return this.#log.forCar(context.spec.car);
  }

  async #stop(destroyTimeoutMs = this.#options.destroyTimeoutMs ?? 5000): Promise<void> {
    if (this.#state === "exited") return;
    this.#state = "stopping";
    const contexts = [...this.#contexts.values()];
    for (const { context, reject } of this.#creations.values()) {
      reject(new ModuleLoadError("host", context.spec, "the host is stopping"));
    }
    this.#creations.clear();
    const destroyed = contexts.map((context) =>
      context.destroying ? context.destroy() : this.destroy(context, destroyTimeoutMs)
    );
    await Promise.all(destroyed);
    this.#killReason ??= "it was stopped";
    this.link.close();
    await this.exited;
  }

  #onExited(exit: HostExit): string {
    this.#watchdog.stop();
    if (this.#exitTimer !== null) this.#clock.clear(this.#exitTimer);
    this.#state = "exited";
    this.link.close();
    const reason = this.#killReason ?? `it ${describeExit(exit)}`;
    const contexts = [...this.#contexts.values()];
    this.#contexts.clear();
    this.#abandoned.clear();
    for (const { context, reject } of this.#creations.values()) {
      reject(new ModuleLoadError("host", context.spec, `the host died: ${reason}`));
    }
    this.#creations.clear();
    // Killed from outside, by an operator or for want of memory, says nothing of what was called.
    const accusing = this.#killed || exit.signal !== "SIGKILL";
    const busy = new Set(contexts.filter((context) => accusing && context.openCalls > 0));
    for (const context of contexts) context.end();
    for (const resolve of this.#destroyed.values()) resolve();
    this.#destroyed.clear();
    for (const context of contexts) {
      if (!context.destroying && !this.#stopping) {
        context.tellLost(reason, busy.has(context) || context === this.#overdue);
      }
    }
    this.#options.onExit?.(reason);
    return reason;
  }
}
