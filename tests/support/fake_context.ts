// A module context without a library: the test is the module.
import type {
  CallDone,
  ContextListener,
  ContextSpec,
  ModuleContext,
} from "../../src/module/context.ts";
import type { DisconnectType } from "../../src/protocol/module_interface.ts";
import type { CallOutcome } from "../../src/protocol/module_interface.ts";
import { deviceKey } from "../../src/protocol/device.ts";
import type { Device } from "../../src/protocol/messages.ts";

const decoder = new TextDecoder();

interface OpenCall {
  readonly line: string;
  readonly done: CallDone;
}

/** Calls come back by themselves with `outcome`, in a microtask; or when the test says so. */
export class FakeContext implements ModuleContext {
  readonly spec: ContextSpec;
  readonly listener: ContextListener;
  /** Every call as `function device data`. */
  readonly calls: string[] = [];
  automatic = true;
  outcome: (line: string) => CallOutcome = () => "ok";
  /** Called with each call before it is made; may throw, which a context must not. */
  onCall: (line: string) => void = () => {};
  destroyed = 0;
  /** What `destroy` waits for. */
  destroying: Promise<void> = Promise.resolve();
  #open: OpenCall[] = [];

  constructor(spec: ContextSpec, listener: ContextListener) {
    this.spec = spec;
    this.listener = listener;
  }

  get openCalls(): number {
    return this.#open.length;
  }

  /** Lets the oldest call come back. */
  finish(outcome?: CallOutcome): void {
    const call = this.#open.shift();
    if (call === undefined) throw new Error("Cannot finish a call: none is open");
    call.done(outcome ?? this.outcome(call.line));
  }

  connectDevice(device: Device, done: CallDone): void {
    this.#call(`connect ${deviceKey(device)}`, done);
  }

  disconnectDevice(
    type: DisconnectType,
    device: Device,
    done: CallDone,
    ifConnected = false,
  ): void {
    const when = ifConnected ? " if connected" : "";
    this.#call(`disconnect ${type} ${deviceKey(device)}${when}`, done);
  }

  forwardStatus(device: Device, data: Uint8Array, done: CallDone): void {
    this.#call(`status ${deviceKey(device)} ${decoder.decode(data)}`, done);
  }

  forwardErrorMessage(device: Device, data: Uint8Array, done: CallDone): void {
    this.#call(`error ${deviceKey(device)} ${decoder.decode(data)}`, done);
  }

  acknowledgeCommand(device: Device, data: Uint8Array, done: CallDone): void {
    this.#call(`acknowledge ${deviceKey(device)} ${decoder.decode(data)}`, done);
  }

  withdrawCalls(): void {
    this.calls.push("withdraw");
  }

  holdCommands(): void {
    this.calls.push("hold");
  }

  releaseCommands(): void {
    this.calls.push("release");
  }

  destroy(): Promise<void> {
    this.destroyed++;
    return this.destroying;
  }

  /** Ends like a context whose host has died: open calls first, then `onLost`. */
  lose(reason: string): void {
    const blame = this.#open.length > 0 ? "likely" : "possible";
    this.end();
    this.listener.onLost(reason, blame);
  }

  /** Every open call comes back as `host_lost`. */
  end(): void {
    this.automatic = false;
    while (this.#open.length > 0) this.finish("host_lost");
  }

  #call(line: string, done: CallDone): void {
    this.onCall(line);
    this.calls.push(line);
    this.#open.push({ line, done });
    if (this.automatic) queueMicrotask(() => this.automatic && this.finish());
  }
}
