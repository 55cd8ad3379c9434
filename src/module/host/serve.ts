// The host's side of the link: makes contexts, hands calls to them, watches how long they take.
import {
  type CreateFailure,
  type CreateRequest,
  type Frame,
  FrameKind,
  type OverdueReport,
} from "../wire/frames.ts";
import { every, systemClock } from "../../time/mod.ts";
import { type Duplex, Link, type LinkHandler } from "../wire/link.ts";
import { HostContext, type RunningCall } from "./context.ts";
import { Libraries, type Library, LibraryError } from "./library.ts";
import type { SpareMemory } from "./spare_memory.ts";
import { ConfigArgument } from "./structs.ts";

/** What the server tells a host about its duties. */
export interface ServeOptions {
  /** How long one call may execute, in milliseconds; `wait_for_command` excepted. */
  readonly moduleCallTimeoutMs: number;
}

/** A context with what its host watches. */
interface Watched {
  readonly context: HostContext;
  readonly waitTimeoutMs: number;
  /** The wait that has been complained of, by its start. */
  complainedOf: number | null;
}

/** A watch that comes later than this finds a process that was stopped, not one that is busy. */
const STOPPED_MS = 3000;

/** Serves one server until it is gone. */
export class HostServer implements LinkHandler {
  readonly #options: ServeOptions;
  readonly #link: Link;
  readonly #spareMemory: SpareMemory;
  readonly #libraries = new Libraries();
  readonly #contexts = new Map<number, Watched>();
  /** The `init` calls under way, by context. */
  readonly #starting = new Map<number, RunningCall>();
  #endWatch: () => void = () => {};
  #watchIntervalMs = 0;
  #watchedAt = 0;
  /** When this process went on after it had been stopped; that time counts for no call. */
  #resumedAt = 0;
  #resolveClosed: () => void = () => {};
  /** Resolves when the server is gone. */
  readonly closed: Promise<void> = new Promise((resolve) => this.#resolveClosed = resolve);

  constructor(duplex: Duplex, options: ServeOptions, spareMemory: SpareMemory) {
    this.#options = options;
    this.#spareMemory = spareMemory;
    this.#link = new Link(duplex, this);
  }

  /** Starts to serve. */
  start(): void {
    this.#link.start();
    this.#watchIntervalMs = Math.min(1000, Math.max(10, this.#options.moduleCallTimeoutMs / 8));
    this.#watchedAt = systemClock.now();
    this.#endWatch = every(this.#watchIntervalMs, () => this.#findOverdue());
  }

  onFrame(frame: Frame): void {
    const { kind, context: index } = frame;
    if (kind === FrameKind.PING) {
      const { out } = this.#link;
      out.begin(FrameKind.PONG, 0, frame.id);
      out.uint32(Math.round(Deno.memoryUsage().rss / 1024));
      out.end();
      this.#link.flush();
    } else if (kind === FrameKind.CREATE) {
      void this.#create(index, frame.id, JSON.parse(frame.text()) as CreateRequest);
    } else {
      const watched = this.#contexts.get(index);
      if (watched) this.#handle(watched, frame);
    }
  }

  onClosed(): void {
    this.#endWatch();
    this.#spareMemory.stop();
    this.#resolveClosed();
  }

  #handle(watched: Watched, frame: Frame): void {
    const { context } = watched;
    switch (frame.kind) {
      case FrameKind.HOLD_COMMANDS:
        return context.loop.hold();
      case FrameKind.RELEASE_COMMANDS:
        return context.loop.release();
      case FrameKind.WITHDRAW_CALLS:
        return context.withdraw();
      case FrameKind.DESTROY:
        return void this.#destroy(context, frame.uint32(0));
      default:
        return context.call(frame);
    }
  }

