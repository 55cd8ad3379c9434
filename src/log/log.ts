// The logger's interface; logging.ts implements it.
import type { LogLevel } from "./settings.ts";

/** The context of a line; `car` is bound with {@linkcode Log.forCar}. */
export interface LogContext {
  readonly session?: string | undefined;
  /** `module/type/role`. */
  readonly device?: string | undefined;
  readonly module?: number | undefined;
}

/** A string, or a function that is called only when the level is on. */
export type LogMessage = string | (() => string);

/** Writes log lines [LOG-LINE]. A level that is off costs one comparison. */
export interface Log {
  debug(message: LogMessage, context?: LogContext): void;
  info(message: LogMessage, context?: LogContext): void;
  warning(message: LogMessage, context?: LogContext): void;
  error(message: LogMessage, context?: LogContext): void;
  critical(message: LogMessage, context?: LogContext): void;
  /** Whether any sink accepts this level. */
  isEnabled(level: LogLevel): boolean;
  /** The same log, with the car in every line. */
  forCar(car: string): Log;
}

/** A log that discards everything. */
export const silentLog: Log = {
  debug() {},
  info() {},
  warning() {},
  error() {},
  critical() {},
  isEnabled: () => false,
  forCar: () => silentLog,
};
