// Where a cluster keeps who owns what.
import type { Member, Ownership } from "./state.ts";

/** Everything that a store has, at one revision. */
export interface StoreContents {
  readonly members: readonly Member[];
  /** By car. */
  readonly owners: Readonly<Record<string, Ownership>>;
  /** Where operators want cars, by car. */
  readonly pins: Readonly<Record<string, string>>;
}

/** What a store tells, in the order in which it happened. None of these may throw. */
export interface StoreListener {
  /** The lease is held; also after the store was away. */
  onJoined(contents: StoreContents): void;
  onMembers(members: readonly Member[]): void;
  onOwner(car: string, ownership: Ownership | null): void;
  onPin(car: string, to: string | null): void;
  /** The store does not answer; it is tried again until {@linkcode ClusterStore.stop}. */
  onStoreLost(reason: string): void;
  /** The lease has run out, or soon will have: whatever it protected may be another's from then on. */
  onLeaseLost(reason: string): void;
}

/** A store, as one instance sees it. */
export interface ClusterStore {
  /**
   * Joins as this member, and tries again until it can.
   *
   * @throws {MemberExistsError} when a live instance has the same id.
   */
  start(member: Member, listener: StoreListener): Promise<void>;
  /** Describes this member anew to the others. */
  describe(member: Member): Promise<void>;
  /** Takes a car with the next epoch; `false`: the store has something else than was expected. */
  claim(car: string, expected: Ownership | null): Promise<boolean>;
  /** Says to whom a car goes; `false`: it is not this instance's with this epoch. */
  offer(car: string, epoch: number, to: string): Promise<boolean>;
  /** Gives a car up, if it is this instance's with this epoch. */
  release(car: string, epoch: number): Promise<void>;
  /** Who owns a car now, as the store itself knows it. */
  ownerOf(car: string): Promise<Ownership | null>;
  /** Says where an operator wants a car; `null`: where the hash says. */
  pin(car: string, to: string | null): Promise<void>;
  /** Leaves: the lease and all that it protects goes at once. Bounded, never rejects. */
  stop(): Promise<void>;
}

/** Another instance with this id is alive. */
export class MemberExistsError extends Error {
  override readonly name = "MemberExistsError";
  readonly code = "MEMBER_EXISTS";

  constructor(readonly id: string) {
    super(`Cannot join the cluster as "${id}": a live instance has this id`);
  }
}

/** The store could not do what was asked. */
export class StoreError extends Error {
  override readonly name: string = "StoreError";
  readonly code: string = "STORE";
}
