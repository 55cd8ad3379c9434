// Reads the events of a log in order, from any position on, while it is written.
import { join } from "node:path";
import { eventsOfRecord, type LogEvent, type Origin } from "./log_event.ts";
import { readSummaries } from "./record_summary.ts";
import { type Damage, type Head, readRecords, SEGMENT_HEADER } from "./segment.ts";
import { type LogCount, segmentName, segmentNumbers } from "./segment_files.ts";
import type { Position } from "./segment_log.ts";

/** Before the first record of any log. */
export const LOG_BEGIN: Position = { segment: 0, offset: 0, records: 0, bytes: 0 };

/** What one call has read. */
export interface LogBatch {
  readonly events: readonly LogEvent[];
  /** Behind the last record that was read. */
  readonly position: Position;
  /** Whether there is no more for now. */
  readonly isEnd: boolean;
  /** What was deleted or damaged before it was read; `null`: nothing. */
  readonly missed: LogCount | null;
}

export interface LogReaderOptions {
  readonly directory: string;
  /** @default {LOG_BEGIN} */
  readonly from?: Position | undefined;
  /** The number of the last segment to read. @default {Infinity} */
  readonly until?: number | undefined;
  /** Called when a segment cannot be read to its end; the rest is skipped. */
  readonly onDamage?: (path: string, damage: Damage) => void;
}

const CHUNK_BYTES = 256 * 1024;

/** The segment that is read. */
interface OpenSegment {
  readonly number: number;
  readonly path: string;
  readonly file: Deno.FsFile;
  /** Behind the last record that was read. */
  offset: number;
  /** What was read of the file behind it. */
  buffer: Uint8Array;
  origin: Origin;
  /** Sessions of the cars. */
  readonly sessions: Map<string, string | null>;
  /** Records up to this offset are read for their sessions only. */
  skipTo: number;
}

/** `using reader = new LogReader(...)`. */
export class LogReader implements Disposable {
  readonly #options: LogReaderOptions;
  #position: Position;
  /** No segment before this one is opened. */
  #next: number;
  #open: OpenSegment | null = null;
  #missed: LogCount | null = null;
  /** Bytes of records that the current call may still read. */
  #left = 0;
  #maxEvents = Infinity;

  constructor(options: LogReaderOptions) {
    this.#options = options;
    this.#position = options.from ?? LOG_BEGIN;
    this.#next = this.#position.segment;
  }

  /** Behind the last record that was read. */
  get position(): Position {
    return this.#position;
  }

