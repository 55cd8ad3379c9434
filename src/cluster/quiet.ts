// When nothing is left of what a car has begun, so that its session can be handed over exactly.
import { oldestUnanswered } from "../session/mod.ts";
import type { CheckpointSource } from "./owned_conversation.ts";

/** Statuses that are with modules have been answered, and nothing is held back. */
export class Quiet {
  /** It is quiet, or nobody waits for it any more. */
  readonly reached: Promise<void>;
  readonly #car: CheckpointSource;
  readonly #resolve: () => void;

  constructor(car: CheckpointSource) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.reached = promise;
    this.#car = car;
    this.#resolve = resolve;
    this.check();
  }

  /** Something has ended. */
  check(): void {
    const { session, heldMessages } = this.#car;
    if (heldMessages === 0 && oldestUnanswered(session) === null) this.#resolve();
  }

  giveUp(): void {
    this.#resolve();
  }
}
