// Numbers of seeded tests that are no properties.

/** Pseudorandom numbers from 0 up to 1, the same for the same seed. */
export function* randomNumbers(seed: number): Generator<number, never, void> {
  for (let state = seed >>> 0;;) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield state / 2 ** 32;
  }
}
