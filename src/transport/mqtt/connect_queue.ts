// The queue of cars that want to connect to one broker, admitted as `admission.ts` decides.
import type { Clock, TimerHandle } from "../../time/mod.ts";
import { type AdmissionInput, newAdmission, nextAttempt, stepAdmission } from "./admission.ts";

/** One car's attempt to connect; only the first result counts. */
export interface Attempt {
  /** The broker has accepted the connection. */
  accepted(): void;
  /** It could not be connected. */
  refused(): void;
  /** Given up without a result. */
  left(): void;
}

/** Called when a car may try. */
export type Entrant = (attempt: Attempt) => void;

/** What a {@linkcode ConnectQueue} needs. */
export interface ConnectQueueOptions {
  readonly clock: Clock;
  /** The first pause after a refusal, in milliseconds. */
  readonly firstPauseMs: () => number;
}

/** One for each broker. */
export class ConnectQueue {
  readonly #options: ConnectQueueOptions;
  readonly #waiting = new Set<Entrant>();
  #admission;
  #timer: TimerHandle | undefined;

  constructor(options: ConnectQueueOptions) {
    this.#options = options;
    this.#admission = newAdmission(this.#environment());
  }

  /** How many wait for their turn. */
  get size(): number {
    return this.#waiting.size;
  }

  /** When the next of them may try; `null` when an attempt must end first. */
  get nextAttemptAt(): number | null {
    return nextAttempt(this.#admission);
  }

  /** Calls `entrant` when it may try, perhaps at once; the result takes it back. */
  enter(entrant: Entrant): () => void {
    this.#waiting.add(entrant);
    this.#admit();
    return () => {
      this.#waiting.delete(entrant);
      if (this.#waiting.size === 0) this.#disarm();
    };
  }

  /** A stable connection was lost: the broker may be gone. */
  lost(): void {
    this.#step({ type: "lost" });
  }

  /** The broker is another one: nothing is known about it. */
  forget(): void {
    const { attempts } = this.#admission;
    this.#admission = { ...newAdmission(this.#environment()), attempts };
    this.#admit();
  }

  #admit(): void {
    this.#disarm();
    const { clock } = this.#options;
    for (const entrant of this.#waiting) {
      const next = nextAttempt(this.#admission);
      if (next === null) return;
      const now = clock.now();
      if (next > now) {
        this.#disarm();
        this.#timer = clock.set(() => this.#admit(), next - now);
        return;
      }
      this.#waiting.delete(entrant);
      entrant(this.#begin());
    }
  }

  #begin(): Attempt {
    const beganMs = this.#options.clock.now();
    this.#admission = stepAdmission(this.#admission, { type: "begun" }, this.#environment());
    let over = false;
    const end = (input: AdmissionInput) => {
      if (over) return;
      over = true;
      this.#step(input);
    };
    return {
      accepted: () => end({ type: "accepted" }),
      refused: () => end({ type: "refused", beganMs }),
      left: () => end({ type: "left" }),
    };
  }

  #step(input: AdmissionInput): void {
    this.#admission = stepAdmission(this.#admission, input, this.#environment());
    this.#admit();
  }

  #disarm(): void {
    if (this.#timer === undefined) return;
    this.#options.clock.clear(this.#timer);
    this.#timer = undefined;
  }

  #environment() {
    const { clock, firstPauseMs } = this.#options;
    return { now: clock.now(), random: Math.random(), firstPauseMs: firstPauseMs() };
  }
}
