// One JSON document that survives a restart: written atomically, so that either the old or the new
// one is there.
import { andSuppressed, type Log, Once } from "../log/mod.ts";
import { backoff, type Clock, type TimerHandle, within } from "../time/mod.ts";

/** Replaces a file; tests have some that fail. */
export type ReplaceFile = (path: string, bytes: Uint8Array) => Promise<void>;

export interface StateFileOptions {
  readonly path: string;
  readonly log: Log;
  readonly clock: Clock;
  /** The document as it is now; called when it is written. */
  readonly document: () => unknown;
  readonly replace: ReplaceFile;
  /** @default {128 MiB} */
  readonly maxBytes?: number | undefined;
}

/** A larger document is neither written nor read, in bytes. */
export const MAX_BYTES = 128 * 1024 * 1024;
/** Pauses after a failure, in milliseconds. */
const RETRY = { firstMs: 1000, maxMs: 60_000 } as const;
/** How long one answer waits for the disk, which may hang, in milliseconds. */
const SAVE_MS = 5000;
/** How long closing waits for the disk, in milliseconds. */
const STOP_MS = 2000;

/**
 * Writes the document after each change. Changes that come during a write go together into the next
 * one, so at most two copies are held. After a failure it retries with backoff.
 */
export class StateFile {
  readonly #options: StateFileOptions;
  readonly #once: Once;
  #writing: Promise<boolean> | null = null;
  /** Shared by all changes that came during a write. */
  #next: Promise<boolean> | null = null;
  #timer: TimerHandle | null = null;
  #pauses = backoff(RETRY);
  #failed = false;
  #stopped = false;

  constructor(options: StateFileOptions) {
    this.#options = options;
    this.#once = new Once({ clock: options.clock });
  }

  /** Whether the last write has failed: what is on the disk is older. */
  get hasFailed(): boolean {
    return this.#failed;
  }

  /**
   * Keeps the document as it is now; resolves with whether it is on the disk within 5 s. Never
   * rejects.
   */
  async save(): Promise<boolean> {
    if (this.#stopped) return false;
    const written = this.#write();
    if (!await within(written, SAVE_MS, this.#options.clock)) {
      this.#report(`not written after ${SAVE_MS} ms`);
      return false;
    }
    return await written;
  }

  /** Writes what has not been written. Never rejects. */
  async stop(): Promise<void> {
    const isBehind = this.#failed || this.#timer !== null;
    this.#rest();
    const last = isBehind ? this.#write() : this.#next ?? this.#writing;
    this.#stopped = true;
    if (last !== null) await within(last, STOP_MS, this.#options.clock);
    this.#rest();
  }

  #write(): Promise<boolean> {
    if (this.#next !== null) return this.#next;
    if (this.#writing === null) return this.#begin();
    this.#next = this.#writing.then(() => {
      this.#next = null;
      return this.#begin();
    });
    return this.#next;
  }

  #begin(): Promise<boolean> {
    this.#rest();
    return this.#writing = this.#replace().finally(() => this.#writing = null);
  }

  async #replace(): Promise<boolean> {
    const { path, document, replace, log, maxBytes = MAX_BYTES } = this.#options;
    try {
      const bytes = new TextEncoder().encode(`${JSON.stringify(document(), null, 2)}\n`);
      // The next server could not start with it.
      if (bytes.length > maxBytes) {
        throw new Error(`it would have ${bytes.length} bytes, more than ${maxBytes}`);
      }
      await replace(path, bytes);
    } catch (error) {
      this.#report(error instanceof Error ? error.message : String(error));
      this.#retry();
      return false;
    }
    if (this.#failed) log.info(() => `Writing ${JSON.stringify(path)} works again`);
    this.#failed = false;
    this.#pauses = backoff(RETRY);
    return true;
  }

  #report(reason: string): void {
    this.#failed = true;
    const { path, log } = this.#options;
    const count = this.#once.ask("failed");
    if (count === undefined) return;
    log.error(() =>
      `Cannot write ${JSON.stringify(path)}, what changed since would not survive a restart: ` +
      reason + andSuppressed(count)
    );
  }

  #retry(): void {
    if (this.#stopped || this.#timer !== null) return;
    this.#timer = this.#options.clock.set(() => {
      this.#timer = null;
      void this.#write();
    }, this.#pauses.next().value);
  }

  #rest(): void {
    if (this.#timer !== null) this.#options.clock.clear(this.#timer);
    this.#timer = null;
  }
}
