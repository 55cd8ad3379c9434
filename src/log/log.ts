// The logger as every room sees it; logging.ts stands behind it.
import type { LogLevel } from "./settings.ts";

/** What a line is about, beside its text; `car` is bound with {@linkcode Log.forCar}. */
export interface LogContext {
  readonly session?: string | undefined;
  /** `module/type/role`. */
  readonly device?: string | undefined;
  readonly module?: number | undefined;
}

/** A text, or a function that is only called when somebody listens to the level. */
export type LogMessage = string | (() => string);

/** Writes log lines [LOG-LINE]. A level that is off costs one comparison. */
export interface Log {
  debug(message: LogMessage, context?: LogContext): void;
  info(message: LogMessage, context?: LogContext): void;
  warning(message: LogMessage, context?: LogContext): void;
  error(message: LogMessage, context?: LogContext): void;
  critical(message: LogMessage, context?: LogContext): void;
  /** Says whether any sink takes this level, for callers that would have to prepare more. */
  isEnabled(level: LogLevel): boolean;
  /** The same log, with every line naming the car. */
  forCar(car: string): Log;
}

/** A log nobody reads. */
export const silentLog: Log = {
  debug() {},
  info() {},
  warning() {},
  error() {},
  critical() {},
  isEnabled: () => false,
  forCar: () => silentLog,
};
