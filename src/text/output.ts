// Where commands print, so that a test can read what a user would see.
import { escapeUnsafe } from "./escape.ts";

/** What a line says of its subject. */
export type Tone = "ok" | "warning" | "failed";

/** What a command prints to; lines come without a line break. */
export interface Output {
  /**
   * Results: standard output.
   *
   * @param tone colors the first word, on a terminal
   */
  out(line: string, tone?: Tone): void;
  /** Problems and progress: standard error; otherwise as `out`. */
  err(line: string, tone?: Tone): void;
}

/**
 * Standard output and standard error of the process. Everything that a terminal would act on is
 * escaped, line breaks included: names in a line may come from the network.
 */
export const consoleOutput: Output = {
  // deno-lint-ignore no-console -- a command's result belongs on standard output
  out: (line, tone) => console.log(shown(line, tone, Deno.stdout)),
  // deno-lint-ignore no-console -- a command's problems belong on standard error
  err: (line, tone) => console.error(shown(line, tone, Deno.stderr)),
};

/** Green, yellow and red. */
const COLORS: Readonly<Record<Tone, number>> = { ok: 32, warning: 33, failed: 31 };

function shown(line: string, tone: Tone | undefined, stream: typeof Deno.stdout): string {
  const text = escapeUnsafe(line);
  if (tone === undefined || Deno.noColor || !stream.isTerminal()) return text;
  return text.replace(/[^\s:]+/, (word) => `\x1b[${COLORS[tone]}m${word}\x1b[39m`);
}

/** Prints a text of several lines, such as a document or a help text. */
export function printText(text: string, print: (line: string) => void): void {
  for (const line of text.trimEnd().split("\n")) print(line);
}
