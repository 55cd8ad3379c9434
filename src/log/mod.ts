// Log lines: levels, formats, destinations, and how often the same line is written.
export { LogDirectoryError } from "./errors.ts";
export { type Log, silentLog } from "./log.ts";
export { type Logging, startLogging } from "./logging.ts";
export { andSuppressed, Once } from "./once.ts";
export { LOG_LEVELS, type LoggingConfig, type LogLevel } from "./settings.ts";
