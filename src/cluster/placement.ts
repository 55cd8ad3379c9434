// Where a car should be, and when this instance acts on it.
import { preferredOwners } from "./rendezvous.ts";
import type { CarEntry, ClusterState, Environment } from "./state.ts";

/** The members that may take the car, the best first. */
export function takersOf(
  { members }: ClusterState,
  { car, pinnedTo }: CarEntry,
): readonly string[] {
  const order = preferredOwners(car, members.filter(({ draining }) => !draining));
  if (pinnedTo === null || !order.includes(pinnedTo)) return order;
  return [pinnedTo, ...order.filter((id) => id !== pinnedTo)];
}

/**
 * When this instance claims a car that it does not hold; `null`: not as things are.
 *
 * A better candidate that does not take the car (its configuration may lack it) is waited for, not
 * relied on.
 */
export function claimAt(
  state: ClusterState,
  entry: CarEntry,
  { settings: { self, standbyMs } }: Environment,
): number | null {
  const { ownership, ownerlessSince, claimAfter } = entry;
  if (!state.joined) return null;
  const first = claimAfter ?? 0;
  // Nobody else can end an offer that its taker does not take, not even while this instance drains.
  if (ownership?.owner === self) return first;
  if (state.draining) return null;
  if (ownership !== null) return ownership.to === self ? 0 : null;
  const rank = takersOf(state, entry).indexOf(self);
  if (rank < 0 || ownerlessSince === null) return null;
  return Math.max(first, ownerlessSince + rank * standbyMs);
}

/** To whom a car that is served here should go; `null`: it stays. */
export function betterOwner(
  state: ClusterState,
  entry: CarEntry,
  { settings: { self } }: Environment,
): string | null {
  const best = takersOf(state, entry)[0] ?? self;
  return best === self ? null : best;
}

/** Of cars that leave an instance which drains, at a time: each waits only for a few others' modules. */
export const MAX_MOVES = 32;

/** By the cars of a state: every one of them asks. */
const counted = new WeakMap<readonly CarEntry[], number>();

/** Cars that are being handed over. */
function movesUnderWay({ cars }: ClusterState): number {
  let count = counted.get(cars);
  if (count === undefined) {
    const isMoving = ({ hold }: CarEntry) => hold?.kind === "draining" || hold?.kind === "offered";
    count = cars.filter(isMoving).length;
    counted.set(cars, count);
  }
  return count;
}

/** When a car that is served here may move for balance; `null`: something has to happen first. */
export function moveAt(
  state: ClusterState,
  entry: CarEntry,
  { settings: { settleMs, movesPerSecond } }: Environment,
): number | null {
  if (!state.joined) return null;
  if (state.draining) return movesUnderWay(state) < MAX_MOVES ? entry.restUntil ?? 0 : null;
  if (entry.unsettled) return null;
  if (entry.pinnedTo !== null) return entry.restUntil ?? 0;
  const rate = state.balancedAt === null ? 0 : state.balancedAt + 1_000 / movesPerSecond;
  return Math.max(state.membersSince + settleMs, rate, entry.restUntil ?? 0);
}
