// Makes the logging part of the form, from `logging` and the older `log_files_...` keys.
import { resolve } from "node:path";
import { LOG_LEVELS, type LogLevel } from "./log_level.ts";
import { LOGGING_DEFAULTS } from "./defaults.ts";
import type { CommonInput } from "./dialect.ts";
import type { Faults } from "./errors.ts";
import type { LoggingConfig } from "./model.ts";

/** Decides where lines go; the values have been checked. */
export function resolveLogging(
  input: CommonInput,
  workingDirectory: string,
  faults: Faults,
): LoggingConfig {
  const console = input.logging?.console ?? LOGGING_DEFAULTS;
  const file = input.logging?.file;
  if (file !== undefined && input.log_files_directory !== undefined) {
    faults.warning("log_files_directory", 'Key without effect: "logging.file" decides');
  }
  const directory = file?.path ?? input.log_files_directory;
  return {
    console: {
      use: console.use ?? LOGGING_DEFAULTS.use,
      level: levelOf(console.level),
      format: console.format ?? LOGGING_DEFAULTS.format,
    },
    file: {
      use: directory !== undefined && (file?.use ?? LOGGING_DEFAULTS.use),
      level: levelOf(file?.level),
      format: file?.format ?? LOGGING_DEFAULTS.format,
      directory: resolve(workingDirectory, directory ?? ""),
      maxBytes: input.log_file_max_size_bytes ?? 0,
      keep: input.log_files_to_keep ?? 0,
    },
  };
}

function levelOf(text: string | undefined): LogLevel {
  const wanted = text?.toUpperCase();
  return LOG_LEVELS.find((level) => level === wanted) ?? LOGGING_DEFAULTS.level;
}
