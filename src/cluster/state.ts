// What an instance knows of its cluster.

/** An instance, as it describes itself to the others. */
export interface Member {
  readonly id: string;
  /** Of the program. */
  readonly version: string;
  /** The newest format of checkpoints that it reads. */
  readonly checkpointFormat: number;
  /** Its share of the cars in relation to the others'. */
  readonly capacity: number;
  readonly labels: Readonly<Record<string, string>>;
  /** Where its API is; `null`: it has none. */
  readonly url: string | null;
  /** It hands everything over and takes nothing. */
  readonly draining: boolean;
}

/** Who owns a car, as the store has it. */
export interface Ownership {
  readonly owner: string;
  /** Grows with every take, and outlives leases. */
  readonly epoch: number;
  /** To whom the owner hands the car over; `null`: it keeps it. */
  readonly to: string | null;
}

/** What an instance has to do with a car. */
export type Hold =
  /** The store has been asked for it, which had `from`. */
  | { readonly kind: "claiming"; readonly since: number; readonly from: Ownership | null }
  /** Served here. */
  | { readonly kind: "serving"; readonly epoch: number }
  /** Its session is being closed here, exactly, before the store is told. */
  | { readonly kind: "draining"; readonly epoch: number; readonly to: string }
  /** Closed here and offered; until somebody takes it. */
  | {
    readonly kind: "offered";
    readonly epoch: number;
    readonly to: string;
    readonly since: number;
  };

/** A car that this instance serves or could serve. */
export interface CarEntry {
  readonly car: string;
  readonly ownership: Ownership | null;
  /** Since when the store has had no owner for it; `null` while it has one. */
  readonly ownerlessSince: number | null;
  readonly hold: Hold | null;
  /** It cannot be handed over right now: its connect sequence is under way. */
  readonly unsettled: boolean;
  /** Where an operator wants it; `null`: where the hash says. */
  readonly pinnedTo: string | null;
  /** It does not move for balance before: nobody took the last offer. */
  readonly restUntil: number | null;
  /** This instance does not claim it before: it could not serve it. */
  readonly claimAfter: number | null;
}

export interface ClusterState {
  /** Live instances, this one included once it has joined. */
  readonly members: readonly Member[];
  /** Since when the members have been the same. */
  readonly membersSince: number;
  /** In the order of their names. */
  readonly cars: readonly CarEntry[];
  /** Whether the store answers and the lease is held. */
  readonly joined: boolean;
  /** An operator, or the end of this instance, wants everything handed over. */
  readonly draining: boolean;
  /** When a car was last handed over for balance. */
  readonly balancedAt: number | null;
}

export interface ClusterSettings {
  /** This instance. */
  readonly self: string;
  /** Time for a better candidate to take a car without an owner, in milliseconds. */
  readonly standbyMs: number;
  /** The store's answer to a claim, and a member's to an offer, are awaited so long, in milliseconds. */
  readonly answerMs: number;
  /** Members are the same for so long before cars move for balance, in milliseconds. */
  readonly settleMs: number;
  /** A car whose offer nobody took stays for so long, in milliseconds. */
  readonly restMs: number;
  /** A car that could not be served here is left to others for so long, in milliseconds. */
  readonly avoidMs: number;
  /** Cars handed over for balance, a second. */
  readonly movesPerSecond: number;
}

export const CLUSTER_SETTINGS = {
  standbyMs: 2_000,
  answerMs: 3_000,
  settleMs: 5_000,
  restMs: 60_000,
  avoidMs: 10_000,
  movesPerSecond: 10,
} satisfies Omit<ClusterSettings, "self">;

export interface Environment {
  /** In milliseconds. */
  readonly now: number;
  readonly settings: ClusterSettings;
}

/** An instance that has not joined. */
export function createCluster(): ClusterState {
  return {
    members: [],
    membersSince: 0,
    cars: [],
    joined: false,
    draining: false,
    balancedAt: null,
  };
}

/** The entry of a car; `undefined`: not a car of this instance's configuration. */
export function entryOf({ cars }: ClusterState, car: string): CarEntry | undefined {
  return cars[indexOf(cars, car)];
}

export function withEntry(state: ClusterState, entry: CarEntry): ClusterState {
  const index = indexOf(state.cars, entry.car);
  if (index < 0 || state.cars[index] === entry) return state;
  return { ...state, cars: state.cars.with(index, entry) };
}

/** A fleet is large and its entries change one by one: binary search. */
function indexOf(cars: readonly CarEntry[], car: string): number {
  let low = 0;
  for (let high = cars.length; low < high;) {
    const middle = (low + high) >>> 1;
    if ((cars[middle]?.car ?? "") < car) low = middle + 1;
    else high = middle;
  }
  return cars[low]?.car === car ? low : -1;
}
