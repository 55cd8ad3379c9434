// The host's side of the channel: makes contexts, hands calls to them, destroys them.
import { type Clock, systemClock } from "../../time/mod.ts";
import { LibraryError, LOAD_ERROR_KINDS } from "../errors.ts";
import type { Frame } from "../wire/frame_reader.ts";
import { type CreateRequest, FrameKind } from "../wire/frames.ts";
import { type Duplex, FrameChannel, type FrameChannelHandler } from "../wire/frame_channel.ts";
import { CallWatch } from "./call_watch.ts";
import { HostedContext } from "./hosted_context.ts";
import type { MemoryTrimmer } from "./memory_trimmer.ts";
import { type LoadModule, type Module, nameInC } from "./module.ts";

/** The parts of a host. */
export interface HostServerOptions {
  /** How long one call may be executed, in milliseconds; `wait_for_command` excepted. */
  readonly moduleCallTimeoutMs: number;
  readonly load: LoadModule;
  readonly memory: Pick<MemoryTrimmer, "onChange" | "stop">;
  /** @default {systemClock} */
  readonly clock?: Clock;
}

/** Serves one server until it is gone. */
export class HostServer implements FrameChannelHandler {
  readonly #options: HostServerOptions;
  readonly #clock: Clock;
  readonly #channel: FrameChannel;
  readonly #watch: CallWatch;
  /**
   * By path, also while being loaded: the contexts of one module share it [MODULE-SHARED]. A script
   * that has changed, or that may do something else, is another module.
   */
  readonly #modules = new Map<string, Promise<Module>>();
  readonly #contexts = new Map<number, HostedContext>();
  /** The modules of contexts, also of those that are being made. */
  readonly #users = new Map<number, Module>();
  readonly #closed = Promise.withResolvers<void>();

