// Who should own a car: weighted rendezvous hashing, so that a member that joins or leaves changes
// the owner of its own share of the cars only.

/** A member that may own cars. */
export interface Candidate {
  readonly id: string;
  /** Its share of the cars in relation to the others'; not above 0: it gets none. */
  readonly capacity: number;
}

/** The candidates for a car, the best first; every member of a cluster comes to the same order. */
export function preferredOwners(car: string, candidates: readonly Candidate[]): readonly string[] {
  return candidates.filter(({ capacity }) => capacity > 0)
    .map(({ id, capacity }) => ({ id, score: -capacity / Math.log(uniform(car, id)) }))
    .sort((a, b) => b.score - a.score || (a.id < b.id ? -1 : 1))
    .map(({ id }) => id);
}

/** A number between 0 and 1, both excluded, that depends on both texts only. */
function uniform(car: string, id: string): number {
  return (hash(`${car}\0${id}`) + 0.5) / 2 ** 32;
}

/** FNV-1a, 32 bits, with the final mix of MurmurHash3: FNV alone scatters short texts too little. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  }
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}
