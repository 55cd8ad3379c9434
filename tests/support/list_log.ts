// A log that is a list.
import { LOG_LEVELS, type LogLevel } from "../../src/log/settings.ts";
import type { Log, LogContext, LogMessage } from "../../src/log/log.ts";

/** One line that was written. */
export interface LoggedLine {
  readonly level: LogLevel;
  readonly car: string | undefined;
  readonly text: string;
  readonly context: LogContext;
}

/** Keeps what is written; as the real one does, it calls no text for a level that is off. */
export class ListLog implements Log {
  readonly lines: LoggedLine[];
  /** Texts that were built for a level that is off. */
  readonly wasted: string[];
  readonly #lowest: LogLevel;
  readonly #car: string | undefined;

  constructor(lowest?: LogLevel, of?: ListLog, car?: string) {
    this.#lowest = lowest ?? "DEBUG";
    this.lines = of?.lines ?? [];
    this.wasted = of?.wasted ?? [];
    this.#car = car;
  }

  /** The lines of one level, in order. */
  texts(level: LogLevel): string[] {
    return this.lines.filter((line) => line.level === level).map(({ text }) => text);
  }

  /** Lines whose text has this in it. */
  matching(pattern: RegExp): LoggedLine[] {
    return this.lines.filter(({ text }) => pattern.test(text));
  }

  isEnabled(level: LogLevel): boolean {
    return LOG_LEVELS.indexOf(level) >= LOG_LEVELS.indexOf(this.#lowest);
  }

  forCar(car: string): Log {
    return new ListLog(this.#lowest, this, car);
  }

  debug = (message: LogMessage, context?: LogContext) => this.#write("DEBUG", message, context);
  info = (message: LogMessage, context?: LogContext) => this.#write("INFO", message, context);
  warning = (message: LogMessage, context?: LogContext) => this.#write("WARNING", message, context);
  error = (message: LogMessage, context?: LogContext) => this.#write("ERROR", message, context);
  critical = (message: LogMessage, context?: LogContext) =>
    this.#write("CRITICAL", message, context);

  #write(level: LogLevel, message: LogMessage, context: LogContext = {}): void {
    if (!this.isEnabled(level)) {
      if (typeof message === "string") this.wasted.push(message);
      return;
    }
    const text = typeof message === "string" ? message : message();
    this.lines.push({ level, car: this.#car, text, context });
  }
}
