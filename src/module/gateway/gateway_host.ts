// One host of a gateway's module: its process, and the calls that were sent to it.
import type { Log } from "../../log/mod.ts";
import { type Clock, deadline } from "../../time/mod.ts";
import { WINDOW } from "../call_queue.ts";
import { truncationOf } from "../elf.ts";
import { LOAD_ERROR_KINDS, ModuleLoadError } from "../errors.ts";
import type { GatewayReturn } from "../gateway_call.ts";
import type { ConnectHostOptions } from "../process/connect_host.ts";
import { HostLife } from "../process/host_life.ts";
import type { HostExit, HostProcess } from "../process/host_process.ts";
import { type Duplex, FrameChannel, type FrameChannelHandler } from "../wire/frame_channel.ts";
import type { Frame } from "../wire/frame_reader.ts";
import { FrameKind, type LoadRequest } from "../wire/frames.ts";
import { readReturn, ReturnKind, writeCall } from "../wire/gateway_frames.ts";
import type { GatewayHostState, GatewayModuleSpec } from "./model.ts";
import type { OpenCall } from "./open_call.ts";

/** Silence after which a host without calls is killed, in milliseconds. */
const SILENCE_MS = 30_000;

/** A process and the connection to it. */
export interface Connected {
  readonly process: Pick<HostProcess, "pid" | "exited" | "kill">;
  readonly connection: Duplex;
}

/** Starts a process and connects it; rejects with a `ModuleHostError`. */
export type Connect = (options: ConnectHostOptions) => Promise<Connected>;

/** Who uses a host. */
export interface GatewayHostListener {
  /** The oldest call has returned. */
  onReturned(host: GatewayHost, call: OpenCall, returned: GatewayReturn, answer: Answer): void;
  /** These calls will not be made by this host. */
  onWithdrawn(host: GatewayHost, calls: OpenCall[]): void;
  /** The host, which had loaded its library, has ended. Its calls are {@linkcode GatewayHost.clear}. */
  onExited(host: GatewayHost, reason: string, exit: HostExit): void;
}

/** How a call has returned. */
export interface Answer {
  readonly kind: ReturnKind;
  readonly tookUs: number;
}

/** What a host is started with. */
export interface GatewayHostOptions {
  readonly spec: GatewayModuleSpec;
  readonly listener: GatewayHostListener;
  readonly connect: Connect;
  readonly startTimeoutMs: number;
  readonly maxMemoryBytes: number;
  readonly onOutput: NonNullable<ConnectHostOptions["onOutput"]>;
  readonly log: Log;
  readonly clock: Clock;
  /** Ends a host that still loads its library. */
  readonly signal: AbortSignal;
}

/** A host with its library loaded. */
export class GatewayHost implements FrameChannelHandler {
  state: GatewayHostState = "ready";
  /** When the library was loaded, or the last call returned. */
  idleSince = 0;
  /** When the oldest call began, as far as this side can tell. */
  runningSince = 0;
  /** Killed because its oldest call did not return. */
  isHung = false;
  readonly #options: GatewayHostOptions;
  readonly #channel: FrameChannel;
  readonly #life: HostLife;
  readonly #loaded = Promise.withResolvers<void>();
  #isLoaded = false;
  /** How the process ended before it was of use. */
  #exit: string | null = null;
  #sent: OpenCall[] = [];
  #sentBytes = 0;
  /** Whether calls are being withdrawn: until the answer, no call is sent. */
  #withdrawing = false;

