// The frames between the server and a module host: what they are, how they are written and read.
//
// A frame is a header of 12 bytes, little-endian, and a payload:
//
//   u32 length of what follows | u32 call id | u8 kind | u8 argument | u16 context | payload
import { FrameError } from "../errors.ts";
import type { Device } from "../../protocol/mod.ts";

/** What a frame is about. Up to 31 from the server to the host, from 32 the other way. */
export const FrameKind = {
  /** Make a context; payload: `CreateRequest` as JSON. Answered with CREATED or CREATE_FAILED. */
  CREATE: 1,
  /** Destroy a context; payload: u32, how many milliseconds that may take. */
  DESTROY: 2,
  HOLD_COMMANDS: 3,
  RELEASE_COMMANDS: 4,
  /** Answered with PONG, so that a host whose event loop is stuck is noticed. */
  PING: 5,
  /** Ends calls that have not begun and {@linkcode mayWithdraw} names as `withdrawn`, in their turn. */
  WITHDRAW_CALLS: 6,
  /**
   * The calls; payload: device and data. The argument of DISCONNECT_DEVICE is its type, perhaps with
   * {@linkcode IF_CONNECTED}; that of statuses and their errors is 1 when they have been answered.
   */
  CONNECT_DEVICE: 8,
  DISCONNECT_DEVICE: 9,
  FORWARD_STATUS: 10,
  FORWARD_ERROR_MESSAGE: 11,
  ACKNOWLEDGE_COMMAND: 12,
  /** A call too large for a frame: takes its turn, is not made, ends as `not_ok`. */
  REFUSED_CALL: 13,

  CREATED: 32,
  /** Payload: `CreateFailure` as JSON. */
  CREATE_FAILED: 33,
  /** A call came back; argument: index of its outcome; payload: u32, microseconds it took. */
  DONE: 34,
  /** The module has a command; payload: device and data. */
  COMMAND: 35,
  /** Destroying has ended; argument: 1 when the context had to be left as it is. */
  DESTROYED: 36,
  /** A context that had been left is gone now: its place is free. */
  FREED: 37,
  /** A call executes for too long; payload: `OverdueReport` as JSON. */
  OVERDUE: 38,
  /** Something to log; payload: a text. */
  NOTICE: 39,
  /** Payload: u32, the resident memory of the process in KiB. */
  PONG: 40,
  /** The library of a context that is being made is loaded, and has what it must have. */
  LOADED: 41,
} as const;
/** See {@linkcode FrameKind}. */
export type FrameKind = typeof FrameKind[keyof typeof FrameKind];

/** In the argument of DISCONNECT_DEVICE: only when the module has the device by then. */
export const IF_CONNECTED = 0x80;

/** Whether a call that has not begun may be taken back: its gateway keeps what it is about. */
export function mayWithdraw(kind: number, argument: number): boolean {
  return kind === FrameKind.CONNECT_DEVICE ||
    (kind === FrameKind.FORWARD_STATUS || kind === FrameKind.FORWARD_ERROR_MESSAGE) &&
      argument === 0;
}

/** Payload of CREATE. */
export interface CreateRequest {
  readonly module: number;
  readonly libPath: string;
  readonly parameters: readonly (readonly [key: string, value: string])[];
  readonly waitTimeoutMs: number;
  /** What for; the two trials leave no context behind. */
  readonly purpose: CreatePurpose;
}

/**
 * A `context` to be used; or a trial: `load` the library and look at it, or also `init` a context
 * and destroy it, without ever asking it for commands.
 */
export type CreatePurpose = "context" | "load" | "init";

/** Payload of CREATE_FAILED. */
export interface CreateFailure {
  readonly kind: "library" | "symbol" | "number" | "init" | "host";
  readonly detail: string;
}

/** Payload of OVERDUE. */
export interface OverdueReport {
  /** The C function. */
  readonly functionName: string;
  readonly elapsedMs: number;
}

/** The data of one status, error message or command, in bytes. */
export const MAX_DATA_BYTES = 16 * 1024 * 1024;
/** A whole frame without its length field: data, the device's role and name, header. */
export const MAX_FRAME_BYTES = MAX_DATA_BYTES + 64 * 1024;

const HEADER_BYTES = 12;
/** What the length field counts of a frame without payload. */
const MIN_FRAME_BYTES = HEADER_BYTES - 4;
const SMALL_BUFFER_BYTES = 16 * 1024;
const LARGE_BUFFER_BYTES = 1024 * 1024;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function emptyBuffer(size: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new ArrayBuffer(size));
}