  constructor(duplex: Duplex, options: HostServerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#channel = new FrameChannel(duplex, this);
    this.#watch = new CallWatch({
      timeoutMs: options.moduleCallTimeoutMs,
      clock: this.#clock,
      contexts: this.#contexts,
      onOverdue: (index, functionName, elapsedMs) => {
        const { out } = this.#channel;
        out.begin(FrameKind.OVERDUE, index);
        out.uint32(elapsedMs);
        out.text(nameInC(functionName));
        out.end();
        this.#channel.flush();
      },
    });
  }

  /** Starts to serve. */
  start(): void {
    this.#channel.start();
    this.#watch.start();
  }

  /** Resolves when the server is gone. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  /** See {@linkcode FrameChannelHandler}. */
  onFrame(frame: Frame): void {
    const index = frame.context;
    switch (frame.kind) {
      case FrameKind.FORWARD_STATUS:
      case FrameKind.FORWARD_ERROR_MESSAGE:
      case FrameKind.ACKNOWLEDGE_COMMAND:
      case FrameKind.CONNECT_DEVICE:
      case FrameKind.DISCONNECT_DEVICE:
        return this.#contexts.get(index)?.calls.call(frame);
      case FrameKind.REFUSED_CALL:
        return this.#contexts.get(index)?.calls.refuse();
      case FrameKind.WITHDRAW_CALLS:
        return this.#contexts.get(index)?.calls.withdraw();
      case FrameKind.HOLD_COMMANDS:
        return this.#contexts.get(index)?.commands.hold();
      case FrameKind.RELEASE_COMMANDS:
        return this.#contexts.get(index)?.commands.release();
      case FrameKind.CREATE:
        return void this.#create(index, JSON.parse(frame.text()));
      case FrameKind.DESTROY:
        return void this.#destroy(this.#contexts.get(index), frame.uint32(0));
      case FrameKind.PING:
        return this.#pong();
    }
  }

  /** See {@linkcode FrameChannelHandler}. */
  onClosed(): void {
    this.#watch.stop();
    this.#options.memory.stop();
    this.#closed.resolve();
  }

  #pong(): void {
    const residentKib = Math.round(Deno.memoryUsage().rss / 1024);
    this.#channel.out.numberFrame(FrameKind.PONG, 0, 0, residentKib);
    this.#channel.flush();
  }

  async #create(index: number, request: CreateRequest): Promise<void> {
    try {
      const module = await this.#load(request);
      this.#users.set(index, module);
      if (request.purpose !== "load") {
        // `init` may take long, but an unusable library must be reported at once.
        this.#tell(FrameKind.LOADED, index);
        const context = await this.#init(index, module, request);
        if (request.purpose === "init") await this.#end(index, context);
        else this.#keep(context);
      }
      this.#tell(FrameKind.CREATED, index);
    } catch (error) {
      const { kind, message } = error instanceof LibraryError
        ? error
        : { kind: "host" as const, message: String(error) };
      const { out } = this.#channel;
      out.begin(FrameKind.CREATE_FAILED, index, LOAD_ERROR_KINDS.indexOf(kind));
      out.text(message);
      out.end();
      this.#channel.flush();
    } finally {
      if (!this.#contexts.has(index)) this.#users.delete(index);
      this.#watch.ended(index);
      this.#options.memory.onChange();
    }
  }

  /** @throws {LibraryError} also when the module's number is another one. */
  async #load(request: CreateRequest): Promise<Module> {
    const { module: number } = request;
    const module = await this.#share(request);
    const own = await module.getModuleNumber();
    if (own === number) return module;
    const detail = `the library is module ${own}, the configuration says ${number}`;
    throw new LibraryError("number", detail);
  }

  /** A library that could not be loaded is tried again for the next context. */
  async #share(request: CreateRequest): Promise<Module> {
    const { libPath, script, permissions } = request;
    const key = script ? `${libPath} ${script.hash} ${JSON.stringify(permissions)}` : libPath;
    const shared = this.#modules.get(key);
    if (shared !== undefined) return await shared;
    const loading = (async () => await this.#options.load(libPath, request))();
    this.#modules.set(key, loading);
    try {
      const module = await loading;
      void module.failed?.then((reason) => this.#fail(module, reason));
      return module;
    } catch (error) {
      this.#modules.delete(key);
      throw error;
    }
  }

  /** A module cannot go on: says which contexts that concerns, and ends the host. */
  #fail(module: Module, reason: string): void {
    const { out } = this.#channel;
    for (const [index, user] of this.#users) {
      if (user !== module) continue;
      out.begin(FrameKind.FAILED, index);
      out.text(reason);
      out.end();
    }
    void this.#channel.drained().then(() => this.#channel.close());
  }

  /** @throws {LibraryError} when `init` fails. */
  async #init(
    index: number,
    module: Module,
    { parameters, waitTimeoutMs }: CreateRequest,
  ): Promise<HostedContext> {
    this.#watch.began(index, "init");
    let context: unknown;
    try {
      context = await module.init(parameters);
    } catch (cause) {
      throw new LibraryError("init", `init failed: ${cause}`, { cause });
    }
    if (context === null) throw new LibraryError("init", "init returned NULL");
    const clock = this.#clock;
    return new HostedContext({
      index,
      module,
      context,
      waitTimeoutMs,
      channel: this.#channel,
      clock,
    });
  }

  #keep(context: HostedContext): void {
    this.#contexts.set(context.index, context);
    context.commands.start();
  }

  /** Destroys the context of a trial at once, watched for a timeout. */
  async #end(index: number, context: HostedContext): Promise<void> {
    this.#watch.began(index, "destroy");
    await context.destroy();
  }

  async #destroy(context: HostedContext | undefined, graceMs: number): Promise<void> {
    if (context === undefined) return;
    const { index } = context;
    let left = false;
    const timer = this.#clock.set(() => {
      left = true;
      this.#tell(FrameKind.DESTROYED, index, 1);
    }, graceMs);
    await context.destroy();
    this.#clock.clear(timer);
    this.#contexts.delete(index);
    this.#users.delete(index);
    this.#options.memory.onChange();
    this.#tell(left ? FrameKind.FREED : FrameKind.DESTROYED, index);
  }

  #tell(kind: FrameKind, index: number, argument = 0): void {
    this.#channel.out.frame(kind, index, argument);
    this.#channel.flush();
  }
}
