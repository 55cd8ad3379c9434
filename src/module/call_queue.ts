// The open calls of one context: a window of them has been sent to the host; the rest wait here,
// where they can be withdrawn at no cost.
import { type Device, deviceKey } from "../protocol/mod.ts";
import type { CallDone } from "./context.ts";
import { FrameKind, mayWithdraw } from "./wire/frames.ts";
import type { CallCounter } from "./statistics.ts";

/** A call without an answer. */
export interface OpenCall {
  readonly kind: FrameKind;
  readonly argument: number;
  readonly device: Device;
  readonly data: Uint8Array;
  /** Its cost in the limits; see {@linkcode bytesOf}. */
  readonly bytes: number;
  readonly done: CallDone;
  readonly counter: CallCounter;
}

/** A number of calls and of their bytes; see {@linkcode CallQueue}. */
export interface CallLimits {
  readonly calls: number;
  readonly bytes: number;
}

/**
 * The window: what is sent to the host at a time. It makes one call after the other, so a larger
 * window would not be faster. A single call may be larger.
 */
export const WINDOW: CallLimits = { calls: 64, bytes: 4 * 1024 * 1024 };

/** The limit of waiting calls: more than a session makes within its own limits. */
export const WAITING: CallLimits = { calls: 250_000, bytes: 256 * 1024 * 1024 };

const CALL_BYTES = 200;

/** Open calls in order: first those that were sent to the host, then those that wait. */
export class CallQueue {
  #calls: OpenCall[] = [];
  /** The oldest open call. */
  #first = 0;
  /** Calls that were not sent to the host: the last ones. */
  #waiting = 0;
  #sentBytes = 0;
  #waitingBytes = 0;
  /** Devices whose `device_connected` was just withdrawn. */
  readonly #withdrawn = new Set<string>();

  /** All open calls. */
  get size(): number {
    return this.#calls.length - this.#first;
  }

  /** Calls that were not sent to the host. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Adds a call; false when the queue is full ({@linkcode WAITING}). */
  add(call: OpenCall): boolean {
    const { bytes } = call;
    if (
      this.#waiting >= WAITING.calls ||
      this.#waitingBytes + bytes > WAITING.bytes && this.#waiting > 0
    ) return false;
    if (call.kind === FrameKind.CONNECT_DEVICE && this.#withdrawn.size > 0) {
      this.#withdrawn.delete(deviceKey(call.device));
    }
    this.#calls.push(call);
    this.#waiting++;
    this.#waitingBytes += bytes;
    return true;
  }

  /**
   * Takes the next call for the host; undefined when there is none, or the window is full.
   *
   * @param all whether to ignore the window
   */
  send(all = false): OpenCall | undefined {
    const next = this.#calls.length - this.#waiting;
    const call = this.#calls[next];
    if (call === undefined) return undefined;
    const { bytes } = call;
    const sent = next - this.#first;
    const isFull = sent >= WINDOW.calls || sent > 0 && this.#sentBytes + bytes > WINDOW.bytes;
    if (isFull && !all) return undefined;
    this.#waiting--;
    this.#waitingBytes -= bytes;
    this.#sentBytes += bytes;
    return call;
  }

  /** Removes the oldest call, which the host has answered; undefined when it has none. */
  answered(): OpenCall | undefined {
    if (this.#calls.length - this.#first === this.#waiting) return undefined;
    const call = this.#calls[this.#first] as OpenCall;
    this.#first++;
    this.#sentBytes -= call.bytes;
    if (this.#first === this.#calls.length) {
      this.#calls.length = 0;
      this.#first = 0;
    } else if (this.#first > 64 && this.#first * 2 > this.#calls.length) {
      this.#calls.splice(0, this.#first);
      this.#first = 0;
    }
    return call;
  }

  /** Withdraws the waiting calls that {@linkcode mayWithdraw} allows, and returns them. */
  withdraw(): OpenCall[] {
    this.#withdrawn.clear();
    const waiting = this.#calls.splice(this.#calls.length - this.#waiting);
    const taken: OpenCall[] = [];
    for (const call of waiting) {
      if (!mayWithdraw(call.kind, call.argument)) {
        this.#calls.push(call);
        continue;
      }
      taken.push(call);
      this.#waiting--;
      this.#waitingBytes -= call.bytes;
      if (call.kind === FrameKind.CONNECT_DEVICE) this.#withdrawn.add(deviceKey(call.device));
    }
    return taken;
  }

  /**
   * Whether `device_connected` of a device was just withdrawn, so that `device_disconnected` is not
   * needed. True only once.
   */
  cancels(device: Device): boolean {
    return this.#withdrawn.size > 0 && this.#withdrawn.delete(deviceKey(device));
  }

  /** Removes and returns all open calls, in order. */
  clear(): OpenCall[] {
    const open = this.#calls.slice(this.#first);
    this.#calls = [];
    this.#first = 0;
    this.#waiting = 0;
    this.#sentBytes = 0;
    this.#waitingBytes = 0;
    this.#withdrawn.clear();
    return open;
  }
}

/** The approximate memory of a call, in bytes: its strings and data, and a fixed overhead. */
export function bytesOf({ deviceRole, deviceName }: Device, data: Uint8Array): number {
  return CALL_BYTES + deviceRole.length + deviceName.length + data.length;
}
