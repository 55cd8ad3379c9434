// `check`: reports the problems of a configuration, or prints its effective form. Starts nothing.
import {
  ConfigError,
  configSource,
  effectiveDocument,
  effectiveGatewayDocument,
  type GatewayConfig,
  isForGateway,
  loadAnyConfig,
  type LoadedConfig,
  type LoadedGatewayConfig,
  type Overrides,
  type Problem,
  readBootstrap,
  type ServerConfig,
} from "../config/mod.ts";
import {
  describeFileError,
  MAX_SECRET_BYTES,
  type Output,
  printText,
  readText,
  secretOf,
} from "../text/mod.ts";
import type { Against } from "./against.ts";
import { printConfigError, printError, printWarnings } from "./problems.ts";

/** The options of `check`. */
export interface CheckOptions {
  /** The configuration file. */
  readonly config: string;
  readonly overrides?: Overrides;
  /** Whether all values of modules' `config` are printed, secrets included. @default {false} */
  readonly showConfigValues?: boolean | undefined;
  /** Whether only problems and the verdict are printed. @default {false} */
  readonly quiet?: boolean | undefined;
  /** When present, print what a reload would change instead. */
  readonly against?: Against & { readonly apiKeyFile?: string | undefined };
}

/**
 * Prints every problem, one per line, or the effective configuration with secrets masked; or what a
 * reload would change. The verdict comes last, on standard error: standard output is one document.
 *
 * @returns the exit status: 1 when there is a problem [CONFIG-PROBLEMS], else 0
 */
export async function runCheck(options: CheckOptions, output: Output): Promise<number> {
  const { against, overrides, showConfigValues, quiet } = options;
  let loaded: LoadedConfig | LoadedGatewayConfig;
  try {
    const { section, source } = await readBootstrap(configSource(options.config));
    if (section?.mode === "only" && against === undefined) {
      // The rest of the file is never used.
      output.err(`ok: pulled from "${section.url}": config show-source tells what is there`, "ok");
      return 0;
    }
    loaded = await loadAnyConfig(source, overrides);
    printWarnings(source.name, loaded.warnings, output);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    printConfigError(error, output);
    printVerdict(error, error.warnings, output);
    return 1;
  }
  if (isForGateway(loaded)) return checkGateway(loaded, options, output);
  const { config, warnings } = loaded;
  if (against !== undefined) return await printComparison(config, against, overrides, output);
  if (!quiet) {
    const document = effectiveDocument(config, { showConfigValues });
    printText(JSON.stringify(document, null, 2), (line) => output.out(line));
  }
  printVerdict(config, warnings, output);
  return 0;
}

function checkGateway(
  { config, warnings }: LoadedGatewayConfig,
  { against, quiet }: CheckOptions,
  output: Output,
): number {
  if (against !== undefined) {
    printError(
      "--against: expected the configuration of a server: found that of a gateway",
      output,
    );
    return 1;
  }
  if (!quiet) {
    const document = effectiveGatewayDocument(config);
    printText(JSON.stringify(document, null, 2), (line) => output.out(line));
  }
  printVerdict(config, warnings, output);
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
    const problems = againstProblems(error);
    if (problems === undefined) throw error;
    for (const problem of problems) printError(problem, output);
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

/** The last line: `ok: 500 cars, 1 module, 2 warnings`, or `2 errors`. */
function printVerdict(
  checked: ServerConfig | GatewayConfig | ConfigError,
  { length: warnings }: readonly Problem[],
  output: Output,
): void {
  const more = warnings === 0 ? [] : [count(warnings, "warning")];
  if (checked instanceof ConfigError) {
    const errors = count(checked.problems.length, "error");
    return output.err([errors, ...more].join(", "), "failed");
  }
  const parts = [...sizesOf(checked), ...more];
  output.err(`ok: ${parts.join(", ")}`, warnings === 0 ? "ok" : "warning");
}

function sizesOf(config: ServerConfig | GatewayConfig): string[] {
  if ("endpoints" in config) {
    return [count(config.endpoints.length, "endpoint"), count(config.modules.length, "module")];
  }
  const modules = new Set(config.cars.flatMap((car) => car.modules.map(({ id }) => id)));
  return [count(config.cars.length, "car"), count(modules.size, "module")];
}

function count(many: number, what: string): string {
  return `${many} ${what}${many === 1 ? "" : "s"}`;
}
