// Watches the lengths of MQTT packets as their bytes pass, without keeping any.

/** Tells when a packet begins that is longer than allowed. */
export class PacketLimit {
  readonly #maxBytes: number;
  /** Bytes of the current packet that are still to come. */
  #left = 0;
  /** The length so far and its next bit, while its bytes are being read; -1: at the first byte. */
  #length = 0;
  #shift = -1;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
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
        this.#shift = 0;
        this.#length = 0;
        continue;
      }
      this.#length |= (byte & 127) << this.#shift;
      this.#shift += 7;
      if (byte < 128) {
        if (this.#length > this.#maxBytes) return false;
        this.#left = this.#length;
        this.#shift = -1;
      } else if (this.#shift > 21) return false;
    }
    return true;
  }
}
