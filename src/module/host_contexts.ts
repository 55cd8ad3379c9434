// The contexts of one module host on the server's side, and the channel to it: which context has
// which place, from the first attempt to make it until it is destroyed.
import type { Log } from "../log/mod.ts";
import type { Clock } from "../time/mod.ts";
import type { Blame, ContextListener, ContextSpec, ModuleContext } from "./context.ts";
import { truncationOf } from "./elf.ts";
import { ContextCreations } from "./context_creations.ts";
import { ModuleLoadError } from "./errors.ts";
import type { Frame } from "./wire/frame_reader.ts";
import { type CreatePurpose, FrameKind } from "./wire/frames.ts";
import type { ModuleHostSnapshot } from "./host_model.ts";
import { type Duplex, FrameChannel, type FrameChannelHandler } from "./wire/frame_channel.ts";
import { type ContextOwner, RemoteContext } from "./remote_context.ts";
import type { CallStatistics } from "./statistics.ts";

/**
 * Contexts per host: each always has one of the process's 32 threads to wait on and one to be
 * called on.
 */
export const CONTEXTS_PER_HOST = 15;

/** Shared by the contexts of a host. */
export interface HostContextsOptions {
  readonly statistics: CallStatistics;
  readonly log: Log;
  readonly clock: Clock;
  /** Deadline for destroying a context, in milliseconds. */
  readonly destroyTimeoutMs: number;
  /** Called when the number of unusable places changes. */
  readonly onBlocked: (count: number) => void;
  /** The host has answered a PING, and says how much memory it has. */
  readonly onPong: (residentBytes: number) => void;
  /** A call is being executed for too long; undefined: of a context that is gone. */
  readonly onOverdue: (
    context: RemoteContext | undefined,
    functionName: string,
    elapsedMs: number,
  ) => void;
  /** The module of a context cannot go on; the host ends itself for that. */
  readonly onFailed: (context: RemoteContext | undefined, reason: string) => void;
  /** See {@linkcode FrameChannelHandler}. */
  readonly onClosed: (error: Error | null) => void;
}

/** Added to the host's own deadline for destroying, for a host that does not answer at all; in ms. */
const DESTROY_MARGIN_MS = 500;

const COPY_AGAIN = "Copy the library again, in binary mode, and compare its size";

/** The places of one host. */
export class HostContexts implements ContextOwner, FrameChannelHandler {
  readonly channel: FrameChannel;
  readonly statistics: CallStatistics;
  readonly #options: HostContextsOptions;
  readonly #living = new Map<number, RemoteContext>();
  readonly #creations: ContextCreations;
  /** Callbacks that wait for contexts to be destroyed. */
  readonly #destroyed = new Map<number, () => void>();
  #exhausted = false;
  /** Places of contexts that were left undestroyed, with their threads. */
  readonly #abandoned = new Set<number>();

  constructor(duplex: Duplex, options: HostContextsOptions) {
    this.#options = options;
    this.statistics = options.statistics;
    this.channel = new FrameChannel(duplex, this);
    this.#creations = new ContextCreations(this.channel);
  }

  /** Places taken: of contexts being made, alive, or left undestroyed. */
  get places(): number {
    return this.#living.size + this.#creations.size + this.#abandoned.size;
  }

  /**
   * Whether the host could not make a context because it ran out of descriptors or memory, which a
   * library may have used up. Another host may be able to.
   */
  get exhausted(): boolean {
    return this.#exhausted;
  }

