// Appends records to the segments of a directory, in batches, and never waits for the disk: what
// cannot be written is lost, which is logged.
import { join } from "node:path";
import { andSuppressed, type Log, Once } from "../log/mod.ts";
import { backoff, type Clock, type TimerHandle, within } from "../time/mod.ts";
import {
  type RecordedTurn,
  SEGMENT_HEADER,
  segmentName,
  segmentNumbers,
  writeRecord,
} from "./segment.ts";
import { ValueWriter, WriterFullError } from "./values.ts";

/** A file that is being written. */
export interface SegmentFile {
  write(bytes: Uint8Array): Promise<number>;
  close(): void;
}

/** How a recording is written. */
export interface SegmentLogOptions {
  /** Made when it is not there. */
  readonly directory: string;
  readonly log: Log;
  readonly clock: Clock;
  /** Makes a new file. @default {the disk's} */
  readonly create?: (path: string) => Promise<SegmentFile>;
  /** Size at which a segment is complete, in bytes of turns. @default {16 MiB} */
  readonly segmentBytes?: number;
  /** With more bytes waiting for the disk, turns are lost. @default {32 MiB} */
  readonly maxWaitingBytes?: number;
}

const MIB = 1024 * 1024;
/** How long a record waits for others, in milliseconds. */
const BATCH_MS = 200;
/** A batch of this many bytes is written at once. */
const BATCH_BYTES = 256 * 1024;
/** Pauses after a failure, in milliseconds. */
const RETRY = { firstMs: 2000, maxMs: 60_000 };
/** How long closing may take, in milliseconds: a network file system may hang. */
const STOP_MS = 2000;

/** Records of one segment, to be written at once. */
interface Batch {
  readonly segment: number;
  readonly bytes: Uint8Array;
}

interface OpenSegment {
  readonly segment: number;
  readonly path: string;
  readonly file: SegmentFile;
  /** Whether it has a record. */
  used: boolean;
}

export class SegmentLog {
  readonly #options: Required<SegmentLogOptions>;
  readonly #once: Once;
  readonly #writer: ValueWriter;
  readonly #batches: Batch[] = [];
  #batchedBytes = 0;
  /** Bytes of turns in the segment. */
  #segmentBytes = 0;
  #segment = 0;
  #file: OpenSegment | null = null;
  #writing: Promise<void> | null = null;
  #timer: TimerHandle | null = null;
  #pauses = backoff(RETRY);
  #resting = false;
  #failed = false;
  #stopped = false;

  constructor(options: SegmentLogOptions) {
    const { maxWaitingBytes = 32 * MIB } = options;
    this.#options = { create: createFile, segmentBytes: 16 * MIB, ...options, maxWaitingBytes };
    this.#writer = new ValueWriter(maxWaitingBytes);
    this.#once = new Once({ clock: options.clock });
  }

  /** The segment that the next record goes to: 0, 1, ..., counted from the start of this log. */
  get segment(): number {
    return this.#segment;
  }

  /** Opens the first segment, so that problems with the directory show at once. */
  async start(): Promise<void> {
    this.#flush();
    await this.#writing;
  }

  /** Flushes the queue, for a limited time. */
  async stop(): Promise<void> {
    const { clock } = this.#options;
    this.#flush();
    this.#stopped = true;
    if (this.#timer !== null) clock.clear(this.#timer);
    const done = await within(this.#writing ?? Promise.resolve(), STOP_MS, clock);
    if (!done) this.#options.log.warning("The end of the recording could not be written in time");
    this.#close();
  }

  /** Queues a turn; false: it is lost. */
  append(turn: RecordedTurn): boolean {
    if (this.#resting || this.#stopped) return false;
    const { size } = this.#writer;
    try {
      writeRecord(this.#writer, turn);
      const waiting = this.#batchedBytes + this.#writer.size;
      if (waiting > this.#options.maxWaitingBytes) throw new WriterFullError();
    } catch (error) {
      this.#writer.size = size;
      if (!(error instanceof WriterFullError)) throw error;
      this.#overflow();
      return false;
    }
    // A state may be larger than a segment: only turns count, or the next segment would begin at
    // once.
    if (turn.begins === undefined) this.#segmentBytes += this.#writer.size - size;
    if (this.#segmentBytes >= this.#options.segmentBytes) this.#nextSegment();
    if (this.#writer.size >= BATCH_BYTES) this.#flush();
    else this.#timer ??= this.#options.clock.set(() => this.#flush(), BATCH_MS);
    return true;
  }

  #overflow(): void {
    const count = this.#once.ask("overflow");
    if (count === undefined) return;
    const { log, directory } = this.#options;
    log.warning(
      `Lost a turn of the recording in "${directory}": the disk is too slow` +
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
    this.#batches.push({ segment: this.#segment, bytes });
    this.#batchedBytes += bytes.length;
  }

  #flush(): void {
    if (this.#timer !== null) this.#options.clock.clear(this.#timer);
    this.#timer = null;
    this.#takeBatch();
    if (!this.#resting && !this.#stopped) this.#writing ??= this.#write();
  }

  /** Writes all batches. Never rejects. */
  async #write(): Promise<void> {
    try {
      await this.#open(this.#batches[0]?.segment ?? this.#segment);
      for (let batch = this.#batches[0]; batch !== undefined; batch = this.#batches[0]) {
        const open = await this.#open(batch.segment);
        await writeAll(open.file, batch.bytes);
        open.used = true;
        this.#batches.shift();
        this.#batchedBytes -= batch.bytes.length;
      }
      this.#succeeded();
    } catch (error) {
      await this.#fail(error);
    }
    this.#writing = null;
  }

  async #open(segment: number): Promise<OpenSegment> {
    if (this.#file?.segment === segment) return this.#file;
    this.#close();
    const { directory, create } = this.#options;
    await Deno.mkdir(directory, { recursive: true });
    const last = (await segmentNumbers(directory)).at(-1) ?? 0;
    const path = join(directory, segmentName(last + 1));
    const open = { segment, path, file: await create(path), used: false };
    this.#file = open;
    await writeAll(open.file, SEGMENT_HEADER);
    return open;
  }

  #close(): void {
    try {
      this.#file?.file.close();
    } catch {
      // The data has been written: there is nothing more to do.
    }
    this.#file = null;
  }

  /** After a failure and a pause, recording continues in a new segment. */
  async #fail(error: unknown): Promise<void> {
    const { log, directory, clock } = this.#options;
    const unused = this.#file?.used === false ? this.#file.path : null;
    this.#close();
    this.#batches.length = 0;
    this.#batchedBytes = 0;
    this.#writer.size = 0;
    this.#segment++;
    this.#segmentBytes = 0;
    if (!this.#failed) {
      const why = error instanceof Error ? error.message : error;
      log.error(`Cannot record in "${directory}", cars go on unrecorded, retrying: ${why}`);
    }
    this.#failed = true;
    this.#resting = true;
    if (this.#timer !== null) clock.clear(this.#timer);
    this.#timer = null;
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
    log.info(`Recording in "${directory}" again: turns in between are missing`);
    this.#failed = false;
    this.#pauses = backoff(RETRY);
  }
}

async function writeAll(file: SegmentFile, bytes: Uint8Array): Promise<void> {
  for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await file.write(rest));
}

/** Readable by the owner only: payloads are private. */
function createFile(path: string): Promise<SegmentFile> {
  return Deno.open(path, { write: true, createNew: true, mode: 0o600 });
}
