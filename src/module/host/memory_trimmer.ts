// Gives the operating system back what a host needed only to load its libraries and contexts.
//
// Starting leaves garbage in V8's heap and holes in the C library's, about 1 MB together. A host
// that goes on to forward a few statuses a second would not need either again for hours, and a
// large fleet has dozens of hosts.
import { type Clock, systemClock, type TimerHandle } from "../../time/mod.ts";
import type { LibC } from "./libc.ts";

/** Contexts come in bursts: so long after the last change, in milliseconds, a burst is over. */
export const QUIET_MS = 5_000;

/** How memory is given back. */
export interface MemoryTrimmerOptions {
  readonly libc: Pick<LibC, "trimHeap">;
  /**
   * Runs one full collection, which takes about 10 ms with the heap of a host.
   * @default {globalThis.gc}, which is there under `--expose-gc`
   */
  readonly collectGarbage?: () => void;
  readonly clock?: Clock;
}

/** Waits for the end of each burst. */
export class MemoryTrimmer {
  readonly #options: Required<MemoryTrimmerOptions>;
  #timer: TimerHandle | undefined;

  constructor(options: MemoryTrimmerOptions) {
    this.#options = { collectGarbage: exposedCollection, clock: systemClock, ...options };
  }

  /** A context has come or gone: memory is given back once none does for {@linkcode QUIET_MS}. */
  onChange(): void {
    this.stop();
    this.#timer = this.#options.clock.set(() => {
      this.#timer = undefined;
      // What only garbage keeps alive is freed first.
      this.#options.collectGarbage();
      this.#options.libc.trimHeap();
    }, QUIET_MS);
  }

  /** Gives nothing back until the next change. */
  stop(): void {
    if (this.#timer !== undefined) this.#options.clock.clear(this.#timer);
    this.#timer = undefined;
  }
}

function exposedCollection(): void {
  (globalThis as { gc?: () => void }).gc?.();
}
