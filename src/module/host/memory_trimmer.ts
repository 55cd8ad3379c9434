// Returns memory to the operating system that a host needed only to load libraries and make contexts.
//
// Starting leaves garbage in V8's heap and holes in the C library's, about 1 MB together. A host
// that then forwards a few statuses a second would not need either for hours, and a large fleet has
// dozens of hosts.
import { type Clock, systemClock, type TimerHandle } from "../../time/mod.ts";
import type { LibC } from "./libc.ts";

/** Contexts come in bursts: a burst ends this long after the last change, in milliseconds. */
export const QUIET_MS = 5_000;

/** How memory is given back. */
export interface MemoryTrimmerOptions {
  readonly libc: Pick<LibC, "trimHeap">;
  /**
   * Collects all garbage and compacts the heap, which takes 10 to 20 ms with the heap of a host.
   * @default {globalThis.gc}, which is there under `--expose-gc`
   */
  readonly collectGarbage?: () => void;
  readonly clock?: Clock;
}

/** Returns memory at the end of each burst. */
export class MemoryTrimmer {
  readonly #options: Required<MemoryTrimmerOptions>;
  #timer: TimerHandle | undefined;

  constructor(options: MemoryTrimmerOptions) {
    this.#options = { collectGarbage: exposedCollection, clock: systemClock, ...options };
  }

  /**
   * A context was made or destroyed: memory is returned after one to two {@linkcode QUIET_MS} without
   * a change. A fleet's hosts are ready at the same moment, and must not all collect at once.
   */
  onChange(): void {
    this.stop();
    this.#timer = this.#options.clock.set(() => {
      this.#timer = undefined;
      // Collect garbage first, as it keeps native memory alive.
      this.#options.collectGarbage();
      this.#options.libc.trimHeap();
    }, QUIET_MS * (1 + Math.random()));
  }

  /** Returns nothing until the next change. */
  stop(): void {
    if (this.#timer !== undefined) this.#options.clock.clear(this.#timer);
    this.#timer = undefined;
  }
}

/** As V8 does before it runs out of memory: a usual collection leaves 1.8 MiB more in a host. */
const ALL_GARBAGE = { type: "major", execution: "sync", flavor: "last-resort" } as const;

function exposedCollection(): void {
  (globalThis as { gc?: (options: typeof ALL_GARBAGE) => void }).gc?.(ALL_GARBAGE);
}
