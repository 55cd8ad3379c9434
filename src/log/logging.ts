// Implements the Log interface: levels, sinks, and the queues of lines between them.
import { join } from "node:path";
import type { LogFormat, LoggingConfig } from "./settings.ts";
import { type Clock, systemClock, wallTime, within } from "../time/mod.ts";
import { CarLog, type Levels } from "./car_log.ts";
import { LogDirectoryError } from "./errors.ts";
import { formatterOf, type LineFormatter, type LineRecord } from "./format.ts";
import { LOG_LEVELS, type LogLevel } from "./settings.ts";
import type { Log, LogContext, LogMessage } from "./log.ts";
import { andSuppressed, Once } from "./once.ts";
import { LineQueue } from "./queue.ts";
import type { FileSink } from "./file_sink.ts";
import { ConsoleSink, type LineSink, type WriteBytes } from "./sinks.ts";

/** Name of the current log file in its directory; old ones add `.1`, `.2` and so on. */
export const LOG_FILE_NAME = "external_server.log";

/** For tests. */
export interface LoggingOptions {
  /** Times the flushing. @default {systemClock} */
  readonly clock?: Clock;
  /** The timestamp of lines, in milliseconds since 1970. @default {wallTime} */
  readonly date?: () => number;
  /** Where console lines go. @default {Deno.stderr.write} */
  readonly writeConsole?: WriteBytes;
}

/** A running logger. Several may run independently in one process. */
export interface Logging {
  readonly log: Log;
  /**
   * Overrides the level of every sink, from the next line on; `undefined` restores the configured
   * levels. With a car, for that car only, where it takes precedence over the level for all.
   */
  setLevel(level: LogLevel | undefined, car?: string): void;
  /**
   * Changes the configured levels, from the next line on; {@linkcode setLevel} still takes
   * precedence. Nothing else of the configuration can change while it runs.
   */
  configureLevels(config: LoggingConfig): void;
  /** Resolves when all lines so far are written, or after 2 s. */
  flush(): Promise<void>;
  /** Flushes and closes, within 4 s; lines that come later are lost. Idempotent, never rejects. */
  stop(): Promise<void>;
}

/** A line waits at most this long before it is written; errors do not wait at all. */
const FLUSH_INTERVAL_MS = 250;
/** How long flushing, and closing, may take each before the rest is given up. */
const FLUSH_TIMEOUT_MS = 2000;
/** With more waiting for a stuck sink, lines are dropped and counted; in characters. */
const MAX_WAITING_CHARS = 4 * 1024 * 1024;
const CHUNK_CHARS = 64 * 1024;
/** Above every level. */
const OFF = LOG_LEVELS.length;
const ERROR_RANK = LOG_LEVELS.indexOf("ERROR");

/** One configured sink with its queue. */
interface Target {
  readonly section: keyof LoggingConfig;
  rank: number;
  readonly format: LineFormatter;
  readonly queue: LineQueue;
  readonly sink: LineSink;
}

/**
 * Opens the configured sinks and returns the logger that writes to them. Without sinks, logging
 * costs nothing. Console lines go to standard error.
 *
 * @throws {LogDirectoryError} when the directory cannot be created, or its file cannot be written.
 */
export async function startLogging(
  config: LoggingConfig,
  options: LoggingOptions = {},
): Promise<Logging> {
  const files = config.file.use ? await import("./file_sink.ts") : undefined;
  return new SinkLogging(config, options, files?.FileSink);
}

class SinkLogging implements Logging {
  readonly log: Log;
  readonly #date: () => number;
  readonly #clock: Clock;
  readonly #targets: Target[] = [];
  readonly #base: Levels = { lowest: OFF, override: undefined };
  /** One entry for each car of the configuration. */
  readonly #cars = new Map<string, Levels>();
  readonly #troubles: Once;
  #stopping: Promise<void> | undefined;

  constructor(
    config: LoggingConfig,
    options: LoggingOptions,
    Files: typeof FileSink | undefined,
  ) {
    this.#date = options.date ?? wallTime;
    this.#clock = options.clock ?? systemClock;
    this.#troubles = new Once({ clock: this.#clock });
    if (Files !== undefined) this.#addFile(config.file, Files);
    if (config.console.use) {
      const write = options.writeConsole ?? ((bytes) => Deno.stderr.write(bytes));
      this.#add(
        "console",
        config.console,
        CHUNK_CHARS,
        (onTaken) => new ConsoleSink(write, onTaken),
      );
    }
    this.#refresh();
    this.log = new CarLog(this.#base, undefined, this.#write, this.#forCar);
  }

