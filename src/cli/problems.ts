// Problems as every command prints them: severity, file, place, what is wrong.
import { type ConfigError, type Problem, problemText } from "../config/mod.ts";
import type { Output } from "../text/mod.ts";
import { DEFAULT_CONFIG } from "./config_options.ts";

export function printError(text: string, output: Output): void {
  output.err(`error: ${text}`, "failed");
}

export function printWarning(text: string, output: Output): void {
  output.err(`warning: ${text}`, "warning");
}

export function printWarnings(
  source: string,
  warnings: readonly Problem[],
  output: Output,
): void {
  for (const warning of warnings) printWarning(problemText(source, warning), output);
}

/** Prints the warnings, then the problems of a configuration; for every command that loads one. */
export function printConfigError(
  { source, problems, warnings }: ConfigError,
  output: Output,
): void {
  printWarnings(source, warnings, output);
  for (const problem of problems) printError(problemText(source, problem), output);
  if (problems.some(({ path }) => path === source)) explainDefault(source, output);
}

/** Explains the name of a configuration that the user did not type. */
export function explainDefault(config: string, output: Output): void {
  if (config === DEFAULT_CONFIG) {
    output.err(`(${config} is looked for when no configuration is named)`);
  }
}
