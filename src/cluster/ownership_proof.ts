// Whether a car is still this instance's, asked of the store after a pause that grows. Whoever connects to a
// conversation cuts off the one before: after a loss of the connection, only the owner may.
import { backoff, type Clock, type TimerHandle } from "../time/mod.ts";

/** Between proofs and connections, in milliseconds. */
const PAUSES = { firstMs: 20, maxMs: 2_000 } as const;

export interface OwnershipProofOptions {
  readonly clock: Clock;
  /** Rejects when the store does not say; it is asked again then. */
  readonly prove: () => Promise<boolean>;
  readonly onProved: () => void;
  readonly onDenied: () => void;
  /** The store has not said why, human-readable. */
  readonly onUnknown: (reason: string) => void;
}

/** Of one adoption. */
export class OwnershipProof {
  readonly #options: OwnershipProofOptions;
  #pauses = backoff(PAUSES);
  #timer: TimerHandle | undefined;
  #stopped = false;

  constructor(options: OwnershipProofOptions) {
    this.#options = options;
  }

  /** The connection that followed the last proof was stable. */
  startOver(): void {
    this.#pauses = backoff(PAUSES);
  }

  /** Asks in a moment; `onProved` or `onDenied` follows. */
  begin(): void {
    if (this.#stopped) return;
    const { clock } = this.#options;
    this.#timer = clock.set(() => void this.#prove(), this.#pauses.next().value);
  }

  /** For good. */
  stop(): void {
    this.#stopped = true;
    if (this.#timer !== undefined) this.#options.clock.clear(this.#timer);
  }

  async #prove(): Promise<void> {
    const { prove, onProved, onDenied, onUnknown } = this.#options;
    let isOwner: boolean;
    try {
      isOwner = await prove();
    } catch (error) {
      onUnknown((error as Error).message);
      return this.begin();
    }
    if (this.#stopped) return;
    if (isOwner) onProved();
    else onDenied();
  }
}
