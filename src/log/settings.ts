// How much is logged, how, and where.
/** Levels as the configuration names them, in rising order. */
export const LOG_LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] as const;
/** See {@linkcode LOG_LEVELS}. */
export type LogLevel = typeof LOG_LEVELS[number];

/** `text` is the line that pipelines parse [LOG-LINE], `json` one object a line. */
export type LogFormat = "text" | "json";

/** Where log lines go. */
export interface LoggingConfig {
  readonly console: { readonly use: boolean; readonly level: LogLevel; readonly format: LogFormat };
  readonly file: {
    readonly use: boolean;
    readonly level: LogLevel;
    readonly format: LogFormat;
    /** Absolute path of the directory. */
    readonly directory: string;
    /** Rotated when larger; 0: never. */
    readonly maxBytes: number;
    /** Rotated files that are kept beside the current one; may be 0. */
    readonly keep: number;
  };
}
