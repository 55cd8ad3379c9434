// What libraries print, line by line, bounded in length and rate.
import { ReadShare } from "../time/read_share.ts";

/** Which stream a line came from. */
export type OutputStream = "stdout" | "stderr";

/** Longer lines are cut here, in bytes. */
const MAX_LINE_BYTES = 8 * 1024;
/** Further lines of the same second are dropped. */
const MAX_LINES_PER_SECOND = 500;
const NEWLINE = 0x0a;

/**
 * Reads a stream to its end and hands on every line. It always reads, so that a process which
 * prints never blocks; what is too much is dropped, and the number of dropped lines said.
 */
export async function readLines(
  stream: ReadableStream<Uint8Array>,
  onLine: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const lines = new LineSplitter(onLine);
  const reader = stream.getReader();
  const share = new ReadShare();
  const stop = () => void reader.cancel().catch(() => {});
  signal.addEventListener("abort", stop);
  try {
    if (signal.aborted) stop();
    while (true) {
      const { done, value } = await reader.read();
      if (done) break;
      lines.push(value);
      const turn = share.spend(value.length);
      if (turn) await turn;
    }
  } catch {
    // The process is gone; so is what it had not printed yet.
  } finally {
    signal.removeEventListener("abort", stop);
    lines.end();
  }
}

/** Cuts bytes into lines. */
export class LineSplitter {
  readonly #onLine: (line: string) => void;
  readonly #now: () => number;
  readonly #decoder = new TextDecoder();
  readonly #line = new Uint8Array(MAX_LINE_BYTES);
  #length = 0;
  #cut = false;
  #windowStart = -Infinity;
  #linesInWindow = 0;
  #dropped = 0;

  constructor(onLine: (line: string) => void, now: () => number = () => performance.now()) {
    this.#onLine = onLine;
    this.#now = now;
  }

  /** Takes what was printed. */
  push(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      const newline = bytes.indexOf(NEWLINE, at);
      const end = newline < 0 ? bytes.length : newline;
      this.#append(bytes.subarray(at, end));
      if (newline >= 0) this.#finish();
      at = end + 1;
    }
  }

  /** Hands on what was printed without a newline, and says what was dropped. */
  end(): void {
    if (this.#length > 0) this.#finish();
    this.#sayDropped();
  }

  #append(bytes: Uint8Array): void {
    const room = MAX_LINE_BYTES - this.#length;
    this.#line.set(bytes.subarray(0, room), this.#length);
    this.#length += Math.min(room, bytes.length);
    this.#cut ||= bytes.length > room;
  }

  #finish(): void {
    const now = this.#now();
    if (now - this.#windowStart >= 1000) {
      this.#windowStart = now;
      this.#linesInWindow = 0;
      this.#sayDropped();
    }
    if (this.#linesInWindow++ < MAX_LINES_PER_SECOND) {
      const text = this.#decoder.decode(this.#line.subarray(0, this.#length));
      this.#onLine(this.#cut ? `${text} [cut at ${MAX_LINE_BYTES} bytes]` : text);
    } else {
      this.#dropped++;
    }
    this.#length = 0;
    this.#cut = false;
  }

  #sayDropped(): void {
    if (this.#dropped === 0) return;
    const dropped = this.#dropped;
    this.#dropped = 0;
    this.#onLine(`[${dropped} lines dropped: more than ${MAX_LINES_PER_SECOND} in a second]`);
  }
}
