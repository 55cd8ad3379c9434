// Resolves the logging settings, from `logging` and the older `log_files_...` keys.
import { resolve } from "node:path";
import { LOG_LEVELS, type LoggingConfig, type LogLevel } from "../../log/mod.ts";
import type { CommonInput } from "../dialects/dialect.ts";
import type { Faults } from "../errors.ts";
import { defaultOf } from "../keys/key.ts";
import { LOGGING } from "../keys/keys.ts";

const { keys: KEYS } = LOGGING.console;

/** Makes the logging settings from values that have been checked. */
export function resolveLogging(
  input: Pick<
    CommonInput,
    "logging" | "log_files_directory" | "log_file_max_size_bytes" | "log_files_to_keep"
  >,
  workingDirectory: string,
  faults: Faults,
): LoggingConfig {
  const console = input.logging?.console;
  const file = input.logging?.file;
  if (file !== undefined && input.log_files_directory !== undefined) {
    faults.warning("log_files_directory", 'Key has no effect: "logging.file" decides');
  }
  const directory = file?.path ?? input.log_files_directory;
  return {
    console: {
      use: console?.use ?? defaultOf(KEYS.use),
      level: levelOf(console?.level),
      format: console?.format ?? defaultOf(KEYS.format),
    },
    file: {
      use: directory !== undefined && (file?.use ?? defaultOf(KEYS.use)),
      level: levelOf(file?.level),
      format: file?.format ?? defaultOf(KEYS.format),
      directory: resolve(workingDirectory, directory ?? ""),
      maxBytes: input.log_file_max_size_bytes ?? 0,
      keep: input.log_files_to_keep ?? 0,
    },
  };
}

function levelOf(text: string | undefined): LogLevel {
  const wanted = (text ?? defaultOf(KEYS.level)).toUpperCase();
  return LOG_LEVELS.find((level) => level === wanted) ?? "INFO";
}
