// Settings of logging.
/** Levels in ascending order. */
export const LOG_LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] as const;
/** See {@linkcode LOG_LEVELS}. */
export type LogLevel = typeof LOG_LEVELS[number];

/** `text` is the line that pipelines parse [LOG-LINE], `json` one object per line. */
export type LogFormat = "text" | "json";

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
    /** Number of rotated files to keep; may be 0. */
    readonly keep: number;
  };
}
