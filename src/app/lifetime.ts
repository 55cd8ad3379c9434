// Starts parts in order, runs until asked to stop, and stops them in reverse, with a deadline.
import type { Log } from "../log/mod.ts";
import { type Clock, firstOf, systemClock, within } from "../time/mod.ts";

/** A part of the program that is started and stopped. */
export interface Part {
  /** For messages, such as `the server`. */
  readonly name: string;
  start(): Promise<void>;
  /** Undoes what `start` did; called only when that has succeeded. */
  stop(): Promise<void>;
}

/** Environment of a run. */
export interface LifetimeOptions {
  /** Ends it. */
  readonly stop: AbortSignal;
  readonly log: Log;
  /** @default {systemClock} */
  readonly clock?: Clock;
  /** Stopping may take this long, in milliseconds. @default {8000} */
  readonly stopTimeoutMs?: number;
}

/** Leaves time to close the log within the 10 s that stopping may take. */
const STOP_TIMEOUT_MS = 8000;

/**
 * Starts the parts in order, waits until the program is asked to stop, and stops them in reverse
 * [STOP-ORDER]. It goes on past parts that fail to stop, and gives up on one that hangs.
 *
 * @returns whether everything stopped cleanly and in time
 * @throws what a part's `start` threw, after the parts before it were stopped
 */
export async function runUntilStopped(
  parts: readonly Part[],
  options: LifetimeOptions,
): Promise<boolean> {
  const { stop, log } = options;
  const lifetime = new Lifetime(parts, options);
  const stopAsked = whenAborted(stop);
  const starting = lifetime.start();
  try {
    // A stop during the start waits for the part that is starting, so that it can be undone.
    await firstOf(starting, stopAsked);
    if (stop.aborted && !await lifetime.inTime(starting)) return false;
  } catch (error) {
    await lifetime.inTime(lifetime.stop());
    throw error;
  }
  await stopAsked;
  log.info(() => `Stopping on ${stop.reason}`);
  let clean = false;
  const ended = await lifetime.inTime(lifetime.stop().then((value) => clean = value));
  return ended && clean;
}

/** The parts that have started so far. */
class Lifetime {
  readonly #parts: readonly Part[];
  readonly #options: LifetimeOptions;
  readonly #started: Part[] = [];
  /** What is in progress, for the message when it hangs. */
  #doing = "";

  constructor(parts: readonly Part[], options: LifetimeOptions) {
    this.#parts = parts;
    this.#options = options;
  }

  /** Starts one after the other, until asked to stop. */
  async start(): Promise<void> {
    for (const part of this.#parts) {
      if (this.#options.stop.aborted) return;
      this.#doing = `starting ${part.name}`;
      await part.start();
      this.#started.push(part);
    }
  }

  /** Stops what has started, in reverse order; resolves with whether all stopped without error. */
  async stop(): Promise<boolean> {
    let clean = true;
    for (const part of this.#started.reverse()) {
      this.#doing = `stopping ${part.name}`;
      try {
        await part.stop();
      } catch (error) {
        clean = false;
        this.#options.log.error(() =>
          `Cannot stop ${part.name} cleanly: ${(error as Error).message}`
        );
      }
    }
    return clean;
  }

  /** Waits for the work, and logs what was in progress when stopping takes too long. */
  async inTime(work: Promise<unknown>): Promise<boolean> {
    const { log, clock = systemClock, stopTimeoutMs = STOP_TIMEOUT_MS } = this.#options;
    const ended = await within(work, stopTimeoutMs, clock);
    if (!ended) log.error(() => `Gave up ${this.#doing}: not done after ${stopTimeoutMs} ms`);
    return ended;
  }
}

/** Resolves when the signal is aborted, at once when it already is. */
export function whenAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
