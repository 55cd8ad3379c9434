// Starting in order, running until asked to stop, stopping in reverse, and all of that in time.
import type { Log } from "../log/log.ts";
import { type Clock, systemClock } from "../time/clock.ts";
import { within } from "../time/within.ts";

/** A part of the program that is started and stopped. */
export interface Part {
  /** For people, such as `the server`. */
  readonly name: string;
  start(): Promise<void>;
  /** Undoes what `start` did; called only when that has succeeded. */
  stop(): Promise<void>;
}

/** What surrounds a lifetime. */
export interface LifetimeOptions {
  /** Ends it. */
  readonly stop: AbortSignal;
  readonly log: Log;
  /** @default {systemClock} */
  readonly clock?: Clock;
  /** Stopping may take this long, in milliseconds. @default {8000} */
  readonly stopTimeoutMs?: number;
}

/** Leaves room for the log's own end within the 10 s that stopping may take. */
const STOP_TIMEOUT_MS = 8000;

/**
 * Starts the parts in order, waits until the program is asked to stop, and stops them in reverse
 * (protocol section 4.4). It goes on past parts that fail to stop, and gives up on one that hangs.
 *
 * @returns Whether everything stopped in order and in time.
 * @throws What a part's `start` threw, with the parts before it stopped again.
 */
export async function runUntilStopped(
  parts: readonly Part[],
  options: LifetimeOptions,
): Promise<boolean> {
  const { stop, log, clock = systemClock, stopTimeoutMs = STOP_TIMEOUT_MS } = options;
  const started: Part[] = [];
  /** What is under way, for the message when it never ends. */
  let doing = "";

  const startAll = async () => {
    for (const part of parts) {
      if (stop.aborted) return;
      doing = `starting ${part.name}`;
      await part.start();
      started.push(part);
    }
  };
  const stopAll = async () => {
    let clean = true;
    for (const part of started.reverse()) {
      doing = `stopping ${part.name}`;
      try {
        await part.stop();
      } catch (error) {
        clean = false;
        log.error(() => `Cannot stop ${part.name} in order: ${(error as Error).message}`);
      }
    }
    return clean;
  };
  const inTime = async (work: Promise<unknown>) => {
    const ended = await within(work, stopTimeoutMs, clock);
    if (!ended) log.error(() => `Gave up ${doing}: not done after ${stopTimeoutMs} ms`);
    return ended;
  };

  const stopAsked = whenAborted(stop);
  const starting = startAll();
  try {
    // A stop that comes while parts start waits for the one under way, so that it can be undone.
    await Promise.race([starting, stopAsked]);
    if (stop.aborted && !await inTime(starting)) return false;
  } catch (error) {
    await inTime(stopAll());
    throw error;
  }
  await stopAsked;
  log.info(() => `Stopping on ${stop.reason}`);
  let clean = false;
  const ended = await inTime(stopAll().then((value) => clean = value));
  return ended && clean;
}

function whenAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
