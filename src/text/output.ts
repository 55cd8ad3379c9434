// Where commands print, so that a test can read what a user would see.
import { escapeUnsafe } from "./escape.ts";

/** What a command prints to; lines come without a line break. */
export interface Output {
  /** Results: standard output. */
  out(line: string): void;
  /** Problems and progress: standard error. */
  err(line: string): void;
}

/**
 * Standard output and standard error of the process. Everything that a terminal would act on is
 * escaped, line breaks included: names in a line may come from the network.
 */
export const consoleOutput: Output = {
  // deno-lint-ignore no-console -- a command's result belongs on standard output
  out: (line) => console.log(escapeUnsafe(line)),
  // deno-lint-ignore no-console -- a command's problems belong on standard error
  err: (line) => console.error(escapeUnsafe(line)),
};

/** Prints a text of several lines, such as a document or a help text. */
export function printText(text: string, print: (line: string) => void): void {
  for (const line of text.trimEnd().split("\n")) print(line);
}
