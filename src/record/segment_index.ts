// Where the records of a segment stand, in blocks, so that a segment can be read from its end: made
// in one pass, a slice at a time, and continued while the segment is written.
import type { ReadShare } from "../time/mod.ts";
import type { Origin } from "./log_event.ts";
import { readSummaries, type Summary } from "./record_summary.ts";
import { readRecords, SEGMENT_HEADER } from "./segment.ts";

/** Some records that follow each other. */
export interface Block {
  /** Where they begin and end in the segment, in bytes. */
  readonly from: number;
  readonly end: number;
  /** The range of their times, in whole milliseconds. */
  readonly minAt: number;
  readonly maxAt: number;
  /** Sessions that have changed in them, by car. */
  readonly sessions: ReadonlyMap<string, string | null>;
}

/** A block that is being made. */
interface OpenBlock {
  from: number;
  end: number;
  minAt: number;
  maxAt: number;
  readonly sessions: Map<string, string | null>;
}

/** A block has at least so many bytes. */
const BLOCK_BYTES = 32 * 1024;
/** Bytes that are read at once. */
const CHUNK_BYTES = 128 * 1024;

/** The index of one segment. */
export class SegmentIndex {
  readonly #blocks: OpenBlock[] = [];
  #origin: Origin = { company: "", epoch: 0 };
  #open: OpenBlock = emptyAt(SEGMENT_HEADER.length);
  /** Nothing behind it can be read. */
  #isDamaged = false;

  /** In the order of the segment. */
  get blocks(): readonly Block[] {
    return this.#blocks;
  }

  /** What the ids of its events begin with. */
  get origin(): Origin {
    return this.#origin;
  }

  /** How far it reaches, in bytes. */
  get end(): number {
    return this.#open.end;
  }

  /** Indexes what was written since. */
  async extend(file: Deno.FsFile, share: ReadShare, signal: AbortSignal): Promise<void> {
    const last = this.#blocks.at(-1);
    if (last !== undefined && last.end - last.from < BLOCK_BYTES) {
      this.#blocks.pop();
      this.#open = last;
    }
    let size = CHUNK_BYTES;
    while (!this.#isDamaged) {
      const bytes = await readAt(file, this.#open.end, size);
      const taken = this.#take(bytes);
      await share.spend(bytes.length >> 3);
      signal.throwIfAborted();
      if (bytes.length < size) break;
      // A record may be larger than what is read at once.
      size = taken === 0 ? 2 * size : CHUNK_BYTES;
    }
    this.#close();
  }

  /** The sessions of the cars where a block begins. */
  sessionsBefore(block: Block): Map<string, string | null> {
    const sessions = new Map<string, string | null>();
    for (const { from, sessions: changed } of this.#blocks) {
      if (from >= block.from) break;
      for (const [car, session] of changed) sessions.set(car, session);
    }
    return sessions;
  }

  /** Takes whole records; their bytes. */
  #take(bytes: Uint8Array): number {
    const start = this.#open.end;
    if (start === SEGMENT_HEADER.length) this.#readOrigin(bytes);
    const summaries = readSummaries(bytes, 0);
    for (let next = summaries.next();; next = summaries.next()) {
      if (next.done) {
        this.#isDamaged = next.value !== null && !next.value.isTruncated;
        return this.#open.end - start;
      }
      this.#add(next.value, start + next.value.end);
    }
  }

  #add({ car, at, session }: Summary, end: number): void {
    const open = this.#open;
    open.end = end;
    if (at !== null) {
      open.minAt = Math.min(open.minAt, Math.floor(at));
      open.maxAt = Math.max(open.maxAt, Math.floor(at));
    }
    if (car !== null && session !== undefined) open.sessions.set(car, session);
    if (end - open.from >= BLOCK_BYTES) this.#close();
  }

  #close(): void {
    const { end, from } = this.#open;
    if (end === from) return;
    this.#blocks.push(this.#open);
    this.#open = emptyAt(end);
  }

  #readOrigin(bytes: Uint8Array): void {
    const [first] = readRecords(bytes, 0);
    if (first?.record.kind === "head") this.#origin = first.record;
  }
}

function emptyAt(offset: number): OpenBlock {
  return { from: offset, end: offset, minAt: Infinity, maxAt: -Infinity, sessions: new Map() };
}

/** Reads so many bytes from an offset on, fewer at the end of the file. */
export async function readAt(
  file: Deno.FsFile,
  offset: number,
  length: number,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  await file.seek(offset, Deno.SeekMode.Start);
  let size = 0;
  while (size < length) {
    const read = await file.read(bytes.subarray(size));
    if (read === null) break;
    size += read;
  }
  return bytes.subarray(0, size);
}
