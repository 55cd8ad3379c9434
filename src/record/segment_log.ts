// Appends records to the segments of a directory, in batches. Nothing waits for the disk: what cannot
// be written is lost, counted and logged.
import { join } from "node:path";
import { andSuppressed, type Log, Once } from "../log/mod.ts";
import { backoff, type Clock, type TimerHandle, wallTime, within } from "../time/mod.ts";
import {
  type RecordedEvents,
  SEGMENT_HEADER,
  writeEvents,
  writeHead,
  writeTurn,
  type WrittenTurn,
} from "./segment.ts";
import { SafeWaiters } from "./safe_waiters.ts";
import {
  type LogCount,
  recover,
  type Retention,
  segmentName,
  segmentNumbers,
} from "./segment_files.ts";
import { SegmentRetention } from "./segment_retention.ts";
import { createSegment, isFull, type OpenSegment, type SegmentFile } from "./segment_file.ts";
import { ValueWriter, WriterFullError } from "./values.ts";

/** How an event log is written. */
export interface SegmentLogOptions {
  /** Made when it is not there. */
  readonly directory: string;
  readonly company: string;
  readonly log: Log;
  readonly clock: Clock;
  /** @default {everything is kept} */
  readonly retention?: Retention;
  /** Makes a new file. @default {the disk's} */
  readonly create?: (path: string) => Promise<SegmentFile>;
  /** Size at which a segment is complete, in bytes of turns. @default {16 MiB} */
  readonly segmentBytes?: number;
  /** With more bytes waiting for the disk, records are lost. @default {32 MiB} */
  readonly maxWaitingBytes?: number;
}

/** What has been written, and what went wrong, since the start. */
export interface LogCounts {
  /** Where the next record will stand. */
  readonly end: Position;
  /** What stood before the oldest segment when one was deleted last; `null`: none was. */
  readonly begin: LogCount | null;
  /** Records that the disk was too slow, full or gone for. */
  readonly lost: number;
  /** Segments that were deleted: for their age or size, and because the disk was full. */
  readonly expired: number;
  readonly sacrificed: number;
}

/** A place in a log, between two records. */
export interface Position {
  /** The number of the segment. */
  readonly segment: number;
  /** In it, in bytes; 0: its begin. */
  readonly offset: number;
  /** Records before it since the log began, and their bytes. */
  readonly records: number;
  readonly bytes: number;
}

const MIB = 1024 * 1024;
/** How long a record waits for others, and at most until it is synced, in milliseconds. */
const BATCH_MS = 200;
/** A batch of this many bytes is written at once. */
const BATCH_BYTES = 256 * 1024;
/** Pauses after a failure, in milliseconds. */
const RETRY = { firstMs: 2000, maxMs: 60_000 };
/** How long closing may take, in milliseconds: a network file system may hang. */
const STOP_MS = 2000;
const KEEP_ALL = { maxBytes: 0, maxAgeMs: 0 };

/** Records of one segment, to be written at once. */
interface Batch {
  readonly segment: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly records: number;
}

export class SegmentLog {
  readonly #options: Required<SegmentLogOptions>;
  readonly #once: Once;
  readonly #writer: ValueWriter;
  readonly #epoch = Math.floor(wallTime());
  readonly #batches: Batch[] = [];
  #batchedBytes = 0;
  /** Records in the writer. */
  #records = 0;
  /** Bytes of turns in the segment. */
  #segmentBytes = 0;
  #segment = 0;
  #file: OpenSegment | null = null;
  #end: Position | null = null;
  #lost = 0;
  #writing: Promise<void> | null = null;
  #timer: TimerHandle | null = null;
  #syncedAt = -Infinity;
  #isDirty = false;
  readonly #retention: SegmentRetention;
  readonly #waiters: SafeWaiters;
  readonly #listeners = new Set<() => void>();
  #pauses = backoff(RETRY);
  #resting = false;
  #failed = false;
  #stopped = false;