/** Collects frames until they are taken, all at once, to be written. */
export class FrameWriter {
  #bytes = emptyBuffer(SMALL_BUFFER_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #spare: Uint8Array<ArrayBuffer> | null = null;
  #frameStart = 0;
  #end = 0;

  /** How many bytes wait to be taken. */
  get length(): number {
    return this.#end;
  }

  /** Starts a frame; its payload follows through the other methods, then {@linkcode end}. */
  begin(kind: FrameKind, context: number, id: number, argument = 0): void {
    this.#reserve(HEADER_BYTES);
    const start = this.#end;
    this.#frameStart = start;
    this.#view.setUint32(start + 4, id, true);
    this.#view.setUint8(start + 8, kind);
    this.#view.setUint8(start + 9, argument);
    this.#view.setUint16(start + 10, context, true);
    this.#end = start + HEADER_BYTES;
  }

  /** Adds a number of 32 bits; negative ones as two's complement. */
  uint32(value: number): void {
    this.#reserve(4);
    this.#view.setUint32(this.#end, value, true);
    this.#end += 4;
  }

  /** Adds a text as UTF-8. */
  text(value: string): number {
    this.#reserve(value.length * 3);
    const { written } = encoder.encodeInto(value, this.#bytes.subarray(this.#end));
    this.#end += written;
    return written;
  }

  /** Adds bytes. */
  data(value: Uint8Array): void {
    this.#reserve(value.length);
    this.#bytes.set(value, this.#end);
    this.#end += value.length;
  }

  /** Adds room for bytes that the caller fills in before anything else is added. */
  room(size: number): Uint8Array<ArrayBuffer> {
    this.#reserve(size);
    const start = this.#end;
    this.#end += size;
    return this.#bytes.subarray(start, start + size);
  }

  /** Adds a device (without priority: modules always see 0) and data, as calls carry them. */
  deviceAndData(device: Device, data: Uint8Array): void {
    this.uint32(device.module);
    this.uint32(device.deviceType);
    const lengths = this.#end;
    this.#reserve(8);
    this.#end += 8;
    const roleLength = this.text(device.deviceRole);
    const nameLength = this.text(device.deviceName);
    this.#view.setUint32(lengths, roleLength, true);
    this.#view.setUint32(lengths + 4, nameLength, true);
    this.data(data);
  }

  /** Ends the frame. One that is too large is taken back: false. */
  end(): boolean {
    const length = this.#end - this.#frameStart - 4;
    if (length > MAX_FRAME_BYTES) {
      this.#end = this.#frameStart;
      return false;
    }
    this.#view.setUint32(this.#frameStart, length, true);
    return true;
  }

  /** A whole frame without payload. */
  frame(kind: FrameKind, context: number, id: number, argument = 0): void {
    this.begin(kind, context, id, argument);
    this.end();
  }

  /** All bytes collected; further frames go elsewhere until they are {@linkcode giveBack given back}. */
  take(): Uint8Array<ArrayBuffer> {
    const taken = this.#bytes.subarray(0, this.#end);
    this.#bytes = this.#spare ?? emptyBuffer(SMALL_BUFFER_BYTES);
    this.#spare = null;
    this.#view = new DataView(this.#bytes.buffer);
    this.#end = 0;
    return taken;
  }

  /** The bytes taken have been written: their memory may be used again. */
  giveBack(taken: Uint8Array<ArrayBuffer>): void {
    if (taken.buffer.byteLength <= LARGE_BUFFER_BYTES) this.#spare = new Uint8Array(taken.buffer);
  }

  #reserve(size: number): void {
    const needed = this.#end + size;
    if (needed <= this.#bytes.length) return;
    const larger = emptyBuffer(Math.max(needed, 2 * this.#bytes.length));
    larger.set(this.#bytes.subarray(0, this.#end));
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }
}

/** A frame that has arrived. One object serves all: it is valid only while it is handled. */
export class Frame {
  kind = 0;
  argument = 0;
  context = 0;
  id = 0;
  /** The payload is from `start` to `end` in these bytes. */
  bytes: Uint8Array<ArrayBuffer> = emptyBuffer(0);
  view: DataView = new DataView(this.bytes.buffer);
  start = 0;
  end = 0;

  /** A number of 32 bits at an offset of the payload, 0 when the payload is too short. */
  uint32(offset: number): number {
    const at = this.start + offset;
    return at + 4 <= this.end ? this.view.getUint32(at, true) : 0;
  }

  /** The payload as a text. */
  text(): string {
    return decoder.decode(this.bytes.subarray(this.start, this.end));
  }

  /** A copy of the payload. */
  copy(): Uint8Array<ArrayBuffer> {
    return this.bytes.slice(this.start, this.end);
  }

  /**
   * The payload as a device and a copy of its data. Texts that are not UTF-8 are read with
   * replacement characters.
   *
   * @throws {FrameError} when the payload is shorter than it says.
   */
  deviceAndData(): { device: Device; data: Uint8Array } {
    const layout = readLayout(this.view, this.start, this.end);
    const { roleStart, nameStart, dataStart } = layout;
    return {
      device: {
        module: this.view.getInt32(this.start, true),
        deviceType: this.view.getUint32(this.start + 4, true),
        deviceRole: decoder.decode(this.bytes.subarray(roleStart, nameStart)),
        deviceName: decoder.decode(this.bytes.subarray(nameStart, dataStart)),
        priority: 0,
      },
      data: this.bytes.slice(dataStart, this.end),
    };
  }
}

/** How many bytes of a device-and-data payload come before the role. */
export const DEVICE_HEAD_BYTES = 16;

/**
 * Where role, name and data begin in a device-and-data payload.
 *
 * @throws {FrameError} when the payload is shorter than it says.
 */
export function readLayout(
  view: DataView,
  start: number,
  end: number,
): { roleStart: number; nameStart: number; dataStart: number } {
  const roleStart = start + DEVICE_HEAD_BYTES;
  if (roleStart <= end) {
    const nameStart = roleStart + view.getUint32(start + 8, true);
    const dataStart = nameStart + view.getUint32(start + 12, true);
    if (dataStart <= end) return { roleStart, nameStart, dataStart };
  }
  throw new FrameError(`Cannot read device from frame: payload has ${end - start} bytes`);
}

/**
 * The device of a device-and-data payload, told apart by module, type and role.
 *
 * @throws {FrameError} when the payload is shorter than it says.
 */
export function readDeviceKey(
  bytes: Uint8Array,
  view: DataView,
  start: number,
  end: number,
): string {
  const { roleStart, nameStart } = readLayout(view, start, end);
  const role = decoder.decode(bytes.subarray(roleStart, nameStart));
  return `${view.getUint32(start, true)}/${view.getUint32(start + 4, true)}/${role}`;
}

/** Finds frames in a stream of bytes: many in one read, or one in many. */
export class FrameReader {
  readonly #frame = new Frame();
  #bytes = emptyBuffer(SMALL_BUFFER_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #end = 0;

  /** Where the next read shall put its bytes; never empty. */
  get room(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(this.#end);
  }

  /**
   * Hands on every frame that is whole once `count` more bytes are in {@linkcode room}.
   *
   * @throws {FrameError} when a length is impossible.
   */
  received(count: number, handle: (frame: Frame) => void): void {
    this.#end += count;
    const frame = this.#frame;
    frame.bytes = this.#bytes;
    frame.view = this.#view;
    let at = 0;
    let wanted = HEADER_BYTES;
    while (this.#end - at >= HEADER_BYTES) {
      const length = this.#view.getUint32(at, true);
      if (length < MIN_FRAME_BYTES || length > MAX_FRAME_BYTES) {
        throw new FrameError(
          `Cannot read frame: its length must be ${MIN_FRAME_BYTES} to ${MAX_FRAME_BYTES}: ${length}`,
        );
      }
      const next = at + 4 + length;
      if (next > this.#end) {
        wanted = 4 + length;
        break;
      }
      frame.id = this.#view.getUint32(at + 4, true);
      frame.kind = this.#view.getUint8(at + 8);
      frame.argument = this.#view.getUint8(at + 9);
      frame.context = this.#view.getUint16(at + 10, true);
      frame.start = at + HEADER_BYTES;
      frame.end = next;
      handle(frame);
      at = next;
    }
    this.#keep(at, wanted);
  }

  /** Moves what is left to the front, with room for the whole frame it belongs to. */
  #keep(at: number, wanted: number): void {
    const left = this.#end - at;
    const size = this.#bytes.length;
    const oversized = size > LARGE_BUFFER_BYTES && wanted <= SMALL_BUFFER_BYTES &&
      left < SMALL_BUFFER_BYTES;
    if (wanted > size || oversized) {
      const bytes = emptyBuffer(Math.max(wanted, SMALL_BUFFER_BYTES));
      bytes.set(this.#bytes.subarray(at, this.#end));
      this.#bytes = bytes;
      this.#view = new DataView(bytes.buffer);
    } else if (left > 0 && at > 0) {
      this.#bytes.copyWithin(0, at, this.#end);
    }
    this.#end = left;
  }
}
