// Frames between a device and its gateway: 4 bytes of length, little-endian, then the body [MSG-INTERNAL-FRAME].
import { MalformedMessageError } from "./errors.ts";

const HEADER_BYTES = 4;

/** One frame, header and body in one array: peers may not join what comes in two segments. */
export function frameOf(body: Uint8Array): Uint8Array {
  const frame = new Uint8Array(HEADER_BYTES + body.length);
  new DataView(frame.buffer).setUint32(0, body.length, true);
  frame.set(body, HEADER_BYTES);
  return frame;
}

/** Cuts a stream into the bodies of its frames, however the network has split it. */
export class FrameReader {
  readonly #maxBytes: number;
  #chunks: Uint8Array[] = [];
  /** Bytes in the chunks. */
  #held = 0;
  /** Of the frame that has begun; null while its header is not whole. */
  #bodyBytes: number | null = null;

  /** @param maxBytes of a body */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Whether a frame has begun that is not whole. */
  get begun(): boolean {
    return this.#held > 0 || this.#bodyBytes !== null;
  }

  /** Bytes that came and were not yielded, without the header of the frame that has begun. */
  get heldBytes(): number {
    return this.#held;
  }

  /**
   * Takes what the network brought, and yields the bodies that are whole now. They are copies.
   * Who stops early gets the rest from the next call, which may bring no bytes.
   *
   * @throws {MalformedMessageError} at a length of 0 or above the limit; the stream is unusable
   * then.
   */
  *take(bytes: Uint8Array): Generator<Uint8Array, void, void> {
    if (bytes.length > 0) {
      // The caller may use its buffer again.
      this.#chunks.push(new Uint8Array(bytes));
      this.#held += bytes.length;
    }
    while (true) {
      if (this.#bodyBytes === null) {
        if (this.#held < HEADER_BYTES) return;
        this.#bodyBytes = this.#checked(this.#cut(HEADER_BYTES));
      }
      if (this.#held < this.#bodyBytes) return;
      const body = this.#cut(this.#bodyBytes);
      this.#bodyBytes = null;
      yield body;
    }
  }

  #checked(header: Uint8Array): number {
    const { buffer, byteOffset } = header;
    const length = new DataView(buffer, byteOffset, HEADER_BYTES).getUint32(0, true);
    if (length > 0 && length <= this.#maxBytes) return length;
    throw new MalformedMessageError(
      `Cannot read a frame: expected a length of 1 to ${this.#maxBytes} bytes: got ${length}`,
    );
  }

  /** Removes this many bytes, which must be there, from the front. */
  #cut(length: number): Uint8Array {
    this.#held -= length;
    const [first] = this.#chunks;
    if (first !== undefined && first.length > length) {
      this.#chunks[0] = first.subarray(length);
      return first.subarray(0, length);
    }
    const cut = new Uint8Array(length);
    let at = 0;
    let used = 0;
    for (const chunk of this.#chunks) {
      if (at === length) break;
      const part = chunk.subarray(0, length - at);
      cut.set(part, at);
      at += part.length;
      if (part.length < chunk.length) this.#chunks[used] = chunk.subarray(part.length);
      else used++;
    }
    this.#chunks.splice(0, used);
    return cut;
  }
}
