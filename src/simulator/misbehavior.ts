// Faults that a gateway makes on purpose: the same seed gives the same plan.

/** Probabilities from 0 to 1, for every status and command response of normal communication. */
export interface Misbehavior {
  /** The message is never sent, though its counter is used up. */
  readonly drop: number;
  /** The message is sent after the next one of its kind. */
  readonly reorder: number;
  /** The message is sent twice. */
  readonly duplicate: number;
}

/** What happens to one message. */
export type FaultAction = "send" | "drop" | "reorder" | "duplicate";

/** A gateway that does nothing wrong. */
export const WELL_BEHAVED: Misbehavior = { drop: 0, reorder: 0, duplicate: 0 };

/** A seeded generator of random numbers from 0 up to 1; not for secrets. */
export function seededRandom(seed: number): () => number {
  // mulberry32: 32 bits of state, which is plenty for choosing victims.
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A seed for one part of a run, so that cars with one common seed differ from each other. */
export function derivedSeed(seed: number, part: string): number {
  let hash = (seed ^ 0x811c9dc5) >>> 0;
  for (let i = 0; i < part.length; i++) hash = Math.imul(hash ^ part.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/** Chooses the action for one message after the other, without end. */
export class MisbehaviorPlan {
  readonly #misbehavior: Misbehavior;
  readonly #random: () => number;

  /** @throws {RangeError} when a probability is not one, or all of them exceed 1 together. */
  constructor(misbehavior: Misbehavior, seed: number) {
    const { drop, reorder, duplicate } = misbehavior;
    for (const [name, share] of Object.entries({ drop, reorder, duplicate })) {
      if (!(share >= 0 && share <= 1)) {
        throw new RangeError(`Cannot use '${name}' as a probability: current value is ${share}`);
      }
    }
    if (drop + reorder + duplicate > 1) {
      throw new RangeError(
        `Cannot use probabilities whose sum exceeds 1: current value is ${
          drop + reorder + duplicate
        }`,
      );
    }
    this.#misbehavior = misbehavior;
    this.#random = seededRandom(seed);
  }

  /** For the next message. */
  next(): FaultAction {
    const { drop, reorder, duplicate } = this.#misbehavior;
    if (drop + reorder + duplicate === 0) return "send";
    const at = this.#random();
    if (at < drop) return "drop";
    if (at < drop + reorder) return "reorder";
    return at < drop + reorder + duplicate ? "duplicate" : "send";
  }
}
