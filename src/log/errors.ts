// Errors of logging.
import { describeFileError } from "../text/mod.ts";

/** What to do about {@linkcode LogDirectoryError}. */
export const LOG_DIRECTORY_ADVICE =
  "Let the user that runs the server write there, or name another directory";

/** The log directory cannot be created or written to. */
export class LogDirectoryError extends Error {
  override readonly name = "LogDirectoryError";
  /** The directory as configured. */
  readonly directory: string;
  /** The cause alone. */
  readonly reason: string;

  constructor(directory: string, options: ErrorOptions) {
    const reason = describeFileError(options.cause);
    super(`Cannot write log files in "${directory}": ${reason}. ${LOG_DIRECTORY_ADVICE}`, options);
    this.directory = directory;
    this.reason = reason;
  }
}
