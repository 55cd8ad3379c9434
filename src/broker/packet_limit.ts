// Checks the lengths of MQTT packets in a stream, and counts them, without keeping bytes.

const PUBLISH = 3;
const PUBACK = 4;
/**
 * Bytes of a packet other than PUBLISH, by its type: names, passwords and a last will in CONNECT,
 * topic filters in SUBSCRIBE and UNSUBSCRIBE.
 */
const MAX_BYTES: Readonly<Record<number, number>> = { 1: 16_384, 8: 65_536, 10: 65_536 };
/** Bytes of every further packet; MQTT 3.1.1 needs two. */
const MAX_OTHER_BYTES = 128;

/** Detects packets that are longer than allowed. */
export class PacketLimit {
  readonly #maxPublishBytes: number;
  /** Remaining bytes of the current packet. */
  #left = 0;
  /** The length so far and its next bit, while its bytes are being read; -1: at the first byte. */
  #length = 0;
  #shift = -1;
  #type = 0;
  #messages = 0;

  constructor(maxPublishBytes: number) {
    this.#maxPublishBytes = maxPublishBytes;
  }

  /** Bytes of the incomplete packet, which a parser keeps until it is complete. */
  get incompleteBytes(): number {
    return this.#left === 0 ? 0 : this.#length - this.#left;
  }

  /** Packets that began since the last call; a PUBACK counts as half of one. */
  takeMessages(): number {
    const messages = this.#messages;
    this.#messages = 0;
    return messages;
  }

  /** Takes the next bytes; false when a packet in them is too long, or its length endless. */
  allows(bytes: Uint8Array): boolean {
    let at = 0;
    while (at < bytes.length) {
      if (this.#left > 0) {
        const passed = Math.min(this.#left, bytes.length - at);
        this.#left -= passed;
        at += passed;
        continue;
      }
      const byte = bytes[at++] as number;
      if (this.#shift < 0) {
        this.#type = byte >> 4;
        this.#messages += this.#type === PUBACK ? 0.5 : 1;
        this.#shift = 0;
        this.#length = 0;
        continue;
      }
      this.#length |= (byte & 127) << this.#shift;
      this.#shift += 7;
      if (byte < 128) {
        if (this.#length > this.#maxBytes()) return false;
        this.#left = this.#length;
        this.#shift = -1;
      } else if (this.#shift > 21) return false;
    }
    return true;
  }

  #maxBytes(): number {
    if (this.#type === PUBLISH) return this.#maxPublishBytes;
    return MAX_BYTES[this.#type] ?? MAX_OTHER_BYTES;
  }
}
