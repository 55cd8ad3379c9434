// `check`: reports the problems of a configuration, or prints its effective form. Starts nothing.
import {
  ConfigError,
  effectiveDocument,
  loadConfig,
  type Overrides,
  type Problem,
  secretOf,
  type ServerConfig,
} from "../config/mod.ts";
import {
  describeFileError,
  MAX_SECRET_BYTES,
  type Output,
  printText,
  readText,
} from "../text/mod.ts";
import type { Against } from "./against.ts";

/** What `check` is told on the command line. */
export interface CheckOptions {
  /** The configuration file. */
  readonly config: string;
  readonly overrides?: Overrides;
  /** Whether all values of modules' `config` are printed, secrets included. @default {false} */
  readonly showConfigValues?: boolean | undefined;
  /** When present, print what a reload would change instead. */
  readonly against?: Against & { readonly apiKeyFile?: string | undefined };
}

/**
 * Prints every problem, one per line, or the effective configuration with secrets masked; or what a
 * reload would change.
 *
 * @returns the exit status: 1 when there is a problem [CONFIG-PROBLEMS], else 0
 */
export async function runCheck(options: CheckOptions, output: Output): Promise<number> {
  const { against, overrides, showConfigValues } = options;
  let config: ServerConfig;
  try {
    const loaded = await loadConfig(options.config, overrides);
    config = loaded.config;
    printWarnings(loaded.warnings, output);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    printConfigError(error, output);
    return 1;
  }
  if (against !== undefined) return await printComparison(config, against, overrides, output);
  printText(
    JSON.stringify(effectiveDocument(config, { showConfigValues }), null, 2),
    (line) => output.out(line),
  );
  return 0;
}

async function printComparison(
  config: ServerConfig,
  { target, apiKey, apiKeyFile }: NonNullable<CheckOptions["against"]>,
  overrides: Overrides | undefined,
  output: Output,
): Promise<number> {
  const { againstProblems, compareAgainst } = await import("./against.ts");
  try {
    const key = apiKeyFile === undefined ? apiKey : await readKey(apiKeyFile);
    const lines = await compareAgainst(config, { target, apiKey: key }, overrides);
    for (const line of lines) output.out(line);
    return 0;
  } catch (error) {
    const problems = againstProblems(error, target);
    if (problems === undefined) throw error;
    for (const problem of problems) output.err(problem);
    return 1;
  }
}

async function readKey(file: string): Promise<string> {
  try {
    return secretOf(await readText(file, { maxBytes: MAX_SECRET_BYTES }));
  } catch (error) {
    const message = `Expected a readable file: ${describeFileError(error)}`;
    throw new ConfigError(file, [{ path: "--api-key-file", message }], [], { cause: error });
  }
}

/** Prints the warnings, then the problems of a configuration; for every command that loads one. */
export function printConfigError(error: ConfigError, output: Output): void {
  printWarnings(error.warnings, output);
  for (const { path, message } of error.problems) output.err(`${path}: ${message}`);
}

export function printWarnings(warnings: readonly Problem[], output: Output): void {
  for (const { path, message } of warnings) output.err(`warning: ${path}: ${message}`);
}
