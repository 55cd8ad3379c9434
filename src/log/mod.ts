// Logging: levels, formats, sinks, and rate limits.
export { LOG_DIRECTORY_ADVICE, LogDirectoryError } from "./errors.ts";
export { type Log, silentLog } from "./log.ts";
export { type Logging, startLogging } from "./logging.ts";
export { andSuppressed, Once } from "./once.ts";
export { LOG_FORMATS, LOG_LEVELS, type LoggingConfig, type LogLevel } from "./settings.ts";
