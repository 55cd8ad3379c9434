// A host in the test's own process with both ends of its channel, and a module that the test scripts.
import { setImmediate } from "node:timers/promises";
import { HostServer } from "../../src/module/host/host_server.ts";
import type { LoadModule, Module, PoppedCommand } from "../../src/module/host/module.ts";
import { HostContexts } from "../../src/module/host_contexts.ts";
import { CallStatistics } from "../../src/module/statistics.ts";
import type { DeviceData } from "../../src/module/wire/device_data.ts";
import { FrameWriter } from "../../src/module/wire/frame_writer.ts";
import { type CreatePurpose, FrameKind, HEADER_BYTES } from "../../src/module/wire/frames.ts";
import type { CallDone, ModuleContext } from "../../src/module/context.ts";
import type { CallOutcome, ModuleCommand } from "../../src/protocol/module_interface.ts";
import { VirtualClock } from "../support/virtual_clock.ts";
import { waitFor } from "../support/wait.ts";
import { duplexPair } from "./duplex_pair.ts";
import { listLog, specOf } from "./support.ts";

/** What a function of the module does: gives its outcome, at once or later, or throws. */
export type Act = () => CallOutcome | Promise<CallOutcome>;

/** Commands as `pop_command` gives them out. */
export function popped(remaining: number, command?: ModuleCommand): PoppedCommand {
  const out = new FrameWriter();
  if (command) out.deviceFrame(FrameKind.COMMAND, 0, 0, command.device, command.data);
  const bytes = out.take().slice(HEADER_BYTES);
  return { remaining, byteLength: bytes.length, copyTo: (target) => target.set(bytes) };
}

/** Notes each call as `function details`; does what the test says, which is nothing but `ok`. */
export class ScriptedModule implements Module<string> {
  readonly calls: string[] = [];
  readonly acts: Partial<Record<keyof Module, Act>> = {};
  number: () => number | Promise<number> = () => 1000;
  made: () => string | null | Promise<string | null> = () => "context";
  /** Ends the wait that is under way. */
  endWait: (outcome: CallOutcome) => void = () => {};
  pops: (PoppedCommand | Promise<PoppedCommand>)[] = [];
  onDeallocate: () => void = () => {};

  getModuleNumber() {
    return this.number();
  }

  isDeviceTypeSupported(deviceType: number) {
    return this.#act("isDeviceTypeSupported", deviceType);
  }

  init(parameters: readonly (readonly [string, string])[]) {
    this.calls.push(`init ${parameters.map((pair) => pair.join("=")).join(" ")}`);
    return this.made();
  }

  destroy(context: string) {
    return this.#act("destroy", context);
  }

  forwardStatus(call: DeviceData, context: string) {
    return this.#act("forwardStatus", textOf(call), context);
  }

  forwardErrorMessage(call: DeviceData, context: string) {
    return this.#act("forwardErrorMessage", textOf(call), context);
  }

  deviceConnected(call: DeviceData, context: string) {
    return this.#act("deviceConnected", call.key, context);
  }

  deviceDisconnected(type: number, call: DeviceData, context: string) {
    return this.#act("deviceDisconnected", type, call.key, context);
  }

  waitForCommand(timeoutMs: number, context: string) {
    this.calls.push(`waitForCommand ${timeoutMs} ${context}`);
    return new Promise<CallOutcome>((resolve) => this.endWait = resolve);
  }

  popCommand(context: string) {
    this.calls.push(`popCommand ${context}`);
    return this.pops.shift() ?? popped(-1);
  }

  commandAck(call: DeviceData, context: string) {
    return this.#act("commandAck", textOf(call), context);
  }

  deallocate({ remaining }: PoppedCommand, context: string) {
    this.calls.push(`deallocate ${remaining} ${context}`);
    this.onDeallocate();
  }

  #act(name: keyof Module, ...details: readonly (string | number)[]) {
    this.calls.push([name, ...details].join(" "));
    return (this.acts[name] ?? (() => "ok" as const))();
  }
}

function textOf(call: DeviceData): string {
  return new TextDecoder().decode(call.data);
}

/** What a context is asked for with. */
export interface Asked {
  readonly purpose?: CreatePurpose;
  readonly path?: string;
  readonly config?: Readonly<Record<string, string>>;
}

/** Both ends of a channel: the contexts of a car's side, and a host for them. */
export class NearHost implements AsyncDisposable {
  readonly clock = new VirtualClock();
  readonly logged: string[] = [];
  readonly commands: ModuleCommand[] = [];
  /** What the host's memory was told. */
  readonly changes: string[] = [];
  readonly blocked: number[] = [];
  readonly pongs: number[] = [];
  readonly overdue: string[] = [];
  readonly loaded: string[] = [];
  /** What cars do when they hear of their contexts. */
  onLoaded: () => void = () => {};
  onCommand: () => void = () => {};
  readonly statistics = new CallStatistics();
  readonly contexts: HostContexts;
  readonly server: HostServer;

  constructor(load: LoadModule, moduleCallTimeoutMs = 8000) {
    const [near, far] = duplexPair();
    const { clock } = this;
    this.server = new HostServer(far, {
      moduleCallTimeoutMs,
      load,
      clock,
      memory: {
        onChange: () => this.changes.push("change"),
        stop: () => this.changes.push("stop"),
      },
    });
    this.contexts = new HostContexts(near, {
      statistics: this.statistics,
      log: listLog(this.logged),
      clock,
      destroyTimeoutMs: 5000,
      onBlocked: (count) => this.blocked.push(count),
      onPong: (bytes) => this.pongs.push(bytes),
      onOverdue: (context, functionName, elapsedMs) =>
        this.overdue.push(`${context?.spec.car} ${functionName} ${elapsedMs}`),
      onFailed: () => {},
      onClosed: () => {},
    });
    this.server.start();
    this.contexts.channel.start();
  }

  /** Asks for a context. */
  create(car = "car_a", { purpose = "context", path = "module.so", config = {} }: Asked = {}) {
    const spec = specOf(car, config, { libPath: `/nowhere/${path}` });
    return waitFor(
      this.contexts.create(spec, {
        onLoaded: () => {
          this.loaded.push(car);
          this.onLoaded();
        },
        onCommand: (command) => {
          this.commands.push(command);
          this.onCommand();
        },
        onLost() {},
      }, purpose),
      "the context",
    );
  }

  /** Resolves when everything that was sent before has arrived, and its consequences with it. */
  async settled(): Promise<void> {
    const count = this.pongs.length + 1;
    this.contexts.channel.out.frame(FrameKind.PING, 0);
    this.contexts.channel.flush();
    await waitFor(() => this.pongs.length === count, "the answer");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.contexts.channel.close();
    await waitFor(this.server.closed, "the host to end");
    // Each side may have a turn left for what it was about to write or to read.
    for (let turn = 0; turn < 3; turn++) await setImmediate();
  }
}

/** Makes one call. */
export type MakeCall = (context: ModuleContext, done: CallDone) => void;

/** Calls of one context with what became of each, in the order in which they ended. */
export class Ended {
  readonly all: string[] = [];
  readonly #context: ModuleContext;
  #open = 0;

  constructor(context: ModuleContext) {
    this.#context = context;
  }

  /** Makes a call and notes how it ends. */
  call(name: string, make: MakeCall): this {
    this.#open++;
    make(this.#context, (outcome) => {
      this.#open--;
      this.all.push(`${name} ${outcome}`);
    });
    return this;
  }

  /** Resolves when every call has ended. */
  async none(): Promise<readonly string[]> {
    await waitFor(() => this.#open === 0, "every call to end");
    return this.all;
  }
}