  async #create(index: number, id: number, request: CreateRequest): Promise<void> {
    try {
      const library = this.#libraries.load(request.libPath, request.module);
      if (request.purpose !== "load") {
        // `init` may take its time, and whoever asked wants to know of bad libraries at once.
        this.#link.out.frame(FrameKind.LOADED, index, id);
        this.#link.flush();
        const context = await this.#init(index, library, request);
        if (request.purpose === "init") await this.#end(index, context);
        else this.#keep(index, context, request);
      }
      this.#link.out.frame(FrameKind.CREATED, index, id);
    } catch (error) {
      const failure: CreateFailure = error instanceof LibraryError
        ? { kind: error.kind, detail: error.message }
        : { kind: "host", detail: String(error) };
      this.#sendJson(FrameKind.CREATE_FAILED, index, id, failure);
    } finally {
      this.#starting.delete(index);
      this.#link.flush();
      this.#spareMemory.onChange();
    }
  }

  /** @throws {LibraryError} when `init` returns NULL. */
  async #init(index: number, library: Library, request: CreateRequest): Promise<HostContext> {
    const config = new ConfigArgument(request.parameters);
    this.#starting.set(index, { functionName: "init", since: systemClock.now() });
    const pointer = await library.symbols.init(config.config);
    if (pointer === null) throw new LibraryError("init", "init returned NULL");
    return new HostContext(
      index,
      { library, pointer, config },
      request.waitTimeoutMs,
      this.#link,
    );
  }

  #keep(index: number, context: HostContext, { waitTimeoutMs }: CreateRequest): void {
    this.#contexts.set(index, { context, waitTimeoutMs, complainedOf: null });
    context.loop.start();
  }

  /** Ends a context of a trial at once, watched as its making was. */
  async #end(index: number, context: HostContext): Promise<void> {
    this.#starting.set(index, { functionName: "destroy", since: systemClock.now() });
    await context.destroy();
  }

  async #destroy(context: HostContext, graceMs: number): Promise<void> {
    const { index } = context;
    let left = false;
    const timer = systemClock.set(() => {
      left = true;
      this.#link.out.frame(FrameKind.DESTROYED, index, 0, 1);
      this.#link.flush();
    }, graceMs);
    await context.destroy();
    systemClock.clear(timer);
    this.#contexts.delete(index);
    this.#spareMemory.onChange();
    this.#link.out.frame(left ? FrameKind.FREED : FrameKind.DESTROYED, index, 0);
    this.#link.flush();
  }

  /** Reports calls that execute for too long, and waits that do not come back. */
  #findOverdue(): void {
    const { moduleCallTimeoutMs } = this.#options;
    const now = systemClock.now();
    if (now - this.#watchedAt > this.#watchIntervalMs + STOPPED_MS) this.#resumedAt = now;
    this.#watchedAt = now;
    for (const [index, call] of this.#starting) this.#checkCall(index, call, now);
    for (const [index, watched] of this.#contexts) {
      const { context, waitTimeoutMs } = watched;
      if (context.running) this.#checkCall(index, context.running, now);
      const { waitingSince } = context.loop;
      if (waitingSince === null || waitingSince === watched.complainedOf) continue;
      const waitedMs = now - waitingSince;
      if (waitedMs <= waitTimeoutMs + moduleCallTimeoutMs) continue;
      watched.complainedOf = waitingSince;
      context.notice(
        `wait_for_command has not come back for ${Math.round(waitedMs)} ms: ` +
          `its timeout is ${waitTimeoutMs} ms`,
      );
    }
  }

  #checkCall(index: number, call: RunningCall, now: number): void {
    const elapsedMs = Math.round(now - Math.max(call.since, this.#resumedAt));
    if (elapsedMs <= this.#options.moduleCallTimeoutMs) return;
    const report: OverdueReport = { functionName: call.functionName, elapsedMs };
    this.#sendJson(FrameKind.OVERDUE, index, 0, report);
    this.#link.flush();
  }

  #sendJson(kind: FrameKind, index: number, id: number, value: unknown): void {
    const { out } = this.#link;
    out.begin(kind, index, id);
    out.text(JSON.stringify(value));
    out.end();
  }
}
