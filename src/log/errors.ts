// Errors of logging.

/** The log directory cannot be created or written to. */
export class LogDirectoryError extends Error {
  override readonly name = "LogDirectoryError";
  /** The directory as configured. */
  readonly directory: string;

  constructor(directory: string, options: ErrorOptions) {
    const reason = options.cause instanceof Error ? options.cause.message : String(options.cause);
    super(`Cannot write log files in "${directory}": ${reason}`, options);
    this.directory = directory;
  }
}
