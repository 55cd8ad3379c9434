// Logging: levels, formats, sinks, and rate limits.
export { logDirectoryAdvice, LogDirectoryError } from "./errors.ts";
export { type Log, silentLog } from "./log.ts";
export { type Logging, startLogging } from "./logging.ts";
export { andSuppressed, Once } from "./once.ts";
export { LOG_FORMATS, LOG_LEVELS, type LoggingConfig, type LogLevel } from "./settings.ts";
