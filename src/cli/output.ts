// Where commands print, so that a test can read what a user would see.

/** What a command prints to; a line comes without its line break. */
export interface Output {
  /** Results: standard output. */
  out(line: string): void;
  /** Problems and progress: standard error. */
  err(line: string): void;
}

/** The process' own standard output and standard error. */
export const consoleOutput: Output = {
  // deno-lint-ignore no-console -- a command's result belongs on standard output
  out: (line) => console.log(line),
  // deno-lint-ignore no-console -- a command's problems belong on standard error
  err: (line) => console.error(line),
};