  constructor(options: SegmentLogOptions) {
    const { maxWaitingBytes = 32 * MIB } = options;
    this.#options = {
      create: createSegment,
      segmentBytes: 16 * MIB,
      retention: KEEP_ALL,
      ...options,
      maxWaitingBytes,
    };
    this.#writer = new ValueWriter(maxWaitingBytes);
    const { directory, log, clock } = options;
    this.#once = new Once({ clock });
    this.#retention = new SegmentRetention(this.#options);
    this.#waiters = new SafeWaiters({
      clock,
      onLate: () =>
        log.error(`The event log in "${directory}" is late: statuses are answered without it`),
    });
  }

  /** The segment that the next record goes to: 0, 1, ..., counted from the start of this log. */
  get segment(): number {
    return this.#segment;
  }

  get counts(): LogCounts {
    const end = this.#end ?? { segment: 0, offset: 0, records: 0, bytes: 0 };
    const { begin, expired, sacrificed } = this.#retention;
    return { end, begin, lost: this.#lost, expired, sacrificed };
  }

  /** Calls back after each write, until the returned function is called. */
  onWritten(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Recovers the last segment and opens the first, so that problems show at once. */
  async start(): Promise<void> {
    this.#flush();
    await this.#writing;
  }

  /** Flushes the queue, for a limited time. */
  async stop(): Promise<void> {
    const { clock } = this.#options;
    this.#syncedAt = -Infinity;
    this.#flush();
    this.#stopped = true;
    if (this.#timer !== null) clock.clear(this.#timer);
    const done = await within(this.#writing ?? Promise.resolve(), STOP_MS, clock);
    if (!done) this.#options.log.warning("The end of the event log could not be written in time");
    this.#close();
    this.#waiters.releaseAll();
  }

  /** Queues a turn, or events; false: they are lost. */
  append(record: WrittenTurn | Omit<RecordedEvents, "kind">): boolean {
    if (this.#resting || this.#stopped) {
      this.#lost++;
      return false;
    }
    const { size } = this.#writer;
    try {
      if ("events" in record) writeEvents(this.#writer, record);
      else writeTurn(this.#writer, record);
      const waiting = this.#batchedBytes + this.#writer.size;
      if (waiting > this.#options.maxWaitingBytes) throw new WriterFullError();
    } catch (error) {
      this.#writer.size = size;
      if (!(error instanceof WriterFullError)) throw error;
      this.#overflow();
      return false;
    }
    this.#records++;
    // A state may be larger than a segment: only turns count, or the next segment would begin at
    // once.
    const isState = "begins" in record && record.begins !== undefined;
    if (!isState) this.#segmentBytes += this.#writer.size - size;
    if (this.#segmentBytes >= this.#options.segmentBytes) this.#nextSegment();
    if (this.#writer.size >= BATCH_BYTES) this.#flush();
    else this.#timer ??= this.#options.clock.set(() => this.#flush(), BATCH_MS);
    return true;
  }

  /** Calls back when what was appended in this turn of the event loop is safe, or lost. */
  whenSafe(callback: () => void): void {
    if (this.#resting || this.#stopped) return callback();
    // The turn that asks is appended after it has asked.
    if (this.#waiters.add(callback)) queueMicrotask(() => this.#flush());
  }

  #overflow(): void {
    this.#lost++;
    const count = this.#once.ask("overflow");
    if (count === undefined) return;
    const { log, directory } = this.#options;
    log.warning(
      `Lost a record of the event log in "${directory}": the disk is too slow` +
        andSuppressed(count),
    );
  }

  #nextSegment(): void {
    this.#takeBatch();
    this.#segment++;
    this.#segmentBytes = 0;
  }

  #takeBatch(): void {
    if (this.#writer.size === 0) return;
    const bytes = this.#writer.take();
    this.#batches.push({ segment: this.#segment, bytes, records: this.#records });
    this.#batchedBytes += bytes.length;
    this.#records = 0;
  }

  #flush(): void {
    this.#clearTimer();
    this.#takeBatch();
    if (!this.#resting && !this.#stopped) this.#writing ??= this.#write();
  }

  #clearTimer(): void {
    if (this.#timer !== null) this.#options.clock.clear(this.#timer);
    this.#timer = null;
  }

  /** Writes all batches. Never rejects. */
  async #write(): Promise<void> {
    try {
      await this.#open(this.#batches[0]?.segment ?? this.#segment);
      do {
        this.#waiters.begin();
        this.#takeBatch();
        await this.#writeBatches();
        await this.#sync(this.#waiters.isSyncing);
        this.#waiters.end();
        this.#succeeded();
        await this.#retention.retain();
      } while (this.#waiters.isWaiting || this.#batches.length > 0);
    } catch (error) {
      await this.#fail(error);
    }
    this.#writing = null;
  }

  async #writeBatches(): Promise<void> {
    for (let batch = this.#batches[0]; batch !== undefined; batch = this.#batches[0]) {
      const open = await this.#open(batch.segment);
      await this.#writeAll(open, batch.bytes);
      open.isUsed = true;
      this.#batches.shift();
      this.#batchedBytes -= batch.bytes.length;
      const { records, bytes } = this.counts.end;
      this.#end = {
        segment: open.number,
        offset: open.size,
        records: records + batch.records,
        bytes: bytes + batch.bytes.length,
      };
      this.#isDirty = true;
      for (const listener of this.#listeners) listener();
    }
  }

  /** Writes bytes whole. While the disk is full, the oldest segments go for them. */
  async #writeAll(open: OpenSegment, bytes: Uint8Array): Promise<void> {
    for (;;) {
      try {
        for (let rest = bytes; rest.length > 0;) {
          rest = rest.subarray(await open.file.write(rest));
        }
        open.size += bytes.length;
        return;
      } catch (error) {
        await open.file.truncate(open.size);
        if (!isFull(error) || !await this.#retention.sacrifice(open.number)) throw error;
      }
    }
  }

  async #sync(isAwaited: boolean): Promise<void> {
    if (!this.#isDirty || this.#file === null) return;
    const { clock } = this.#options;
    const now = clock.now();
    if (!isAwaited && now - this.#syncedAt < BATCH_MS) {
      if (!this.#stopped) this.#timer ??= clock.set(() => this.#flush(), BATCH_MS);
      return;
    }
    this.#syncedAt = now;
    this.#isDirty = false;
    await this.#file.file.sync();
  }

  async #open(segment: number): Promise<OpenSegment> {
    if (this.#file?.segment === segment) return this.#file;
    if (this.#isDirty) await this.#sync(true);
    this.#close();
    const { directory, create, company } = this.#options;
    await Deno.mkdir(directory, { recursive: true });
    if (this.#end === null) await this.#recover();
    const number = ((await segmentNumbers(directory)).at(-1) ?? 0) + 1;
    const path = join(directory, segmentName(number));
    const open = { segment, number, path, file: await create(path), size: 0, isUsed: false };
    this.#file = open;
    const { records, bytes } = this.counts.end;
    const head = new ValueWriter();
    writeHead(head, { kind: "head", company, epoch: this.#epoch, records, bytes });
    await this.#writeAll(open, Uint8Array.of(...SEGMENT_HEADER, ...head.take()));
    this.#end = { segment: number, offset: open.size, records, bytes };
    this.#retention.lookSoon();
    return open;
  }

  async #recover(): Promise<void> {
    const { directory, log } = this.#options;
    const { records, bytes, cut } = await recover(directory);
    this.#end = { segment: 0, offset: 0, records, bytes };
    if (cut === null) return;
    log.warning(`Cut ${cut.lost} bytes off "${cut.path}" from byte ${cut.at} on: ${cut.why}`);
  }

  #close(): void {
    try {
      this.#file?.file.close();
    } catch {
      // The data has been written: there is nothing more to do.
    }
    this.#file = null;
  }

  /** After a failure and a pause, the log continues in a new segment. */
  async #fail(error: unknown): Promise<void> {
    const { log, directory, clock } = this.#options;
    const unused = this.#file?.isUsed === false ? this.#file.path : null;
    this.#close();
    this.#lost += this.#records;
    for (const { records } of this.#batches) this.#lost += records;
    this.#batches.length = 0;
    this.#batchedBytes = 0;
    this.#writer.size = 0;
    this.#records = 0;
    this.#isDirty = false;
    this.#segment++;
    this.#segmentBytes = 0;
    if (!this.#failed) {
      const why = error instanceof Error ? error.message : error;
      log.error(`Cannot write the event log in "${directory}", cars go on, retrying: ${why}`);
    }
    this.#failed = true;
    this.#resting = true;
    this.#clearTimer();
    this.#waiters.releaseAll();
    if (unused !== null) await Deno.remove(unused).catch(() => {});
    if (this.#stopped) return;
    this.#timer = clock.set(() => {
      this.#resting = false;
      this.#flush();
    }, this.#pauses.next().value);
  }

  #succeeded(): void {
    if (!this.#failed) return;
    const { log, directory } = this.#options;
    log.info(`Writing the event log in "${directory}" again: events in between are missing`);
    this.#failed = false;
    this.#pauses = backoff(RETRY);
  }
}