  /**
   * Reads what follows.
   *
   * @param maxBytes of records; at least one is read
   * @param maxEvents with so many, no further record is read
   * @throws what reading the directory or a file of it throws; the next call tries again
   */
  async read(maxBytes: number, maxEvents = Infinity): Promise<LogBatch> {
    const events: LogEvent[] = [];
    let isEnd = false;
    this.#left = maxBytes;
    this.#maxEvents = maxEvents;
    while (this.#left > 0 && events.length < maxEvents) {
      const segment = this.#open ?? await this.#openNext();
      isEnd = segment === null;
      if (segment === null) break;
      if (this.#take(segment, events) || this.#open === null || await this.#fill(segment)) continue;
      isEnd = !await this.#hasLater(segment);
      if (isEnd) break;
      // What was written before the later one was made is there by now.
      if (!await this.#fill(segment)) this.#leave(segment);
    }
    const missed = this.#missed;
    this.#missed = null;
    return { events, position: this.#position, isEnd, missed };
  }

  [Symbol.dispose](): void {
    this.#close();
  }

  /** Takes records from the buffer, as far as the limit allows; false: there was no whole one. */
  #take(segment: OpenSegment, events: LogEvent[]): boolean {
    const { offset: from } = segment;
    if (from > SEGMENT_HEADER.length && from < segment.skipTo) return this.#pass(segment);
    const records = readRecords(segment.buffer, 0);
    let taken = 0;
    while (this.#left > 0 && events.length < this.#maxEvents) {
      const next = records.next();
      if (next.done) {
        if (next.value !== null && !next.value.isTruncated) this.#skip(segment, next.value);
        break;
      }
      const { record, end } = next.value;
      const length = end - taken;
      taken = end;
      segment.offset = from + end;
      if (record.kind === "head") {
        this.#begin(segment, record);
        if (segment.offset < segment.skipTo) break;
        continue;
      }
      if (record.kind === "turn" && record.session !== undefined) {
        segment.sessions.set(record.car, record.session);
      }
      if (segment.offset <= segment.skipTo) continue;
      if (record.kind !== "other") {
        const session = segment.sessions.get(record.car ?? "") ?? null;
        events.push(...eventsOfRecord(record, session, segment.origin));
      }
      const { records: count, bytes } = this.#position;
      const { number, offset } = segment;
      this.#left -= length;
      this.#position = { segment: number, offset, records: count + 1, bytes: bytes + length };
    }
    segment.buffer = segment.buffer.subarray(taken);
    return taken > 0;
  }

  /** Takes the sessions of records that were read before; false: there was no whole one. */
  #pass(segment: OpenSegment): boolean {
    const { offset: from, sessions } = segment;
    const summaries = readSummaries(segment.buffer, 0);
    let taken = 0;
    for (;;) {
      const next = summaries.next();
      if (next.done) {
        if (next.value !== null && !next.value.isTruncated) this.#skip(segment, next.value);
        break;
      }
      const { car, session, end } = next.value;
      if (from + end > segment.skipTo) {
        segment.skipTo = from + taken;
        segment.buffer = segment.buffer.subarray(taken);
        return true;
      }
      taken = end;
      if (car !== null && session !== undefined) sessions.set(car, session);
      segment.offset = from + end;
    }
    segment.buffer = segment.buffer.subarray(taken);
    return taken > 0;
  }

  #begin(segment: OpenSegment, head: Head): void {
    segment.origin = head;
    if (segment.skipTo > 0) return;
    const { segment: before, records, bytes } = this.#position;
    if (before > 0 && head.records > records) {
      this.#missed = {
        records: (this.#missed?.records ?? 0) + head.records - records,
        bytes: (this.#missed?.bytes ?? 0) + head.bytes - bytes,
      };
    }
    const { number, offset } = segment;
    this.#position = { segment: number, offset, records: head.records, bytes: head.bytes };
  }

  /** Reads more of the file; false: there is no more. */
  async #fill(segment: OpenSegment): Promise<boolean> {
    const { file, offset, buffer } = segment;
    const chunk = new Uint8Array(Math.max(CHUNK_BYTES, buffer.length));
    await file.seek(offset + buffer.length, Deno.SeekMode.Start);
    const read = await file.read(chunk);
    if (read === null) {
      // The writer may take back what it has not written whole.
      segment.buffer = new Uint8Array(0);
      return false;
    }
    const joined = new Uint8Array(buffer.length + read);
    joined.set(buffer);
    joined.set(chunk.subarray(0, read), buffer.length);
    segment.buffer = joined;
    return true;
  }

  async #hasLater({ number }: OpenSegment): Promise<boolean> {
    const numbers = await segmentNumbers(this.#options.directory);
    return numbers.some((other) => other > number);
  }

  #skip(segment: OpenSegment, damage: Damage): void {
    this.#options.onDamage?.(segment.path, { ...damage, at: segment.offset });
    this.#leave(segment);
  }

  #leave({ number }: OpenSegment): void {
    this.#close();
    this.#next = number + 1;
  }

  /** Opens the next segment; `null`: there is none yet. */
  async #openNext(): Promise<OpenSegment | null> {
    const { directory } = this.#options;
    const numbers = await segmentNumbers(directory);
    const last = numbers.at(-1);
    if (last === undefined) return null;
    if (last < this.#position.segment) {
      // Somebody has deleted the log, and it has begun anew.
      this.#position = LOG_BEGIN;
      this.#next = 0;
    }
    const number = numbers.find((one) => one >= this.#next);
    if (number === undefined || number > (this.#options.until ?? Infinity)) return null;
    const path = join(directory, segmentName(number));
    const file = await Deno.open(path);
    const header = new Uint8Array(SEGMENT_HEADER.length);
    const read = await file.read(header).catch((error) => {
      file.close();
      throw error;
    });
    if (read !== header.length || SEGMENT_HEADER.some((byte, index) => header[index] !== byte)) {
      file.close();
      // It may have been made just now.
      if (number === last) return null;
      this.#next = number + 1;
      return await this.#openNext();
    }
    const { segment, offset } = this.#position;
    return this.#open = {
      number,
      path,
      file,
      offset: header.length,
      buffer: new Uint8Array(0),
      origin: { company: "", epoch: 0 },
      sessions: new Map(),
      skipTo: number === segment ? offset : 0,
    };
  }

  #close(): void {
    this.#open?.file.close();
    this.#open = null;
  }
}
