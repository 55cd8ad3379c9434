// Settings of logging.
/** Levels in ascending order. */
export const LOG_LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] as const;
/** See {@linkcode LOG_LEVELS}. */
export type LogLevel = typeof LOG_LEVELS[number];

/** `text` is the default line [LOG-LINE], `python` the Python server's, `json` one object per line. */
export const LOG_FORMATS = ["text", "python", "json"] as const;
/** See {@linkcode LOG_FORMATS}. */
export type LogFormat = typeof LOG_FORMATS[number];

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
    /** @default {"external_server.log"} */
    readonly name?: string;
  };
}
