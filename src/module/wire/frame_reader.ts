// Frames on their way in: found in a stream of bytes, however it is cut.
import { FrameError } from "../errors.ts";
import { DeviceData } from "./device_data.ts";
import { HEADER_BYTES, MAX_FRAME_BYTES } from "./frames.ts";

/** The value of the length field without payload. */
const MIN_FRAME_BYTES = HEADER_BYTES - 4;
const SMALL_BUFFER_BYTES = 16 * 1024;
const LARGE_BUFFER_BYTES = 1024 * 1024;

const decoder = new TextDecoder();

function emptyBuffer(size: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new ArrayBuffer(size));
}

/** A received frame. One object is reused for all: valid only while the frame is handled. */
export class Frame {
  kind = 0;
  argument = 0;
  context = 0;
  /** The payload is from `start` to `end` in these bytes. */
  bytes: Uint8Array<ArrayBuffer> = emptyBuffer(0);
  view: DataView = new DataView(this.bytes.buffer);
  start = 0;
  end = 0;
  readonly #deviceData = new DeviceData();

  /** A number of 32 bits at an offset of the payload, 0 when the payload is too short. */
  uint32(offset: number): number {
    const at = this.start + offset;
    return at + 4 <= this.end ? this.view.getUint32(at, true) : 0;
  }

  /** The payload from an offset on as a string. */
  text(offset = 0): string {
    return decoder.decode(this.bytes.subarray(this.start + offset, this.end));
  }

  /**
   * The payload as a device and data, valid as long as the frame.
   *
   * @throws {FrameError} when the payload is shorter than it says.
   */
  deviceData(): DeviceData {
    return this.#deviceData.read(this.bytes, this.view, this.start, this.end);
  }
}

/** Whoever takes frames. */
export interface FrameHandler {
  /** A frame has arrived; it is valid until this returns. */
  onFrame(frame: Frame): void;
}

/** Finds frames in a stream of bytes: many in one read, or one in many. */
export class FrameReader {
  readonly #frame = new Frame();
  #bytes = emptyBuffer(SMALL_BUFFER_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #end = 0;
  #stopped = false;

  /** Space for the next read; never empty. */
  get room(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(this.#end);
  }

  /** Hands on no more frames. */
  stop(): void {
    this.#stopped = true;
  }

  /**
   * Passes on every frame that is complete with `count` more bytes in {@linkcode room}.
   * @throws {FrameError} when a length is invalid.
   */
  received(count: number, handler: FrameHandler): void {
    this.#end += count;
    const frame = this.#frame;
    frame.bytes = this.#bytes;
    frame.view = this.#view;
    let at = 0;
    let wanted = HEADER_BYTES;
    while (!this.#stopped && this.#end - at >= HEADER_BYTES) {
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
      frame.kind = this.#view.getUint8(at + 4);
      frame.argument = this.#view.getUint8(at + 5);
      frame.context = this.#view.getUint16(at + 6, true);
      frame.start = at + HEADER_BYTES;
      frame.end = next;
      handler.onFrame(frame);
      at = next;
    }
    this.#keep(at, wanted);
  }

  /** Moves the rest to the front, with space for its whole frame. */
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
