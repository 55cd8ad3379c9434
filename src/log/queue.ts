// The queue of lines before a sink: batched, bounded, and asynchronous.
import type { Clock, TimerHandle } from "../time/mod.ts";

/** How lines are batched. */
export interface LineQueueOptions {
  readonly clock: Clock;
  /** A line waits this long for others, in milliseconds, unless it is urgent. */
  readonly intervalMs: number;
  /** With more characters waiting (the sink is stuck), further lines are dropped and counted. */
  readonly maxChars: number;
  /** Maximum size of a chunk, except for single lines; in characters. */
  readonly chunkChars: number;
  /** Gives whole lines to the sink, which then calls {@linkcode LineQueue.taken}. */
  readonly write: (chunk: string) => void;
  /** The line that tells how many were lost. */
  readonly lostLine: (count: number) => string;
}

/**
 * Batches lines and passes them to a sink in chunks, one at a time.
 *
 * When full, it drops new lines, and reports their number as soon as there is room: the lines
 * before a problem explain it better than those after it.
 */
export class LineQueue {
  readonly #options: LineQueueOptions;
  #lines: string[] = [];
  #chars = 0;
  #lost = 0;
  #timer: TimerHandle | undefined;
  #busy = false;
  #hurry = false;
  #onEmpty: (() => void)[] = [];

  constructor(options: LineQueueOptions) {
    this.#options = options;
  }

  /** Adds a line, with its line break. An urgent one is written now, with all before it. */
  push(line: string, urgent: boolean): void {
    const { maxChars, chunkChars, clock, intervalMs } = this.#options;
    if (this.#chars + line.length > maxChars) {
      this.#lost++;
      return;
    }
    this.#lines.push(line);
    this.#chars += line.length;
    if (urgent || this.#chars >= chunkChars) this.#start();
    else if (!this.#hurry) this.#timer ??= clock.set(() => this.#start(), intervalMs);
  }

  /** To be called by the sink, once for each chunk, and not before `write` has returned. */
  taken(): void {
    this.#busy = false;
    this.#pump();
  }

  /** Resolves when everything has been taken. The caller sets a deadline. */
  flush(): Promise<void> {
    return new Promise((resolve) => {
      this.#onEmpty.push(resolve);
      this.#start();
    });
  }

  /** Drops all waiting lines, and the timer. */
  clear(): void {
    if (this.#timer !== undefined) this.#options.clock.clear(this.#timer);
    this.#timer = undefined;
    this.#lines = [];
    this.#chars = 0;
  }

  #start(): void {
    if (this.#timer !== undefined) this.#options.clock.clear(this.#timer);
    this.#timer = undefined;
    this.#hurry = true;
    if (!this.#busy) this.#pump();
  }

  #pump(): void {
    if (!this.#hurry) return;
    if (this.#lost > 0) {
      this.#lines.push(this.#options.lostLine(this.#lost));
      this.#chars += this.#lines.at(-1)?.length ?? 0;
      this.#lost = 0;
    }
    if (this.#lines.length > 0) {
      this.#busy = true;
      this.#options.write(this.#takeChunk());
      return;
    }
    this.#hurry = false;
    const waiting = this.#onEmpty;
    this.#onEmpty = [];
    for (const resolve of waiting) resolve();
  }

  #takeChunk(): string {
    let chars = 0;
    let count = 0;
    for (const line of this.#lines) {
      if (count > 0 && chars + line.length > this.#options.chunkChars) break;
      chars += line.length;
      count++;
    }
    this.#chars -= chars;
    if (count === this.#lines.length) {
      const all = this.#lines.join("");
      this.#lines = [];
      return all;
    }
    return this.#lines.splice(0, count).join("");
  }
}
