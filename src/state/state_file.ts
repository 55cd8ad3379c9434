// One JSON document that survives a restart: written atomically, so that either the old or the new
// one is there.
import { setImmediate } from "node:timers/promises";
import { andSuppressed, type Log, Once } from "../log/mod.ts";
import { backoff, type Clock, type TimerHandle, within } from "../time/mod.ts";

/** Replaces a file by slices of a new one; tests have some that fail. */
export type ReplaceFile = (path: string, slices: readonly Uint8Array[]) => Promise<void>;

/** What is written: a document as it is at that moment, or JSON in parts, each as it is in its turn. */
export type StateContent =
  | { readonly document: () => unknown }
  | { readonly parts: () => Iterable<string> };

export interface StateFileOptions {
  readonly path: string;
  readonly log: Log;
  readonly clock: Clock;
  /** Called when it is written. */
  readonly content: StateContent;
  readonly replace: ReplaceFile;
  /** @default {128 MiB} */
  readonly maxBytes?: number | undefined;
}

/** A larger document is neither written nor read, in bytes. */
export const MAX_BYTES = 128 * 1024 * 1024;
/** Characters that are made in one turn of the event loop, unless one part has more. */
const MAX_SLICE = 128 * 1024;
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
    const { path, content, replace, log, maxBytes = MAX_BYTES } = this.#options;
    try {
      const slices = "document" in content
        ? [encoded(`${JSON.stringify(content.document(), null, 2)}\n`)]
        : await slicesOf(content.parts());
      const bytes = slices.reduce((sum, { length }) => sum + length, 0);
      // The next server could not start with it.
      if (bytes > maxBytes) throw new Error(`it would have ${bytes} bytes, more than ${maxBytes}`);
      await replace(path, slices);
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

/** Encodes a slice in each turn of the event loop: messages of cars must not wait for all of them. */
async function slicesOf(parts: Iterable<string>): Promise<readonly Uint8Array[]> {
  const slices: Uint8Array[] = [];
  let slice = "";
  for (const part of parts) {
    slice += part;
    if (slice.length < MAX_SLICE) continue;
    slices.push(encoded(slice));
    slice = "";
    await setImmediate();
  }
  return [...slices, encoded(slice)];
}

function encoded(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