  setLevel(level: LogLevel | undefined, car?: string): void {
    const levels = car === undefined ? this.#base : this.#levelsOf(car);
    levels.override = level === undefined ? undefined : LOG_LEVELS.indexOf(level);
    this.#refresh();
  }

  configureLevels(config: LoggingConfig): void {
    for (const target of this.#targets) {
      target.rank = LOG_LEVELS.indexOf(config[target.section].level);
    }
    this.#refresh();
  }

  async flush(): Promise<void> {
    await this.#bounded(this.#targets.map(({ queue }) => queue.flush()));
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    await this.flush();
    this.#refresh();
    for (const { queue } of this.#targets) queue.clear();
    await this.#bounded(this.#targets.map(({ sink }) => sink.close()));
  }

  /** Waits for all, up to the timeout: a sink may be stuck. */
  async #bounded(work: Promise<void>[]): Promise<void> {
    await within(Promise.allSettled(work), FLUSH_TIMEOUT_MS, this.#clock);
  }

  #addFile(file: LoggingConfig["file"], Files: typeof FileSink): void {
    const { directory, maxBytes, keep, name = LOG_FILE_NAME } = file;
    const path = join(directory, name);
    // Small files are rotated in time only if chunks are even smaller.
    const chunkChars = maxBytes === 0 ? CHUNK_CHARS : Math.min(CHUNK_CHARS, maxBytes / 4);
    const onTrouble = (text: string) => {
      const count = this.#troubles.ask(text);
      if (count !== undefined) this.log.error(text + andSuppressed(count));
    };
    try {
      Deno.mkdirSync(directory, { recursive: true });
      this.#add(
        "file",
        file,
        chunkChars,
        (onTaken) => new Files({ path, maxBytes, keep, onTaken, onTrouble }),
      );
    } catch (cause) {
      throw new LogDirectoryError(directory, { cause });
    }
  }

  #add(
    section: keyof LoggingConfig,
    config: { readonly level: LogLevel; readonly format: LogFormat },
    chunkChars: number,
    open: (onTaken: () => void) => LineSink,
  ): void {
    const format = formatterOf(config.format);
    const sink = open(() => queue.taken());
    const queue = new LineQueue({
      clock: this.#clock,
      intervalMs: FLUSH_INTERVAL_MS,
      maxChars: MAX_WAITING_CHARS,
      chunkChars,
      write: (chunk) => sink.write(chunk),
      lostLine: (count) =>
        format({
          level: "WARNING",
          text: `Lost ${count} log lines: too many`,
          timestamp: this.#date(),
        }),
    });
    this.#targets.push({ section, rank: LOG_LEVELS.indexOf(config.level), format, queue, sink });
  }

  readonly #forCar = (car: string): Log => {
    return new CarLog(this.#levelsOf(car), car, this.#write, this.#forCar);
  };

  readonly #write = (
    levels: Levels,
    rank: number,
    message: LogMessage,
    context: LogContext | undefined,
    car: string | undefined,
  ): void => {
    const level = LOG_LEVELS[rank] as LogLevel;
    const text = typeof message === "string" ? message : message();
    const record: LineRecord = { ...context, car, level, text, timestamp: this.#date() };
    const override = levels.override ?? this.#base.override;
    for (const target of this.#targets) {
      if (rank >= (override ?? target.rank)) {
        target.queue.push(target.format(record), rank >= ERROR_RANK);
      }
    }
  };

  #levelsOf(car: string): Levels {
    let levels = this.#cars.get(car);
    if (levels === undefined) {
      levels = { lowest: this.#lowest(undefined), override: undefined };
      this.#cars.set(car, levels);
    }
    return levels;
  }

  #refresh(): void {
    for (const levels of [this.#base, ...this.#cars.values()]) {
      levels.lowest = this.#lowest(levels.override);
    }
  }

  #lowest(override: number | undefined): number {
    if (this.#targets.length === 0 || this.#stopping !== undefined) return OFF;
    return override ?? this.#base.override ?? Math.min(...this.#targets.map(({ rank }) => rank));
  }
}
