// The newest server-sent events, for clients that come back.

/** Keeps events by consecutive numbers, up to a number of bytes. */
export class EventBuffer {
  readonly #maxBytes: number;
  /** Ends with the newest. */
  #events: Uint8Array[] = [];
  #bytes = 0;
  #newest = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** The number of the newest event. */
  get newest(): number {
    return this.#newest;
  }

  /**
   * Keeps an event, whose text is made from its number; forgets the oldest ones beyond the limit.
   *
   * @returns the event
   */
  push(make: (number: number) => Uint8Array): Uint8Array {
    const event = make(++this.#newest);
    this.#events.push(event);
    this.#bytes += event.length;
    while (this.#bytes > this.#maxBytes) this.#bytes -= this.#events.shift()?.length ?? 0;
    return event;
  }

  /** The events after the one of this number; undefined when some of them are not there any more. */
  after(number: number): readonly Uint8Array[] | undefined {
    const count = this.#newest - number;
    if (count < 0 || count > this.#events.length) return undefined;
    return count === 0 ? [] : this.#events.slice(-count);
  }

  /** Forgets all; numbers go on after a gap, as what happens next is not kept. */
  clear(): void {
    this.#events = [];
    this.#bytes = 0;
    this.#newest++;
  }
}
