// uint32 counters that wrap [STATUS-WRAP] [COMMAND-COUNTER].

/** The counter after this one; 4294967295 is followed by 0. */
export function nextCounter(counter: number): number {
  return (counter + 1) >>> 0;
}

/**
 * How far `counter` lies ahead of `reference`: 0 when equal, positive up to 2^31 - 1 when it is
 * ahead, negative when it is behind, with the wrap taken into account.
 */
export function counterDistance(counter: number, reference: number): number {
  return (counter - reference) | 0;
}
