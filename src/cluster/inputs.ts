// What goes into the core of a cluster's instance, and what it asks its driver to do.
import type { Taking } from "./car_cluster.ts";
import type { Member, Ownership } from "./state.ts";

export type Input =
  /** The configuration's cars: those that this instance may serve. */
  | { readonly type: "configured"; readonly cars: readonly string[] }
  /** The lease is held and the store's contents are known. */
  | {
    readonly type: "joined";
    readonly members: readonly Member[];
    readonly owners: Readonly<Record<string, Ownership>>;
    readonly pins: Readonly<Record<string, string>>;
  }
  /** The store does not answer; the lease may still be valid. */
  | { readonly type: "store_lost" }
  /** The lease has run out, or may have: others may own everything by now. */
  | { readonly type: "lease_lost" }
  | { readonly type: "members"; readonly members: readonly Member[] }
  /** The store's entry for a car has changed; `null`: it is gone. */
  | { readonly type: "owner"; readonly car: string; readonly ownership: Ownership | null }
  | { readonly type: "pin"; readonly car: string; readonly to: string | null }
  /** The store has not given the car: somebody else was faster. */
  | { readonly type: "claim_refused"; readonly car: string }
  /**
   * The car's session stands still. `exact`: its last checkpoint is at the broker; otherwise whoever
   * takes the car goes on from what the broker has.
   */
  | { readonly type: "drained"; readonly car: string; readonly exact: boolean }
  /** The conversation of a car with this epoch is another's, or is not to be had. */
  | { readonly type: "not_served"; readonly car: string; readonly epoch: number }
  /** A connect sequence has begun or ended. */
  | { readonly type: "unsettled"; readonly car: string; readonly unsettled: boolean }
  | { readonly type: "drain"; readonly draining: boolean }
  | { readonly type: "tick" };

/** Why a car is no longer served here. */
export type StopReason = "lease lost" | "taken by another instance" | "not configured";

export type Effect =
  /** Write the ownership, if the store still has what is expected. */
  | { readonly type: "claim"; readonly car: string; readonly expected: Ownership | null }
  /** Take the conversation over from the broker, and go on with it. */
  | { readonly type: "serve"; readonly car: string } & Taking
  /** Finish what has begun, write the last checkpoint, leave the broker; then `drained`. */
  | { readonly type: "drain_car"; readonly car: string; readonly to: string }
  /** Write to whom the car is handed over. */
  | { readonly type: "offer"; readonly car: string; readonly epoch: number; readonly to: string }
  /** Give the car up in the store. */
  | { readonly type: "release"; readonly car: string; readonly epoch: number }
  /** Stop at once, without a checkpoint: it may be another's by now. */
  | { readonly type: "abandon"; readonly car: string; readonly reason: StopReason };