  private constructor({ process, connection }: Connected, options: GatewayHostOptions) {
    const { spec, maxMemoryBytes, log, clock } = options;
    this.#options = options;
    this.#channel = new FrameChannel(connection, this);
    this.#life = new HostLife({
      process,
      channel: this.#channel,
      timeoutMs: SILENCE_MS,
      maxMemoryBytes,
      memoryKey: "max-host-memory-bytes",
      describeLarge: (memory) =>
        `Module host ${this.pid} has ${memory} of memory: module ${spec.module} may leak`,
      log,
      clock,
      onExited: (reason, exit) => this.#onExited(reason, exit),
    });
  }

  /**
   * Starts a host and loads the library.
   *
   * @throws {ModuleLoadError} when the library cannot be used, or ends or blocks its host.
   * @throws {ModuleHostError} when the process cannot be started.
   */
  static async start(options: GatewayHostOptions): Promise<GatewayHost> {
    const { spec, connect, startTimeoutMs, onOutput, clock, signal } = options;
    // Loading it would end the host.
    const truncation = spec.script === undefined ? truncationOf(spec.libPath) : undefined;
    if (truncation !== undefined) throw new ModuleLoadError("library", spec, truncation);
    const connected = await connect({
      kind: spec.script === undefined ? "gateway" : "gateway_script",
      moduleCallTimeoutMs: startTimeoutMs,
      startTimeoutMs,
      onOutput,
    });
    const host = new GatewayHost(connected, options);
    const late = () =>
      new ModuleLoadError("host", spec, `it is not loaded after ${startTimeoutMs} ms`);
    const stop = () => host.kill("it was stopped");
    signal.addEventListener("abort", stop);
    try {
      if (signal.aborted) stop();
      host.#life.start();
      host.#load(spec);
      await deadline(host.#loaded.promise, startTimeoutMs, clock, late);
      if (host.#exit !== null) throw new ModuleLoadError("host", spec, host.#exit);
      host.#isLoaded = true;
      host.idleSince = clock.now();
      return host;
    } catch (error) {
      host.kill("its library could not be loaded");
      await host.#life.exited;
      throw error;
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }

  get pid(): number {
    return this.#life.pid;
  }

  get residentBytes(): number {
    return this.#life.residentBytes;
  }

  /** Whether it was killed for its memory. */
  get outgrown(): boolean {
    return this.#life.outgrown;
  }

  /** Whether this side has killed it. */
  get killed(): boolean {
    return this.#life.killed;
  }

  /** Calls that were sent and have not returned. */
  get openCalls(): number {
    return this.#sent.length;
  }

  /** The call that is being made; undefined: none. */
  get running(): OpenCall | undefined {
    return this.#sent[0];
  }

  /** Whether a call can be sent now. */
  accepts(call: OpenCall): boolean {
    const count = this.#sent.length;
    if (this.state !== "ready" || this.#withdrawing) return false;
    if (count === 0) return true;
    return !call.isSuspect && this.#sent[0]?.isSuspect === false && count < WINDOW.calls &&
      this.#sentBytes + call.bytes <= WINDOW.bytes;
  }

  /** Sends a call that the host accepts; false: it is too large for any host. */
  send(call: OpenCall): boolean {
    if (!writeCall(this.#channel.out, call.call)) return false;
    this.#channel.flush();
    if (this.#sent.length === 0) this.runningSince = this.#options.clock.now();
    this.#sent.push(call);
    this.#sentBytes += call.bytes;
    return true;
  }

  /** The oldest call takes long: takes back all that follow it, and accepts none until it returns. */
  markSlow(): void {
    this.state = "slow";
    if (this.#sent.length < 2 || this.#withdrawing) return;
    this.#withdrawing = true;
    this.#channel.out.frame(FrameKind.WITHDRAW_CALLS, 0);
    this.#channel.flush();
  }

  /** Removes and returns all calls, in order. */
  clear(): OpenCall[] {
    const calls = this.#sent;
    this.#sent = [];
    this.#sentBytes = 0;
    return calls;
  }

  /** Kills the process. */
  kill(reason: string): void {
    this.state = "stopping";
    this.#life.kill(reason);
  }

  /** Ends the process; waits for that. */
  end(): Promise<void> {
    this.state = "stopping";
    return this.#life.end("it was stopped");
  }

  /** See {@linkcode FrameChannelHandler}. */
  onFrame(frame: Frame): void {
    const { spec, log } = this.#options;
    switch (frame.kind) {
      case FrameKind.GATEWAY_RETURN:
        return this.#onReturn(frame);
      case FrameKind.WITHDRAWN:
        return this.#onWithdrawn(frame.uint32(0));
      case FrameKind.PONG:
        return this.#life.answered(frame.uint32(0) * 1024);
      case FrameKind.NOTICE:
        return log.warning(`Module ${spec.module}: ${frame.text()}`, { module: spec.module });
      case FrameKind.FAILED:
        return this.#life.willEnd(frame.text());
      case FrameKind.CREATED:
        return this.#loaded.resolve();
      case FrameKind.CREATE_FAILED: {
        const kind = LOAD_ERROR_KINDS[frame.argument] ?? "host";
        return this.#loaded.reject(new ModuleLoadError(kind, spec, frame.text()));
      }
    }
  }

  /** See {@linkcode FrameChannelHandler}. */
  onClosed(error: Error | null): void {
    this.#life.disconnected(error);
  }

  #load(request: LoadRequest): void {
    const { out } = this.#channel;
    out.begin(FrameKind.CREATE, 0);
    out.text(JSON.stringify(request));
    out.end();
    this.#channel.flush();
  }

  #onReturn(frame: Frame): void {
    const call = this.#sent.shift();
    if (call === undefined) return;
    const { clock, listener } = this.#options;
    this.#sentBytes -= call.bytes;
    this.runningSince = this.idleSince = clock.now();
    if (this.state === "slow") this.state = "ready";
    const kind = frame.argument as ReturnKind;
    listener.onReturned(this, call, readReturn(frame), { kind, tookUs: frame.uint32(4) });
  }

  #onWithdrawn(count: number): void {
    this.#withdrawing = false;
    const taken = this.#sent.splice(Math.max(0, this.#sent.length - count));
    for (const { bytes } of taken) this.#sentBytes -= bytes;
    this.#options.listener.onWithdrawn(this, taken);
  }

  #onExited(reason: string, exit: HostExit): void {
    this.state = "stopping";
    if (this.#isLoaded) return this.#options.listener.onExited(this, reason, exit);
    this.#exit = `the host died: ${reason}`;
    this.#loaded.reject(new ModuleLoadError("host", this.#options.spec, this.#exit));
  }
}
