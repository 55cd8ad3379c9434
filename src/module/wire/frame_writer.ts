// Frames on their way out: collected in memory until they are written all at once.
import type { Device } from "../../protocol/mod.ts";
import { DEVICE_HEAD_BYTES } from "./device_data.ts";
import { type FrameKind, HEADER_BYTES, MAX_DATA_BYTES, MAX_FRAME_BYTES } from "./frames.ts";

const SMALL_BUFFER_BYTES = 16 * 1024;
const LARGE_BUFFER_BYTES = 1024 * 1024;

const encoder = new TextEncoder();

/** The runtime encodes longer strings faster. */
const SHORT_TEXT = 24;

/**
 * Writes a string as UTF-8, and returns how many bytes it took. Roles and names are short and ASCII
 * as a rule: to write those by hand halves what a status takes on its way to the host (0.4 to 0.2
 * us).
 */
function putText(bytes: Uint8Array, start: number, text: string): number {
  const { length } = text;
  if (length <= SHORT_TEXT) {
    let at = 0;
    for (; at < length; at++) {
      const code = text.charCodeAt(at);
      if (code > 0x7f) break;
      bytes[start + at] = code;
    }
    if (at === length) return length;
  }
  return encoder.encodeInto(text, bytes.subarray(start)).written;
}

function emptyBuffer(size: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new ArrayBuffer(size));
}

/** Collects frames to be written all at once. */
export class FrameWriter {
  #bytes = emptyBuffer(SMALL_BUFFER_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #spare: Uint8Array<ArrayBuffer> | null = null;
  #frameStart = 0;
  #end = 0;

  /** Number of collected bytes. */
  get length(): number {
    return this.#end;
  }

  /** Starts a frame; its payload follows through the other methods, then {@linkcode end}. */
  begin(kind: FrameKind, context: number, argument = 0): void {
    const start = this.#end;
    if (start + HEADER_BYTES > this.#bytes.length) this.#grow(HEADER_BYTES);
    this.#frameStart = start;
    this.#header(start, start + HEADER_BYTES, kind, context, argument);
  }

  /** Adds a number of 32 bits; negative ones as two's complement. */
  uint32(value: number): void {
    if (this.#end + 4 > this.#bytes.length) this.#grow(4);
    this.#view.setUint32(this.#end, value, true);
    this.#end += 4;
  }

  /** Adds a string as UTF-8. */
  text(value: string): void {
    if (this.#end + value.length * 3 > this.#bytes.length) this.#grow(value.length * 3);
    this.#end += encoder.encodeInto(value, this.#bytes.subarray(this.#end)).written;
  }

  /** Adds space for bytes, which the caller fills in before adding anything else. */
  room(size: number): Uint8Array<ArrayBuffer> {
    if (this.#end + size > this.#bytes.length) this.#grow(size);
    const start = this.#end;
    this.#end += size;
    return this.#bytes.subarray(start, start + size);
  }

  /** Ends the frame; false when it is too large and was removed. */
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
  frame(kind: FrameKind, context: number, argument = 0): void {
    this.begin(kind, context, argument);
    this.end();
  }

  /** A whole frame whose payload is a number of 32 bits. */
  numberFrame(kind: FrameKind, context: number, argument: number, value: number): void {
    const start = this.#end;
    const end = start + HEADER_BYTES + 4;
    if (end > this.#bytes.length) this.#grow(HEADER_BYTES + 4);
    this.#header(start, end, kind, context, argument);
    this.#view.setUint32(start + HEADER_BYTES, value, true);
  }

  /**
   * A whole frame whose payload is a device and data in the layout of `DeviceData`. One that would
   * be too large is not added: false.
   */
  deviceFrame(
    kind: FrameKind,
    context: number,
    argument: number,
    { module, deviceType, deviceRole, deviceName }: Device,
    data: Uint8Array,
  ): boolean {
    const textBytes = (deviceRole.length + deviceName.length) * 3;
    if (data.length > MAX_DATA_BYTES) return false;
    const most = HEADER_BYTES + DEVICE_HEAD_BYTES + textBytes + data.length;
    const start = this.#end;
    if (start + most > this.#bytes.length) this.#grow(most);
    const head = start + HEADER_BYTES;
    const roleStart = head + DEVICE_HEAD_BYTES;
    const role = putText(this.#bytes, roleStart, deviceRole);
    const nameStart = roleStart + role;
    const name = putText(this.#bytes, nameStart, deviceName);
    const dataStart = nameStart + name;
    const end = dataStart + data.length;
    if (end - start - 4 > MAX_FRAME_BYTES) return false;
    this.#view.setUint32(head, module, true);
    this.#view.setUint32(head + 4, deviceType, true);
    this.#view.setUint32(head + 8, role, true);
    this.#view.setUint32(head + 12, name, true);
    this.#bytes.set(data, dataStart);
    this.#header(start, end, kind, context, argument);
    return true;
  }

  /** Takes all bytes; new frames use other memory until {@linkcode giveBack}. */
  take(): Uint8Array<ArrayBuffer> {
    const taken = this.#bytes.subarray(0, this.#end);
    this.#bytes = this.#spare ?? emptyBuffer(SMALL_BUFFER_BYTES);
    this.#spare = null;
    this.#view = new DataView(this.#bytes.buffer);
    this.#end = 0;
    return taken;
  }

  /** The taken bytes were written: their memory can be reused. */
  giveBack(taken: Uint8Array<ArrayBuffer>): void {
    if (taken.buffer.byteLength <= LARGE_BUFFER_BYTES) this.#spare = new Uint8Array(taken.buffer);
  }

  #header(start: number, end: number, kind: FrameKind, context: number, argument: number): void {
    this.#view.setUint32(start, end - start - 4, true);
    this.#view.setUint8(start + 4, kind);
    this.#view.setUint8(start + 5, argument);
    this.#view.setUint16(start + 6, context, true);
    this.#end = end;
  }

  #grow(size: number): void {
    const larger = emptyBuffer(Math.max(this.#end + size, 2 * this.#bytes.length));
    larger.set(this.#bytes.subarray(0, this.#end));
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }
}
