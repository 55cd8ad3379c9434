// Searches an event log from its newest event back, a page at a time. The work of a page is bounded,
// and done in slices: nothing else waits for it.
import { join } from "node:path";
import { ReadShare, Semaphore } from "../time/mod.ts";
import { eventsOfRecord, type LogEvent } from "./log_event.ts";
import { type Block, readAt, SegmentIndex } from "./segment_index.ts";
import { firstTime, readSummaries, recordIn } from "./record_summary.ts";
import { segmentName, segmentNumbers } from "./segment_files.ts";

/** What is searched for. */
export interface LogQuery {
  /** Absent: all, and events of no car. */
  readonly cars?: ReadonlySet<string> | undefined;
  /** Milliseconds since the epoch. */
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  /** Whether an event of these cars and this time is wanted. */
  readonly isWanted: (event: LogEvent) => boolean;
  /** Events of a page. */
  readonly limit: number;
  /** `next` of the page before. @default {the newest event} */
  readonly cursor?: SearchCursor | undefined;
}

/** Where a search goes on. */
export interface SearchCursor {
  readonly segment: number;
  /** Only records that end there or before. */
  readonly offset: number;
  /** Events of the record that ends there which were found already. */
  readonly skip: number;
}

/** A page of events, the newest first. */
export interface LogPage {
  readonly events: readonly LogEvent[];
  /** Where older ones are; `null`: there are none. */
  readonly next: SearchCursor | null;
  /** The log was searched back to this time; `null`: it is empty. */
  readonly searchedTo: number | null;
}

/** Bytes that are decoded for a page; then a page is as long as it is. */
const PAGE_BYTES = 4 * 1024 * 1024;
/** What it counts for to open a segment, and to index one, by bytes. */
const OPEN_BYTES = 16 * 1024;
const INDEX_SHARE = 1 / 16;
/** Times of records may be so much before those of earlier ones, in milliseconds. */
const DISORDER_MS = 60_000;
/** Indexes that are kept: some 50 KB each. */
const MAX_INDEXES = 16;
/** The end of every segment. */
const MAX_OFFSET = Number.MAX_SAFE_INTEGER;
/** The first record of a segment stands in these bytes, as far as its time. */
const FIRST_BYTES = 4096;

/** Searches one log. */
export class LogSearch {
  readonly #directory: string;
  readonly #indexes = new Map<number, SegmentIndex>();
  /** Times of first records, by segment. */
  readonly #firstAt = new Map<number, number>();
  readonly #pageBytes: number;
  /** Pages are found one after the other: whoever asks for many delays nobody but them. */
  readonly #turn = new Semaphore(1);

  constructor(directory: string, pageBytes = PAGE_BYTES) {
    this.#directory = directory;
    this.#pageBytes = pageBytes;
  }

  /** The time of the oldest record; `null`: there is none. @throws what reading the disk throws */
  async oldestAt(): Promise<number | null> {
    for (const number of await this.#numbers()) {
      const at = await this.#timeOf(number);
      if (at !== null) return at;
    }
    return null;
  }

  /** The first segment that may have records of this time, or later ones; 0: there is none. */
  async firstSegment(from: number): Promise<number> {
    const numbers = await this.#numbers();
    let first = numbers[0] ?? 0;
    for (const number of numbers) {
      const at = await this.#timeOf(number);
      if (at !== null && at + DISORDER_MS < from) first = number;
    }
    return first;
  }

