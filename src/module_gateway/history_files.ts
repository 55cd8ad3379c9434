// Files of lines, oldest first, in a directory of their own: appended at one end, removed at the
// other. A file that is complete is never changed again.
import { join } from "node:path";

export interface HistoryFilesOptions {
  /** Made when it is not there; nobody else may write into it. */
  readonly directory: string;
  /** Of all files together; the oldest file makes room. */
  readonly maxBytes: number;
}

interface Segment {
  readonly number: number;
  bytes: number;
}

/** Files are as many as make the oldest a small part of what is kept. */
const SEGMENTS = 16;
const NAME = /^(\d{10})\.ndjson$/;

/** One call at a time. */
export class HistoryFiles {
  readonly #options: HistoryFilesOptions;
  #segments: Segment[] = [];
  #next = 1;
  /** Whether the last segment may grow. */
  #isOpen = false;
  #bytes = 0;

  constructor(options: HistoryFilesOptions) {
    this.#options = options;
  }

  /** Of all files. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Finds what an earlier process has left. */
  async open(): Promise<void> {
    const { directory } = this.#options;
    await Deno.mkdir(directory, { recursive: true, mode: 0o700 });
    const segments: Segment[] = [];
    for await (const { name, isFile } of Deno.readDir(directory)) {
      const [, digits] = NAME.exec(name) ?? [];
      if (!isFile || digits === undefined) continue;
      const { size: bytes } = await Deno.stat(join(directory, name));
      segments.push({ number: Number(digits), bytes });
    }
    this.#segments = segments.sort((a, b) => a.number - b.number);
    this.#bytes = segments.reduce((sum, { bytes }) => sum + bytes, 0);
    this.#next = (this.#segments.at(-1)?.number ?? 0) + 1;
  }

  /** Appends whole lines; returns how many bytes made room for them. */
  async append(lines: Uint8Array): Promise<number> {
    const segment = this.#growing(lines.length);
    const path = this.#path(segment);
    try {
      await Deno.writeFile(path, lines, { append: true, mode: 0o600 });
    } catch (error) {
      // What a part of a line is left in is complete.
      this.#isOpen = false;
      throw error;
    }
    segment.bytes += lines.length;
    this.#bytes += lines.length;
    let lost = 0;
    for (let [oldest] = this.#segments; oldest !== undefined && this.#isOver(oldest);) {
      lost += oldest.bytes;
      await this.remove(oldest.number);
      [oldest] = this.#segments;
    }
    return lost;
  }

  /** The lines of the oldest file, which is complete from now on; `null`: there is none. */
  async oldest(): Promise<{ readonly number: number; readonly lines: string[] } | null> {
    for (let [oldest] = this.#segments; oldest !== undefined; [oldest] = this.#segments) {
      const { number } = oldest;
      if (this.#segments.length === 1) this.#isOpen = false;
      const text = await unlessMissing(Deno.readTextFile(this.#path(oldest)));
      // What comes after the last end of a line was cut off.
      if (text !== null) return { number, lines: text.split("\n").slice(0, -1) };
      await this.remove(number);
    }
    return null;
  }

  async remove(number: number): Promise<void> {
    const segment = this.#segments.find((one) => one.number === number);
    if (segment === undefined) return;
    await unlessMissing(Deno.remove(this.#path(segment)));
    this.#segments = this.#segments.filter((one) => one !== segment);
    this.#bytes -= segment.bytes;
  }

  #growing(bytes: number): Segment {
    const last = this.#segments.at(-1);
    const segmentBytes = this.#options.maxBytes / SEGMENTS;
    if (this.#isOpen && last !== undefined && last.bytes + bytes <= segmentBytes) return last;
    const segment: Segment = { number: this.#next++, bytes: 0 };
    this.#segments.push(segment);
    this.#isOpen = true;
    return segment;
  }

  #isOver(oldest: Segment): boolean {
    return this.#bytes > this.#options.maxBytes && oldest !== this.#segments.at(-1);
  }

  #path({ number }: Segment): string {
    return join(this.#options.directory, `${String(number).padStart(10, "0")}.ndjson`);
  }
}

/** Others may have cleaned up. */
async function unlessMissing<T>(done: Promise<T>): Promise<T | null> {
  try {
    return await done;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}
