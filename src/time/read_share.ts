// Keeps a connection that always has data from starving everything else. A read that finds data
// continues in a microtask, so a loop of such reads never lets the event loop turn: no timer fires,
// no signal is handled, no other connection is read.

/** Bytes a loop may read before the event loop turns. */
const SHARE_BYTES = 32_768;
/** Added to the bytes of each read, as many small ones take time as well. */
const BYTES_PER_READ = 256;

/** Loops that have used up their share, in the order in which they continue. */
const waiting: (() => void)[] = [];

/**
 * The share of one loop that awaits reads, before others get a turn.
 *
 * Loops that have used up their share continue one after the other, each in its own turn, so that a
 * hundred busy connections delay the rest no more than one does.
 */
export class ReadShare {
  #left = SHARE_BYTES;

  /**
   * Counts bytes that were read and dealt with. Await the result, if there is one, before reading
   * again: without it, below the share, going on costs nothing.
   */
  spend(bytes: number): Promise<void> | undefined {
    this.#left -= bytes + BYTES_PER_READ;
    if (this.#left > 0) return undefined;
    this.#left = SHARE_BYTES;
    return new Promise((resolve) => {
      if (waiting.push(resolve) === 1) setImmediate(admitNext);
    });
  }
}

function admitNext(): void {
  const next = waiting.shift();
  if (waiting.length > 0) setImmediate(admitNext);
  next?.();
}
