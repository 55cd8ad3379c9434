// Errors of logging.
import { describeFileError } from "../text/mod.ts";

/** What to do about {@linkcode LogDirectoryError}. */
export function logDirectoryAdvice(): string {
  return `Let the user that runs the server (uid ${Deno.uid()}) write there, ` +
    "or name another directory";
}

/** The log directory cannot be created or written to. */
export class LogDirectoryError extends Error {
  override readonly name = "LogDirectoryError";
  /** The directory as configured. */
  readonly directory: string;

  constructor(directory: string, options: ErrorOptions) {
    const reason = describeFileError(options.cause);
    super(`Cannot write log files in "${directory}": ${reason}. ${logDirectoryAdvice()}`, options);
    this.directory = directory;
  }
}
