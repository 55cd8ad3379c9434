// Deletes segments: those beyond the retention, and while the disk is full the oldest.
import { join } from "node:path";
import { andSuppressed, type Log, Once } from "../log/mod.ts";
import { type Clock, wallTime } from "../time/mod.ts";
import {
  expired,
  type LogCount,
  type Retention,
  segmentInfos,
  segmentName,
  segmentNumbers,
} from "./segment_files.ts";
import { segmentStart } from "./time_span.ts";

export interface SegmentRetentionOptions {
  readonly directory: string;
  readonly retention: Retention;
  readonly log: Log;
  readonly clock: Clock;
}

/** How often old segments are looked for, in milliseconds. */
const LOOK_MS = 60_000;

export class SegmentRetention {
  /** Segments that were deleted for their age or size. */
  expired = 0;
  /** Segments that were deleted because the disk was full. */
  sacrificed = 0;
  /** What stood before the oldest segment when one was deleted last; `null`: none was. */
  begin: LogCount | null = null;
  readonly #options: SegmentRetentionOptions;
  readonly #once: Once;
  #lookedAt = -Infinity;

  constructor(options: SegmentRetentionOptions) {
    this.#options = options;
    this.#once = new Once({ clock: options.clock });
  }

  /** There is a new segment: the next {@linkcode retain} looks. */
  lookSoon(): void {
    this.#lookedAt = -Infinity;
  }

  /** Deletes segments that are too old or too many, if it has not looked lately. Never rejects. */
  async retain(): Promise<void> {
    const { directory, retention, clock, log } = this.#options;
    if (retention.maxBytes === 0 && retention.maxAgeMs === 0) return;
    if (clock.now() - this.#lookedAt < LOOK_MS) return;
    this.#lookedAt = clock.now();
    let isShorter = false;
    try {
      for (const number of expired(await segmentInfos(directory), retention, wallTime())) {
        await Deno.remove(join(directory, segmentName(number)));
        this.expired++;
        isShorter = true;
      }
      if (isShorter) await this.#lookAtBegin();
    } catch (error) {
      if (this.#once.ask("retention") === undefined) return;
      log.error(`Cannot delete old segments in "${directory}": ${(error as Error).message}`);
    }
  }

  /** Deletes the oldest segment but the one that is written; false: there is none. */
  async sacrifice(current: number): Promise<boolean> {
    const { directory, log } = this.#options;
    const [oldest] = (await segmentNumbers(directory)).filter((number) => number !== current);
    if (oldest === undefined) return false;
    await Deno.remove(join(directory, segmentName(oldest)));
    this.sacrificed++;
    await this.#lookAtBegin().catch(() => {});
    const count = this.#once.ask("sacrificed");
    if (count !== undefined) {
      log.warning(
        `Deleted the oldest segment of the event log in "${directory}": the disk is full` +
          andSuppressed(count),
      );
    }
    return true;
  }

  async #lookAtBegin(): Promise<void> {
    const { directory } = this.#options;
    const [oldest] = await segmentNumbers(directory);
    if (oldest === undefined) return;
    const { records, bytes } = await segmentStart(directory, oldest);
    this.begin = { records, bytes };
  }
}
