// One connection of a device: what comes is cut into frames, and each message goes out on its own.
import type { Link } from "../net/mod.ts";
import type { GatewayMessage } from "../protocol/mod.ts";
import { encodeGatewayMessage, frameOf, FrameReader } from "../protocol/codec/mod.ts";

/** The wire side of a connection. */
export class Peer {
  readonly id: number;
  /** For people. */
  readonly address: string;
  readonly link: Link;
  readonly frames: FrameReader;
  /** Whether its frames are being taken: then they are not taken a second time. */
  taking = false;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #ending = false;

  constructor(id: number, address: string, link: Link, maxMessageBytes: number) {
    this.id = id;
    this.address = address;
    this.link = link;
    this.frames = new FrameReader(maxMessageBytes);
  }

  /** Bytes that the system has not accepted: the device does not read. */
  get unsentBytes(): number {
    return this.#waitingBytes + this.link.unsentBytes;
  }

  /** Sends in a segment of its own: some clients take two messages in one for an error. */
  send(message: GatewayMessage): void {
    const frame = frameOf(encodeGatewayMessage(message));
    if (this.unsentBytes === 0) return this.link.write(frame);
    this.#waiting.push(frame);
    this.#waitingBytes += frame.length;
  }

  /** The system has accepted all that the link was given. */
  onDrained(): void {
    const next = this.#waiting.shift();
    if (next !== undefined) {
      this.#waitingBytes -= next.length;
      this.link.write(next);
    } else if (this.#ending) this.link.end();
  }

  /** Half-closes when all is sent. */
  endWhenSent(): void {
    this.#ending = true;
    if (this.unsentBytes === 0) this.link.end();
  }
}
