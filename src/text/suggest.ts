// Suggests the key that a typo meant.

/** Longer keys are not typos, and comparing them would take long. */
const MAX_LENGTH = 64;
/** Shorter prefixes match too many words. */
const MIN_BEGINNING = 4;
/** A shorter prefix must match exactly. */
const MIN_BEGINNING_WITH_SLIP = 6;

/**
 * Names the known key nearest to `key`, or undefined when none is near.
 *
 * Ignores case and separators: `mqttTimeout` is `mqtt_timeout`. When no key is near, a prefix with
 * at most one typo counts, if it is unique: `specfic` is `specific_modules`.
 */
export function nearestKey(key: string, known: readonly string[]): string | undefined {
  if (key.length > MAX_LENGTH) return undefined;
  const wanted = plain(key);
  let nearest: string | undefined;
  let least = Math.max(1, Math.floor(wanted.length / 3)) + 1;
  let begun: string | undefined;
  let leastBegun = slipsOfBeginning(wanted.length) + 1;
  for (const candidate of known) {
    const distances = editDistances(wanted, plain(candidate));
    const whole = distances.at(-1) ?? Infinity;
    if (whole < least) {
      least = whole;
      nearest = candidate;
    }
    const beginning = Math.min(...distances);
    if (beginning < leastBegun) {
      leastBegun = beginning;
      begun = candidate;
    } else if (beginning === leastBegun) {
      begun = undefined;
    }
  }
  return nearest ?? begun;
}

/** How many typos a prefix with this many letters may have; -1: it does not count. */
function slipsOfBeginning(letters: number): number {
  if (letters < MIN_BEGINNING) return -1;
  return letters < MIN_BEGINNING_WITH_SLIP ? 0 : 1;
}

function plain(key: string): string {
  return key.toLowerCase().replaceAll(/[_\-. ]/g, "");
}

/**
 * The edit distance (insertions, deletions, replacements, swaps of neighbors) of one string to each
 * prefix of the other.
 */
function editDistances(from: string, to: string): readonly number[] {
  let beforeLast: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i++) {
    const row = [i];
    for (let j = 1; j <= to.length; j++) {
      const same = from[i - 1] === to[j - 1];
      let cost = Math.min(
        at(last, j) + 1,
        at(row, j - 1) + 1,
        at(last, j - 1) + (same ? 0 : 1),
      );
      if (i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1]) {
        cost = Math.min(cost, at(beforeLast, j - 2) + 1);
      }
      row.push(cost);
    }
    beforeLast = last;
    last = row;
  }
  return last;
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Infinity;
}
