// Messages that wait to be posted, in order and bounded.

/** One message. */
export interface Delivery {
  readonly id: string;
  readonly body: string;
}

/** How many messages wait at most, and how long they are together, in characters. */
export interface QueueLimits {
  readonly messages: number;
  readonly characters: number;
}

/** The oldest goes first; when it is full, the oldest that is not being posted is dropped. */
export class DeliveryQueue {
  readonly #limits: QueueLimits;
  #waiting: Delivery[] = [];
  #characters = 0;

  constructor(limits: QueueLimits) {
    this.#limits = limits;
  }

  /** The number of messages. */
  get size(): number {
    return this.#waiting.length;
  }

  /** The oldest, which is the one that is posted. */
  get first(): Delivery | undefined {
    return this.#waiting[0];
  }

  /** Adds a message. @returns how many were dropped for it */
  push(delivery: Delivery): number {
    this.#waiting.push(delivery);
    this.#characters += delivery.body.length;
    let dropped = 0;
    while (this.#isOver() && this.#waiting.length > 1) {
      this.#remove(1);
      dropped++;
    }
    return dropped;
  }

  /** Removes a message, if it is still there. */
  remove(delivery: Delivery): void {
    const index = this.#waiting.indexOf(delivery);
    if (index >= 0) this.#remove(index);
  }

  #isOver(): boolean {
    return this.#waiting.length > this.#limits.messages ||
      this.#characters > this.#limits.characters;
  }

  #remove(index: number): void {
    const [removed] = this.#waiting.splice(index, 1);
    this.#characters -= removed?.body.length ?? 0;
  }
}
