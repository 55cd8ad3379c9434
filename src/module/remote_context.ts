// A context on the server's side: calls become frames, answers become callbacks.
import { CALL_OUTCOMES, type Device, type DisconnectType, NO_BYTES } from "../protocol/mod.ts";
import { bytesOf, CallQueue, type OpenCall } from "./call_queue.ts";
import type { Blame, CallDone, ContextListener, ContextSpec, ModuleContext } from "./context.ts";
import { FrameKind, IF_CONNECTED } from "./wire/frames.ts";
import type { FrameChannel } from "./wire/frame_channel.ts";
import type { CallCounter, CallFunction, CallStatistics } from "./statistics.ts";

/** The interface to the host of a context. */
export interface ContextOwner {
  readonly channel: FrameChannel;
  readonly statistics: CallStatistics;
  /** Destroys the context, by default with the host's own deadline; always resolves. */
  destroy(context: RemoteContext, timeoutMs?: number): Promise<void>;
  /** Reports an error thrown by a callback. */
  onCallbackError(context: RemoteContext, error: unknown): void;
}

const NOT_OK = CALL_OUTCOMES.indexOf("not_ok");
const HOST_LOST = CALL_OUTCOMES.indexOf("host_lost");
const WITHDRAWN = CALL_OUTCOMES.indexOf("withdrawn");

/** Implements {@linkcode ModuleContext}. Answers of the host come in the order of calls. */
export class RemoteContext implements ModuleContext {
  readonly spec: ContextSpec;
  readonly listener: ContextListener;
  /** The context's number in the host. */
  readonly index: number;
  readonly #owner: ContextOwner;
  readonly #counters: Record<CallFunction, CallCounter>;
  readonly #queue = new CallQueue();
  #ended = false;
  #destroying: Promise<void> | null = null;

  constructor(
    spec: ContextSpec,
    listener: ContextListener,
    index: number,
    owner: ContextOwner,
  ) {
    this.spec = spec;
    this.listener = listener;
    this.index = index;
    this.#owner = owner;
    this.#counters = owner.statistics.ofModule(spec.module);
  }

  /** Open calls, including queued ones. */
  get openCalls(): number {
    return this.#queue.size;
  }

  /** Whether {@linkcode destroy} has been called. */
  get destroying(): boolean {
    return this.#destroying !== null;
  }

  connectDevice(device: Device, done: CallDone): void {
    const counter = this.#counters.device_connected;
    this.#call(FrameKind.CONNECT_DEVICE, 0, counter, device, NO_BYTES, done);
  }

  disconnectDevice(
    type: DisconnectType,
    device: Device,
    done: CallDone,
    ifConnected = false,
  ): void {
    const counter = this.#counters.device_disconnected;
    if (ifConnected && this.#queue.cancels(device)) {
      queueMicrotask(() => this.#finish({ done, counter }, WITHDRAWN, 0));
      return;
    }
    const argument = ifConnected ? type | IF_CONNECTED : type;
    this.#call(FrameKind.DISCONNECT_DEVICE, argument, counter, device, NO_BYTES, done);
  }

  forwardStatus(device: Device, data: Uint8Array, done: CallDone, answered = false): void {
    const counter = this.#counters.forward_status;
    this.#call(FrameKind.FORWARD_STATUS, answered ? 1 : 0, counter, device, data, done);
  }

  forwardErrorMessage(device: Device, data: Uint8Array, done: CallDone, answered = false): void {
    const counter = this.#counters.forward_error_message;
    this.#call(FrameKind.FORWARD_ERROR_MESSAGE, answered ? 1 : 0, counter, device, data, done);
  }

  acknowledgeCommand(device: Device, data: Uint8Array, done: CallDone): void {
    this.#call(FrameKind.ACKNOWLEDGE_COMMAND, 0, this.#counters.command_ack, device, data, done);
  }

  withdrawCalls(): void {
    const withdrawn = this.#queue.withdraw();
    if (this.openCalls > 0) this.#tell(FrameKind.WITHDRAW_CALLS);
    if (withdrawn.length === 0) return;
    queueMicrotask(() => {
      for (const call of withdrawn) this.#finish(call, WITHDRAWN, 0);
    });
  }

  holdCommands(): void {
    this.#tell(FrameKind.HOLD_COMMANDS);
  }

  releaseCommands(): void {
    this.#tell(FrameKind.RELEASE_COMMANDS);
  }

  destroy(timeoutMs?: number): Promise<void> {
    if (this.#destroying !== null) return this.#destroying;
    if (this.#ended) return this.#destroying = Promise.resolve();
    // The host makes them before it destroys the context, if there is time.
    this.#send(true);
    return this.#destroying = this.#owner.destroy(this, timeoutMs);
  }

  /** The oldest open call has been answered. */
  answered(outcomeIndex: number, tookUs: number): void {
    const call = this.#queue.answered();
    if (call === undefined) return;
    if (this.#queue.waiting > 0) this.#send();
    this.#finish(call, outcomeIndex, tookUs);
  }

  /** Reports to the owner that the host was lost; see {@linkcode ContextListener}. */
  tellLost(reason: string, blame: Blame): void {
    try {
      this.listener.onLost(reason, blame);
    } catch (error) {
      this.#owner.onCallbackError(this, error);
    }
  }

  /** Ends every open call as `host_lost`, in order. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const call of this.#queue.clear()) this.#finish(call, HOST_LOST, 0);
  }

  #call(
    kind: FrameKind,
    argument: number,
    counter: CallCounter,
    device: Device,
    data: Uint8Array,
    done: CallDone,
  ): void {
    const isOver = this.#ended || this.#destroying !== null;
    const bytes = bytesOf(device, data);
    if (!isOver && this.#queue.add({ kind, argument, device, data, bytes, done, counter })) {
      return this.#send();
    }
    queueMicrotask(() => this.#finish({ done, counter }, isOver ? HOST_LOST : NOT_OK, 0));
  }

  /** Sends calls to the host, within the window or all. */
  #send(all = false): void {
    const { channel } = this.#owner;
    let call = this.#queue.send(all);
    if (call === undefined) return;
    while (call !== undefined) {
      const { kind, argument, device, data } = call;
      if (!channel.out.deviceFrame(kind, this.index, argument, device, data)) {
        channel.out.frame(FrameKind.REFUSED_CALL, this.index);
      }
      call = this.#queue.waiting > 0 ? this.#queue.send(all) : undefined;
    }
    channel.flush();
  }

  #tell(kind: FrameKind): void {
    if (this.#ended || this.#destroying !== null) return;
    const { channel } = this.#owner;
    channel.out.frame(kind, this.index);
    channel.flush();
  }

  #finish(call: Pick<OpenCall, "done" | "counter">, outcomeIndex: number, tookUs: number): void {
    call.counter.add(outcomeIndex, tookUs);
    try {
      call.done(CALL_OUTCOMES[outcomeIndex] ?? "unknown_code");
    } catch (error) {
      this.#owner.onCallbackError(this, error);
    }
  }
}
