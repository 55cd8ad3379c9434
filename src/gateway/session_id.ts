// Session ids as the real gateway makes them: 8 letters and digits.

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const LENGTH = 8;

/** The next session id, and the seed of the one after it; not fit for secrets. */
export function nextSessionId(seed: number): { readonly sessionId: string; readonly seed: number } {
  let sessionId = "";
  let state = seed;
  for (let i = 0; i < LENGTH; i++) {
    // mulberry32, as in seededRandom(): there it is a function, here the state has to be a value.
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    sessionId += ALPHABET[((mixed ^ (mixed >>> 14)) >>> 0) % ALPHABET.length];
  }
  return { sessionId, seed: state };
}
