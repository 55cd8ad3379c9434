// What can go wrong in this room.

/** The log directory cannot be made, or nothing can be written there. */
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
