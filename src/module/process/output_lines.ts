// The output of libraries, line by line, with limits of length and rate.
import { type Clock, ReadShare } from "../../time/mod.ts";

/** Which stream a line came from. */
export type OutputStream = "stdout" | "stderr";

/** Longer lines are cut here, in bytes. */
const MAX_LINE_BYTES = 8 * 1024;
/** Further lines of the same second are dropped. */
const MAX_LINES_PER_SECOND = 500;
/** With more bytes, reading pauses until the next second: the process blocks when it prints. */
const MAX_BYTES_PER_SECOND = 1024 * 1024;
/** Lines passed on in one turn of the event loop. */
const LINES_PER_TURN = 32;
/** The cost of a line besides its bytes: it is masked, formatted and written. */
const BYTES_PER_LINE = 1024;
const SECOND_MS = 1000;
const NEWLINE = 0x0a;

/** How lines are read. */
export interface ReadLinesOptions {
  /** The process has ended: what it has printed is read without pauses. */
  readonly ended: AbortSignal;
  /** Nothing more is read. */
  readonly abandoned: AbortSignal;
  readonly clock: Clock;
}

/**
 * Reads a stream to its end and passes on its lines. Lines above the rate limit are dropped and
 * counted; far above it, reading pauses, so that a process that prints endlessly costs no more than
 * one that prints a lot.
 */
export async function readLines(
  stream: ReadableStream<Uint8Array>,
  onLine: (line: string) => void,
  { ended, abandoned, clock }: ReadLinesOptions,
): Promise<void> {
  const lines = new LineSplitter(onLine, clock);
  const reader = stream.getReader();
  const share = new ReadShare();
  const stop = () => void reader.cancel().catch(() => {});
  abandoned.addEventListener("abort", stop);
  try {
    if (abandoned.aborted) stop();
    while (true) {
      const { done, value } = await reader.read();
      if (done) break;
      for (let at = 0; at < value.length;) {
        const start = at;
        at = lines.take(value, start);
        const turn = share.spend(at - start + lines.handed * BYTES_PER_LINE);
        if (turn) await turn;
      }
      const pauseMs = lines.pauseMs;
      if (pauseMs > 0) await pause(pauseMs, ended, clock);
    }
  } catch {
    // The process has ended.
  } finally {
    abandoned.removeEventListener("abort", stop);
    lines.end();
  }
}

function pause(durationMs: number, until: AbortSignal, clock: Clock): Promise<void> {
  if (until.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const goOn = () => {
      clock.clear(timer);
      until.removeEventListener("abort", goOn);
      resolve();
    };
    const timer = clock.set(goOn, durationMs);
    until.addEventListener("abort", goOn);
  });
}

/** Splits bytes into lines. */
export class LineSplitter {
  readonly #onLine: (line: string) => void;
  readonly #clock: Pick<Clock, "now">;
  readonly #decoder = new TextDecoder();
  readonly #line = new Uint8Array(MAX_LINE_BYTES);
  #length = 0;
  #cut = false;
  #handed = 0;
  #secondStart = -Infinity;
  #lines = 0;
  #bytes = 0;
  #dropped = 0;

  constructor(onLine: (line: string) => void, clock: Pick<Clock, "now">) {
    this.#onLine = onLine;
    this.#clock = clock;
  }

  /**
   * Takes what was printed, as of `start`, up to as many lines as fit into one turn; returns where
   * to go on. All that is dropped is one step.
   */
  take(bytes: Uint8Array, start: number): number {
    this.#beginSecond();
    let at = start;
    this.#handed = 0;
    while (at < bytes.length && this.#handed < LINES_PER_TURN) {
      if (this.#lines >= MAX_LINES_PER_SECOND) {
        at = this.#drop(bytes, at);
        break;
      }
      const newline = bytes.indexOf(NEWLINE, at);
      const end = newline < 0 ? bytes.length : newline;
      this.#append(bytes.subarray(at, end));
      if (newline >= 0) this.#finish();
      at = Math.min(end + 1, bytes.length);
    }
    this.#bytes += at - start;
    return at;
  }

  /** Lines that the last {@linkcode take} has handed on. */
  get handed(): number {
    return this.#handed;
  }

  /** How long to read nothing, in milliseconds. */
  get pauseMs(): number {
    if (this.#bytes < MAX_BYTES_PER_SECOND) return 0;
    return Math.max(0, this.#secondStart + SECOND_MS - this.#clock.now());
  }

  /** Passes on the last line without a newline, and reports dropped lines. */
  end(): void {
    if (this.#length > 0) this.#finish();
    this.#sayDropped();
  }

  #beginSecond(): void {
    const now = this.#clock.now();
    if (now - this.#secondStart < SECOND_MS) return;
    this.#secondStart = now;
    this.#lines = 0;
    this.#bytes = 0;
    this.#sayDropped();
  }

  #append(bytes: Uint8Array): void {
    const room = MAX_LINE_BYTES - this.#length;
    this.#line.set(bytes.subarray(0, room), this.#length);
    this.#length += Math.min(room, bytes.length);
    this.#cut ||= bytes.length > room;
  }

  #finish(): void {
    const text = this.#decoder.decode(this.#line.subarray(0, this.#length));
    this.#onLine(this.#cut ? `${text} [cut at ${MAX_LINE_BYTES} bytes]` : text);
    this.#lines++;
    this.#handed++;
    this.#forget();
  }

  /** Counts the lines that end in `bytes` without decoding them; keeps the beginning of the next. */
  #drop(bytes: Uint8Array, start: number): number {
    const last = bytes.lastIndexOf(NEWLINE);
    if (last >= start) {
      for (let at = start; at <= last; at++) if (bytes[at] === NEWLINE) this.#dropped++;
      this.#forget();
    }
    this.#append(bytes.subarray(Math.max(start, last + 1)));
    return bytes.length;
  }

  #forget(): void {
    this.#length = 0;
    this.#cut = false;
  }

  #sayDropped(): void {
    if (this.#dropped === 0) return;
    const dropped = `${this.#dropped} ${this.#dropped === 1 ? "line" : "lines"}`;
    this.#dropped = 0;
    this.#onLine(`[${dropped} dropped: more than ${MAX_LINES_PER_SECOND} in a second]`);
  }
}