  /**
   * Finds a page.
   *
   * @throws the signal's reason when it is aborted, and what reading the disk throws
   */
  async page(query: LogQuery, signal: AbortSignal): Promise<LogPage> {
    const release = await this.#turn.acquire();
    try {
      signal.throwIfAborted();
      return await new Page(query, this.#pageBytes, signal).find(await this.#parts(query));
    } finally {
      release();
    }
  }

  /** The segments that may have what is searched for, the newest first. */
  async #parts({ from = -Infinity, to = Infinity, cursor }: LogQuery): Promise<Part[]> {
    const numbers = await this.#numbers();
    const parts: Part[] = [];
    for (const [index, number] of numbers.entries()) {
      if (cursor !== undefined && number > cursor.segment) break;
      const firstAt = await this.#timeOf(number) ?? -Infinity;
      const next = numbers[index + 1];
      const lastAt = next === undefined ? Infinity : await this.#timeOf(next) ?? Infinity;
      if (firstAt - DISORDER_MS > to || lastAt + DISORDER_MS < from) continue;
      const path = join(this.#directory, segmentName(number));
      parts.push({ number, path, index: () => this.#indexOf(number) });
    }
    for (const number of this.#firstAt.keys()) {
      if (number < (numbers[0] ?? 0)) this.#firstAt.delete(number);
    }
    return parts.reverse();
  }

  #numbers(): Promise<number[]> {
    return segmentNumbers(this.#directory).catch((error) => {
      if (error instanceof Deno.errors.NotFound) return [];
      throw error;
    });
  }

  #indexOf(number: number): SegmentIndex {
    const index = this.#indexes.get(number) ?? new SegmentIndex();
    this.#indexes.delete(number);
    this.#indexes.set(number, index);
    for (const oldest of this.#indexes.keys()) {
      if (this.#indexes.size <= MAX_INDEXES) break;
      this.#indexes.delete(oldest);
    }
    return index;
  }

  /** The time of the first record of a segment; `null`: it has none, or is gone. */
  async #timeOf(number: number): Promise<number | null> {
    const known = this.#firstAt.get(number);
    if (known !== undefined) return known;
    using file = await openSegment(join(this.#directory, segmentName(number)));
    if (file === null) return null;
    const at = firstTime(await readAt(file, 0, FIRST_BYTES));
    if (at === null) return null;
    this.#firstAt.set(number, Math.floor(at));
    return Math.floor(at);
  }
}

/** A segment that is searched. */
interface Part {
  readonly number: number;
  readonly path: string;
  readonly index: () => SegmentIndex;
}

/** One search. */
class Page {
  readonly #query: LogQuery;
  readonly #signal: AbortSignal;
  readonly #share = new ReadShare();
  readonly #events: LogEvent[] = [];
  #left: number;
  #searchedTo: number | null = null;

  constructor(query: LogQuery, maxBytes: number, signal: AbortSignal) {
    this.#query = query;
    this.#left = maxBytes;
    this.#signal = signal;
  }

  async find(parts: readonly Part[]): Promise<LogPage> {
    for (const part of parts) {
      if (this.#left <= 0) {
        return this.#until({ segment: part.number, offset: MAX_OFFSET, skip: 0 });
      }
      const next = await this.#searchSegment(part);
      if (next !== null) return this.#until(next);
    }
    return this.#until(null);
  }

  #until(next: SearchCursor | null): LogPage {
    return { events: this.#events, next, searchedTo: this.#searchedTo };
  }

  /** Searches a segment from its end; where to go on, `null`: it was searched. */
  async #searchSegment({ number, path, index: indexOf }: Part): Promise<SearchCursor | null> {
    using file = await openSegment(path);
    if (file === null) return null;
    const index = indexOf();
    const before = index.end;
    await index.extend(file, this.#share, this.#signal);
    this.#left -= OPEN_BYTES + INDEX_SHARE * (index.end - before);
    const { cursor, from = -Infinity, to = Infinity } = this.#query;
    const isLast = cursor?.segment === number;
    const end = isLast ? cursor.offset : MAX_OFFSET;
    for (let at = index.blocks.length - 1; at >= 0; at--) {
      const block = index.blocks[at] as Block;
      if (block.from >= end) continue;
      // A page searches one block at least, or the next one would be the same.
      if (this.#left <= 0 && this.#searchedTo !== null) {
        return { segment: number, offset: block.end, skip: 0 };
      }
      this.#searchedTo = Math.min(this.#searchedTo ?? Infinity, block.minAt);
      if (block.maxAt < from || block.minAt > to) continue;
      const next = await this.#searchBlock(file, index, block, {
        segment: number,
        offset: end,
        skip: isLast ? cursor.skip : 0,
      });
      if (next !== null) return next;
    }
    return null;
  }

  async #searchBlock(
    file: Deno.FsFile,
    index: SegmentIndex,
    block: Block,
    { segment, offset, skip }: SearchCursor,
  ): Promise<SearchCursor | null> {
    const bytes = await readAt(file, block.from, block.end - block.from);
    this.#left -= bytes.length;
    const found = this.#eventsIn(bytes, index, block, offset);
    await this.#share.spend(bytes.length);
    this.#signal.throwIfAborted();
    for (let at = found.length - 1; at >= 0; at--) {
      const { end, events } = found[at] as Found;
      let taken = end === offset ? skip : 0;
      while (taken < events.length && this.#events.length < this.#query.limit) {
        this.#events.push(events[events.length - ++taken] as LogEvent);
      }
      if (this.#events.length < this.#query.limit) continue;
      return { segment, offset: end, skip: taken };
    }
    return null;
  }

  /** What is wanted of a block, the oldest first. */
  #eventsIn(bytes: Uint8Array, index: SegmentIndex, block: Block, offset: number): Found[] {
    const { cars, from = -Infinity, to = Infinity, isWanted } = this.#query;
    const found: Found[] = [];
    const sessions = index.sessionsBefore(block);
    for (const summary of readSummaries(bytes, 0)) {
      const { car, at, session } = summary;
      const end = block.from + summary.end;
      if (end > offset) break;
      if (car !== null && session !== undefined) sessions.set(car, session);
      if (at === null || Math.floor(at) < from || Math.floor(at) > to) continue;
      if (cars !== undefined && (car === null || !cars.has(car))) continue;
      const record = recordIn(summary);
      if (record.kind !== "turn" && record.kind !== "events") continue;
      const own = car === null ? null : sessions.get(car) ?? null;
      const events = eventsOfRecord(record, own, index.origin).filter(isWanted);
      if (events.length > 0) found.push({ end, events });
    }
    return found;
  }
}

/** Events of one record that are wanted. */
interface Found {
  /** Where it ends in the segment. */
  readonly end: number;
  readonly events: readonly LogEvent[];
}

/** `null`: it was deleted. */
async function openSegment(path: string): Promise<Deno.FsFile | null> {
  try {
    return await Deno.open(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}
