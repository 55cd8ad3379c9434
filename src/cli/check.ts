// `check`: reads a configuration and says what is wrong with it, or what it means; starts nothing.
import { effectiveDocument } from "../config/effective.ts";
import { ConfigError, type Problem } from "../config/errors.ts";
import { loadConfig } from "../config/load.ts";
import type { Overrides } from "../config/overrides.ts";
import type { Output } from "./output.ts";

/** What `check` is told on the command line. */
export interface CheckOptions {
  /** The configuration file. */
  readonly config: string;
  readonly overrides?: Overrides;
}

/**
 * Prints every problem, one a line, or the effective configuration with secrets masked.
 *
 * @returns the exit status: 1 when there is a problem (protocol section 5), else 0
 */
export function runCheck(options: CheckOptions, output: Output): Promise<number> {
  try {
    const { config, warnings } = loadConfig(options.config, options.overrides);
    printWarnings(warnings, output);
    output.out(JSON.stringify(effectiveDocument(config), null, 2));
    return Promise.resolve(0);
  } catch (error) {
    if (!(error instanceof ConfigError)) return Promise.reject(error);
    printConfigError(error, output);
    return Promise.resolve(1);
  }
}

/** Prints what is wrong with a configuration, warnings first; for every command that loads one. */
export function printConfigError(error: ConfigError, output: Output): void {
  printWarnings(error.warnings, output);
  for (const { path, message } of error.problems) output.err(`${path}: ${message}`);
}

/** Prints what is suspicious about a configuration. */
export function printWarnings(warnings: readonly Problem[], output: Output): void {
  for (const { path, message } of warnings) output.err(`warning: ${path}: ${message}`);
}
