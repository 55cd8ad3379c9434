// One context of a module: its calls one after the other, its wait loop beside them.
import { FrameError } from "../errors.ts";
import {
  type Frame,
  FrameKind,
  IF_CONNECTED,
  MAX_DATA_BYTES,
  mayWithdraw,
  readDeviceKey,
} from "../wire/frames.ts";
import type { Link } from "../wire/link.ts";
import type { CallOutcome } from "../../protocol/mod.ts";
import { systemClock } from "../../time/mod.ts";
import type { FunctionName } from "./abi.ts";
import type { Library } from "./library.ts";
import { outcomeIndex, outcomeOf } from "./return_code.ts";
import { CallArguments, type ConfigArgument, contextArgument, PoppedCommand } from "./structs.ts";
import { WaitLoop } from "./wait_loop.ts";

/** Commands wait in the module while the server has this much to read. */
const CONGESTED_BYTES = 4 * 1024 * 1024;

/** What `init` made, and with what. */
export interface NativeContext {
  readonly library: Library;
  readonly pointer: Deno.PointerObject;
  /** Kept because a library may have kept pointers into it. */
  readonly config: ConfigArgument;
}

/** A call that waits for its turn. */
interface WaitingCall {
  readonly kind: number;
  readonly id: number;
  readonly argument: number;
  readonly payload: Uint8Array<ArrayBuffer>;
  /** Only of `pop_command`: who asked. */
  readonly popped: ((remaining: number) => void) | null;
}

/** A call under way, for those who watch over it. */
export interface RunningCall {
  readonly functionName: FunctionName;
  /** As of `systemClock`. */
  readonly since: number;
}

const NO_PAYLOAD = new Uint8Array(new ArrayBuffer(0));
/** The kind of the calls this side makes by itself, and of those that are not made any more. */
const POP = 0;
const WITHDRAWN = 255;

/**
 * A context in its host.
 *
 * Calls are serialized [MODULE-CALLS]: the next begins when the one before has returned.
 * What a call needs in memory belongs to the context and is used for the next one again.
 */
export class HostContext {
  readonly index: number;
  readonly #native: NativeContext;
  readonly #link: Link;
  readonly #loop: WaitLoop;
  readonly #arguments = new CallArguments();
  readonly #popped = new PoppedCommand();
  readonly #waiting: WaitingCall[] = [];
  #next = 0;
  /** The argument of `destroy`, referenced here until that has returned. */
  #destroyed: Uint8Array<ArrayBuffer> | null = null;
  #function: FunctionName | null = null;
  #since = 0;
  #id = 0;
  #answerPop: ((remaining: number) => void) | null = null;
  #whenIdle: (() => void) | null = null;
  /** Devices whose connecting has come back well, and the one that is being connected. */
  readonly #connected = new Set<string>();
  #connecting = "";