  /** The living contexts as plain data. */
  snapshot(): ModuleHostSnapshot["contexts"] {
    return [...this.#living.values()].map((context) => ({
      car: context.spec.car,
      module: context.spec.module,
      libPath: context.spec.libPath,
      openCalls: context.openCalls,
      destroying: context.destroying,
    }));
  }

  /**
   * Makes or tries a context.
   *
   * @throws {ModuleLoadError} (by rejecting) when it cannot, or when there is no place.
   */
  create(
    spec: ContextSpec,
    listener: ContextListener,
    purpose: CreatePurpose,
  ): Promise<ModuleContext> {
    if (this.places >= CONTEXTS_PER_HOST) {
      const why = `the host holds ${CONTEXTS_PER_HOST} contexts already`;
      return Promise.reject(new ModuleLoadError("host", spec, why));
    }
    // Loading it would end the host with all its contexts.
    const truncation = spec.script === undefined ? truncationOf(spec.libPath) : undefined;
    if (truncation !== undefined) {
      return Promise.reject(new ModuleLoadError("library", spec, `${truncation}. ${COPY_AGAIN}`));
    }
    const context = new RemoteContext(spec, listener, this.#freeIndex(), this);
    return this.#creations.begin(context, purpose);
  }

  /** See {@linkcode ContextOwner}. */
  destroy(
    context: RemoteContext,
    timeoutMs = this.#options.destroyTimeoutMs,
  ): Promise<void> {
    const { index } = context;
    const { clock } = this.#options;
    this.channel.out.numberFrame(FrameKind.DESTROY, index, 0, timeoutMs);
    this.channel.flush();
    return new Promise((resolve) => {
      const timer = clock.set(
        () => this.#onDestroyed(index, true),
        timeoutMs + DESTROY_MARGIN_MS,
      );
      this.#destroyed.set(index, () => {
        clock.clear(timer);
        resolve();
      });
    });
  }

  /** Aborts contexts that are being made, and destroys the rest within the given time. Never rejects. */
  async destroyAll(timeoutMs = this.#options.destroyTimeoutMs): Promise<void> {
    this.#creations.failAll("the host is stopping");
    await Promise.all([...this.#living.values()].map((context) => context.destroy(timeoutMs)));
  }

  /**
   * The host's process has ended: contexts that are being made fail, every open call ends as
   * `host_lost`, then contexts are told.
   *
   * @param blameOf whether a context's module may be the cause; called while its calls are still
   * open
   * @param tells whether contexts are told; those that are being destroyed never are
   */
  end(reason: string, blameOf: (context: RemoteContext) => Blame, tells: boolean): void {
    const contexts = [...this.#living.values()];
    this.#living.clear();
    this.#abandoned.clear();
    // One that was being made was being called: its library was loaded, or its `init`.
    this.#creations.failAll(
      `the host died: ${reason}`,
      (context) => blameOf(context) === "none" ? "none" : "likely",
    );
    const blames = new Map(contexts.map((context) => [context, blameOf(context)]));
    for (const context of contexts) context.end();
    for (const resolve of this.#destroyed.values()) resolve();
    this.#destroyed.clear();
    if (!tells) return;
    for (const context of contexts) {
      if (!context.destroying) context.tellLost(reason, blames.get(context) ?? "none");
    }
  }

  /** See {@linkcode FrameChannelHandler}. */
  onFrame(frame: Frame): void {
    const { kind, context: index } = frame;
    switch (kind) {
      case FrameKind.DONE:
        return this.#living.get(index)?.answered(frame.argument, frame.uint32(0));
      case FrameKind.COMMAND:
        return this.#onCommand(index, frame);
      case FrameKind.LOADED:
        return this.#onLoaded(this.#creations.at(index));
      case FrameKind.CREATED:
        return this.#onCreated(index);
      case FrameKind.CREATE_FAILED:
        return this.#onCreateFailed(index, frame);
      case FrameKind.DESTROYED:
        return this.#onDestroyed(index, frame.argument !== 0);
      case FrameKind.FREED:
        return this.#onFreed(index);
      case FrameKind.NOTICE:
        return this.#onNotice(index, frame.text());
      case FrameKind.PONG:
        return this.#options.onPong(frame.uint32(0) * 1024);
      case FrameKind.OVERDUE:
        return this.#options.onOverdue(this.#at(index), frame.text(4), frame.uint32(0));
      case FrameKind.FAILED:
        return this.#options.onFailed(this.#at(index), frame.text());
    }
  }

  /** See {@linkcode FrameChannelHandler}. */
  onClosed(error: Error | null): void {
    this.#options.onClosed(error);
  }

  /** See {@linkcode ContextOwner}. */
  onCallbackError(context: RemoteContext, error: unknown): void {
    const text = error instanceof Error ? error.stack ?? error.message : String(error);
    this.#options.log.forCar(context.spec.car).error(`Callback of a module call failed: ${text}`, {
      module: context.spec.module,
    });
  }

  /** The context at that place, made or being made. */
  #at(index: number): RemoteContext | undefined {
    return this.#living.get(index) ?? this.#creations.at(index);
  }

  #freeIndex(): number {
    let index = 0;
    while (this.#at(index) !== undefined || this.#abandoned.has(index)) index++;
    return index;
  }

  #onCommand(index: number, frame: Frame): void {
    const context = this.#living.get(index);
    if (!context || context.destroying) return;
    try {
      const { device, data } = frame.deviceData();
      context.listener.onCommand({ device, data });
    } catch (error) {
      this.onCallbackError(context, error);
    }
  }

  #onLoaded(context: RemoteContext | undefined): void {
    if (context === undefined) return;
    try {
      context.listener.onLoaded?.();
    } catch (error) {
      this.onCallbackError(context, error);
    }
  }

  #onCreated(index: number): void {
    const context = this.#creations.made(index);
    if (context !== undefined) this.#living.set(index, context);
  }

  #onCreateFailed(index: number, frame: Frame): void {
    if (this.#creations.failed(index, frame) !== "host" || this.#exhausted) return;
    this.#exhausted = true;
    this.#tellBlocked();
  }

  #onDestroyed(index: number, left: boolean): void {
    const context = this.#living.get(index);
    const resolve = this.#destroyed.get(index);
    this.#destroyed.delete(index);
    this.#living.delete(index);
    if (context) {
      if (left) {
        this.#abandoned.add(index);
        this.#tellBlocked();
        this.#options.log.forCar(context.spec.car).warning(
          "Context not destroyed: the module has not come back from its last call in time",
          { module: context.spec.module },
        );
      }
      context.end();
    } else if (!left) {
      // It was given up on this side already.
      this.#onFreed(index);
    }
    resolve?.();
  }

  #onFreed(index: number): void {
    if (this.#abandoned.delete(index)) this.#tellBlocked();
  }

  #tellBlocked(): void {
    this.#options.onBlocked(this.#exhausted ? CONTEXTS_PER_HOST : this.#abandoned.size);
  }

  #onNotice(index: number, text: string): void {
    const spec = this.#living.get(index)?.spec;
    if (spec) this.#options.log.forCar(spec.car).warning(text, { module: spec.module });
    else this.#options.log.warning(text);
  }
}
