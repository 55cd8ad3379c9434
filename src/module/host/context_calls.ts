// The calls of one context: made one after the other, in the order in which they came
// [MODULE-CALLS].
import { CALL_OUTCOMES, type CallOutcome } from "../../protocol/mod.ts";
import type { Clock } from "../../time/mod.ts";
import { DEVICE_HEAD_BYTES, type DeviceData } from "../wire/device_data.ts";
import type { Frame } from "../wire/frame_reader.ts";
import { FrameKind, IF_CONNECTED, MAX_DATA_BYTES } from "../wire/frames.ts";
import type { FrameChannel } from "../wire/frame_channel.ts";
import type { Module, ModuleFunction, PoppedCommand, Returned, RunningCall } from "./module.ts";
import type { Notices } from "./notices.ts";
import { type PendingCall, PendingCalls } from "./pending_calls.ts";

/** Whose calls they are, and where answers and commands go. */
export interface ContextCallsOptions<Context> {
  readonly index: number;
  readonly module: Module<Context>;
  readonly context: Context;
  readonly channel: FrameChannel;
  readonly notices: Notices;
  readonly clock: Clock;
}

/** Calls the functions of one context, `wait_for_command` excepted. */
export class ContextCalls<Context> {
  readonly #index: number;
  readonly #module: Module<Context>;
  readonly #context: Context;
  readonly #channel: FrameChannel;
  readonly #notices: Notices;
  readonly #clock: Clock;
  readonly #pending = new PendingCalls();
  /** Devices whose `device_connected` returned OK. */
  readonly #connected = new Set<string>();
  /** Whether a function is being executed. */
  #busy = false;
  #function: ModuleFunction = "destroy";
  #since = 0;
  #whenIdle: (() => void) | null = null;

  constructor({ index, module, context, channel, notices, clock }: ContextCallsOptions<Context>) {
    this.#index = index;
    this.#module = module;
    this.#context = context;
    this.#channel = channel;
    this.#notices = notices;
    this.#clock = clock;
  }

  /** What is being executed. */
  get running(): RunningCall | null {
    return this.#busy ? { functionName: this.#function, since: this.#since } : null;
  }

  /**
   * Makes the call that a frame asks for, now or in its turn.
   *
   * @throws {FrameError} when the payload is shorter than it says.
   */
  call(frame: Frame): void {
    const { kind, argument } = frame;
    const about = frame.deviceData();
    if (this.#busy) this.#pending.add({ kind, argument, about: about.copy() });
    else this.#begin({ kind, argument, about });
  }

  /** A call that is too large to be made ends in its turn. */
  refuse(): void {
    if (this.#busy) this.#pending.add("not_ok");
    else this.#answer("not_ok");
  }

  /** Withdraws queued calls; see {@linkcode FrameKind}. */
  withdraw(): void {
    this.#pending.withdraw();
  }

  /**
   * Pops one command in turn, and sends it. Resolves with what remains, negative on error; rejects
   * with what a function has thrown.
   */
  pop(): Promise<number> {
    return new Promise((resolve, reject) => {
      const pop = () => void this.#pop().then(resolve, reject);
      if (this.#busy) this.#pending.add(pop);
      else pop();
    });
  }

  /** Destroys the context when every call has returned. Never rejects. */
  async destroy(): Promise<void> {
    if (this.#busy) await new Promise<void>((resolve) => this.#whenIdle = resolve);
    this.#mark("destroy");
    try {
      const outcome = await this.#module.destroy(this.#context);
      if (outcome !== "ok") this.#notices.say(`destroy failed: ${outcome}`);
    } catch (error) {
      this.#failed(error);
    }
    this.#busy = false;
  }

  /** Whether the call is over already. */
  #begin(call: PendingCall): boolean {
    let returned: Returned<CallOutcome>;
    try {
      returned = this.#make(call);
    } catch (error) {
      returned = this.#failed(error);
    }
    if (typeof returned === "string") {
      this.#answer(returned);
      return true;
    }
    returned.then(this.#returned, this.#threw);
    return false;
  }

  #make({ kind, argument, about }: PendingCall): Returned<CallOutcome> {
    const module = this.#module;
    switch (kind) {
      case FrameKind.FORWARD_STATUS:
        this.#mark("forwardStatus");
        return module.forwardStatus(about, this.#context);
      case FrameKind.FORWARD_ERROR_MESSAGE:
        this.#mark("forwardErrorMessage");
        return module.forwardErrorMessage(about, this.#context);
      case FrameKind.ACKNOWLEDGE_COMMAND:
        this.#mark("commandAck");
        return module.commandAck(about, this.#context);
      case FrameKind.DISCONNECT_DEVICE: {
        const had = this.#connected.delete(about.key);
        if (!had && (argument & IF_CONNECTED) !== 0) return "withdrawn";
        this.#mark("deviceDisconnected");
        return module.deviceDisconnected(argument & ~IF_CONNECTED, about, this.#context);
      }
      default:
        return this.#connect(about.copy());
    }
  }

  async #connect(about: DeviceData): Promise<CallOutcome> {
    this.#mark("isDeviceTypeSupported");
    const supported = await this.#module.isDeviceTypeSupported(about.deviceType);
    if (supported !== "ok") return "unsupported";
    this.#mark("deviceConnected");
    const outcome = await this.#module.deviceConnected(about, this.#context);
    if (outcome === "ok") this.#connected.add(about.key);
    return outcome;
  }

  async #pop(): Promise<number> {
    this.#mark("popCommand");
    try {
      const command = await this.#module.popCommand(this.#context);
      if (command.remaining >= 0) this.#send(command);
      this.#module.deallocate(command, this.#context);
      return command.remaining;
    } finally {
      this.#busy = false;
      this.#goOn();
    }
  }

  #send(command: PoppedCommand): void {
    const { byteLength } = command;
    const size = byteLength - DEVICE_HEAD_BYTES;
    if (size > MAX_DATA_BYTES) {
      this.#notices.say(`Command dropped: it may have ${MAX_DATA_BYTES} bytes: ${size}`);
      return;
    }
    const { out } = this.#channel;
    out.begin(FrameKind.COMMAND, this.#index);
    command.copyTo(out.room(byteLength));
    out.end();
    this.#channel.flush();
  }

  #mark(functionName: ModuleFunction): void {
    this.#busy = true;
    this.#function = functionName;
    this.#since = this.#clock.now();
  }

  readonly #returned = (outcome: CallOutcome): void => {
    this.#answer(outcome);
    this.#goOn();
  };

  readonly #threw = (error: unknown): void => this.#returned(this.#failed(error));

  #failed(error: unknown): CallOutcome {
    return this.#notices.onThrown(this.#function, error);
  }

  /** Answers the call in progress; if nothing was being executed, the call was not made. */
  #answer(outcome: CallOutcome): void {
    const tookUs = this.#busy ? (this.#clock.now() - this.#since) * 1000 : 0;
    this.#busy = false;
    const index = CALL_OUTCOMES.indexOf(outcome);
    this.#channel.out.numberFrame(FrameKind.DONE, this.#index, index, Math.min(tookUs, 0xffffffff));
    this.#channel.flush();
  }

  /** Begins the next turns, up to the first that is asynchronous. */
  #goOn(): void {
    for (let turn = this.#pending.next(); turn !== undefined; turn = this.#pending.next()) {
      if (typeof turn === "string") this.#answer(turn);
      else if (typeof turn === "function") return turn();
      else if (!this.#begin(turn)) return;
    }
    this.#whenIdle?.();
  }
}