  constructor(index: number, native: NativeContext, waitTimeoutMs: number, link: Link) {
    this.index = index;
    this.#native = native;
    this.#link = link;
    const { wait_for_command } = native.library.symbols;
    this.#loop = new WaitLoop({
      wait: () => wait_for_command(waitTimeoutMs, native.pointer).then(outcomeOf),
      pop: () => new Promise((resolve) => this.#enqueue(POP, 0, 0, NO_PAYLOAD, resolve)),
      congestion: () => link.pendingBytes > CONGESTED_BYTES ? link.drained() : null,
      notice: (text) => this.notice(text),
    }, waitTimeoutMs);
  }

  /** The wait loop; begins held. */
  get loop(): WaitLoop {
    return this.#loop;
  }

  /** The call under way, `wait_for_command` excepted. */
  get running(): RunningCall | null {
    return this.#function && { functionName: this.#function, since: this.#since };
  }

  /** Says something about this context to the server's log. */
  notice(text: string): void {
    const { out } = this.#link;
    out.begin(FrameKind.NOTICE, this.index, 0);
    out.text(text);
    out.end();
    this.#link.flush();
  }

  /**
   * Makes the call a frame asks for, now or in its turn.
   *
   * @throws {FrameError} when the payload is shorter than it says.
   */
  call(frame: Frame): void {
    const { kind, id, argument, bytes, view, start, end } = frame;
    if (this.#function !== null) {
      this.#enqueue(kind, id, argument, frame.copy(), null);
    } else if (!this.#isDue(kind, argument, bytes, view, start, end)) {
      this.#answer(id, "withdrawn", 0);
    } else {
      if (kind !== FrameKind.REFUSED_CALL) this.#arguments.set(bytes, view, start, end);
      this.#begin(kind, id, argument);
    }
  }

  /** Takes back calls that wait; see {@linkcode FrameKind}. */
  withdraw(): void {
    for (let at = this.#next; at < this.#waiting.length; at++) {
      const call = this.#waiting[at];
      if (call === undefined) continue;
      if (mayWithdraw(call.kind, call.argument)) {
        this.#waiting[at] = { ...call, kind: WITHDRAWN, payload: NO_PAYLOAD };
      }
    }
  }

  /**
   * Ends the wait loop, lets calls come back, destroys. Resolves when the context is gone, which
   * may be never: `wait_for_command` must have come back first.
   */
  async destroy(): Promise<void> {
    await Promise.all([this.#loop.stop(), this.#idle()]);
    const { library, pointer } = this.#native;
    this.#mark("destroy");
    this.#destroyed = contextArgument(pointer);
    const outcome = outcomeOf(await library.symbols.destroy(this.#destroyed));
    this.#function = null;
    if (outcome !== "ok") this.notice(`destroy failed: ${outcome}`);
  }

  #idle(): Promise<void> {
    if (this.#function === null) return Promise.resolve();
    return new Promise((resolve) => this.#whenIdle = resolve);
  }

  #enqueue(
    kind: number,
    id: number,
    argument: number,
    payload: Uint8Array<ArrayBuffer>,
    popped: WaitingCall["popped"],
  ): void {
    this.#waiting.push({ kind, id, argument, payload, popped });
    if (this.#function === null) this.#beginNext();
  }

  #beginNext(): void {
    while (true) {
      const call = this.#waiting[this.#next];
      if (call === undefined) {
        this.#waiting.length = 0;
        this.#next = 0;
        this.#whenIdle?.();
        return;
      }
      this.#next++;
      if (this.#next > 64 && this.#next * 2 > this.#waiting.length) {
        this.#waiting.splice(0, this.#next);
        this.#next = 0;
      }
      const { kind, id, argument, payload, popped } = call;
      const view = new DataView(payload.buffer);
      if (this.#isDue(kind, argument, payload, view, 0, payload.length)) {
        this.#answerPop = popped;
        if (payload.length > 0) this.#arguments.set(payload, view, 0, payload.length);
        return this.#begin(kind, id, argument);
      }
      this.#answer(id, "withdrawn", 0);
    }
  }

  /**
   * Whether a call has to be made when its turn has come; keeps account of the devices.
   *
   * @throws {FrameError} when the payload is shorter than it says.
   */
  #isDue(
    kind: number,
    argument: number,
    bytes: Uint8Array<ArrayBuffer>,
    view: DataView,
    start: number,
    end: number,
  ): boolean {
    switch (kind) {
      case WITHDRAWN:
        return false;
      case FrameKind.CONNECT_DEVICE:
        this.#connecting = readDeviceKey(bytes, view, start, end);
        return true;
      case FrameKind.DISCONNECT_DEVICE: {
        const had = this.#connected.delete(readDeviceKey(bytes, view, start, end));
        return had || (argument & IF_CONNECTED) === 0;
      }
      default:
        return true;
    }
  }

  #mark(functionName: FunctionName): void {
    this.#function = functionName;
    this.#since = systemClock.now();
  }

  #begin(kind: number, id: number, argument: number): void {
    this.#id = id;
    const { library: { symbols }, pointer } = this.#native;
    const { data, device } = this.#arguments;
    switch (kind) {
      case FrameKind.FORWARD_STATUS:
        this.#mark("forward_status");
        symbols.forward_status(data, device, pointer).then(this.#returned);
        break;
      case FrameKind.FORWARD_ERROR_MESSAGE:
        this.#mark("forward_error_message");
        symbols.forward_error_message(data, device, pointer).then(this.#returned);
        break;
      case FrameKind.ACKNOWLEDGE_COMMAND:
        this.#mark("command_ack");
        symbols.command_ack(data, device, pointer).then(this.#returned);
        break;
      case FrameKind.CONNECT_DEVICE:
        this.#mark("is_device_type_supported");
        symbols.is_device_type_supported(this.#arguments.deviceType).then(this.#toldSupport);
        break;
      case FrameKind.DISCONNECT_DEVICE:
        this.#mark("device_disconnected");
        symbols.device_disconnected(argument & ~IF_CONNECTED, device, pointer).then(this.#returned);
        break;
      case POP:
        this.#mark("pop_command");
        this.#popped.clear();
        symbols.pop_command(this.#popped.data, this.#popped.device, pointer).then(this.#hasPopped);
        break;
      case FrameKind.REFUSED_CALL:
        return this.#done("not_ok");
      default:
        throw new FrameError(`Cannot make a call: no frame has the kind ${kind}`);
    }
  }

  readonly #returned = (code: number): void => this.#done(outcomeOf(code));

  readonly #toldSupport = (code: number): void => {
    if (outcomeOf(code) !== "ok") {
      this.#done("unsupported");
      return;
    }
    this.#mark("device_connected");
    const { library: { symbols }, pointer } = this.#native;
    symbols.device_connected(this.#arguments.device, pointer).then(this.#toldConnected);
  };

  readonly #toldConnected = (code: number): void => {
    const outcome = outcomeOf(code);
    if (outcome === "ok") this.#connected.add(this.#connecting);
    this.#done(outcome);
  };

  readonly #hasPopped = (remaining: number): void => {
    const popped = this.#popped;
    if (remaining >= 0) this.#sendCommand();
    popped.giveBack(this.#native.library.deallocate);
    this.#function = null;
    const answer = this.#answerPop;
    this.#answerPop = null;
    this.#beginNext();
    answer?.(remaining);
  };

  #sendCommand(): void {
    const { out } = this.#link;
    const { size } = this.#popped;
    if (size > MAX_DATA_BYTES) {
      this.notice(`Command dropped: it may have ${MAX_DATA_BYTES} bytes: ${size}`);
      return;
    }
    out.begin(FrameKind.COMMAND, this.index, 0);
    this.#popped.writeTo(out);
    out.end();
    this.#link.flush();
  }

  /** The call under way has come back. */
  #done(outcome: CallOutcome): void {
    const tookUs = this.#function === null ? 0 : (systemClock.now() - this.#since) * 1000;
    this.#answer(this.#id, outcome, Math.min(tookUs, 0xffffffff));
    this.#arguments.release();
    this.#function = null;
    this.#beginNext();
  }

  #answer(id: number, outcome: CallOutcome, tookUs: number): void {
    const { out } = this.#link;
    out.begin(FrameKind.DONE, this.index, id, outcomeIndex(outcome));
    out.uint32(tookUs);
    out.end();
    this.#link.flush();
  }
}
