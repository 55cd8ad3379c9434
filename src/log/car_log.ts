// The Log of one car, or of none. A level that is off costs one comparison.
import { LOG_LEVELS, type LogLevel } from "./settings.ts";
import type { Log, LogContext, LogMessage } from "./log.ts";

/** Which levels count for one car, or for lines without one; read for every line. */
export interface Levels {
  /** The lowest rank that any target accepts. */
  lowest: number;
  /** Replaces the targets' own ranks. */
  override: number | undefined;
}

/** Writes a line whose level is on. */
export type WriteLine = (
  levels: Levels,
  rank: number,
  message: LogMessage,
  context: LogContext | undefined,
  car: string | undefined,
) => void;

/** The Log of one car, or of none; its levels are shared and may change under it. */
export class CarLog implements Log {
  readonly #levels: Levels;
  readonly #car: string | undefined;
  readonly #write: WriteLine;
  readonly forCar: (car: string) => Log;

  constructor(
    levels: Levels,
    car: string | undefined,
    write: WriteLine,
    forCar: (car: string) => Log,
  ) {
    this.#levels = levels;
    this.#car = car;
    this.#write = write;
    this.forCar = forCar;
  }

  debug(message: LogMessage, context?: LogContext): void {
    if (this.#levels.lowest <= 0) this.#line(0, message, context);
  }

  info(message: LogMessage, context?: LogContext): void {
    if (this.#levels.lowest <= 1) this.#line(1, message, context);
  }

  warning(message: LogMessage, context?: LogContext): void {
    if (this.#levels.lowest <= 2) this.#line(2, message, context);
  }

  error(message: LogMessage, context?: LogContext): void {
    if (this.#levels.lowest <= 3) this.#line(3, message, context);
  }

  critical(message: LogMessage, context?: LogContext): void {
    if (this.#levels.lowest <= 4) this.#line(4, message, context);
  }

  isEnabled(level: LogLevel): boolean {
    return this.#levels.lowest <= LOG_LEVELS.indexOf(level);
  }

  #line(rank: number, message: LogMessage, context: LogContext | undefined): void {
    this.#write(this.#levels, rank, message, context, this.#car);
  }
}
