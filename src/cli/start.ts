// `start`: serves the cars of a configuration until the program is asked to stop.
import {
  ConfigError,
  type ConfigSource,
  configSource,
  loadConfig,
  type LoadedConfig,
  type ServerConfig,
} from "../config/mod.ts";
import { beginConfig, type BegunConfig } from "../app/mod.ts";
import { systemdNotify } from "../app/systemd/mod.ts";
import { planLibraries } from "../doctor/loader/mod.ts";
import { LogDirectoryError, type Logging, startLogging } from "../log/mod.ts";
import { EarlyHost } from "../module/mod.ts";
import { printConfigError, printError, printWarnings } from "./problems.ts";
import type { ConfigOptions } from "./config_options.ts";
import type { ProgramContext } from "./program_context.ts";
import type { Output } from "../text/mod.ts";

/**
 * Loads the configuration, then what serves it [CLI-ARGUMENTS].
 *
 * @returns the exit status, as `serve`
 */
export async function startCommand(
  options: ConfigOptions,
  context: ProgramContext,
): Promise<number> {
  const { output } = context;
  const begun = await begin(options, output);
  if (begun === undefined) return 1;
  const { loaded } = begun;
  const logging = await openLog(loaded.config, output);
  if (logging === undefined) return 1;
  const { config } = loaded;
  // Before there is a process that would inherit its variable.
  const notify = systemdNotify(logging.log);
  const { moduleCallMs: moduleCallTimeoutMs } = config.timeouts;
  const hasLibraries = config.cars.some((car) =>
    car.modules.some(({ script }) => script === undefined)
  );
  // Both are processes, which work while this one loads the rest of the program.
  const earlyHost = hasLibraries ? new EarlyHost({ moduleCallTimeoutMs }) : undefined;
  const plans = planLibraries(config);
  try {
    await earlyHost?.begun;
    const { serve } = await import("./serve.ts");
    return await serve({ ...begun, options, logging, notify, plans, earlyHost }, context);
  } finally {
    await earlyHost?.discard();
  }
}

async function begin(
  { config, overrides, isFollowed }: ConfigOptions,
  output: Output,
): Promise<BegunConfig<LoadedConfig> | undefined> {
  const load = (source: ConfigSource) => loadConfig(source, overrides);
  try {
    const begun = await beginConfig(configSource(config), isFollowed, load);
    const { source, loaded } = begun;
    if (!loaded.config.logging.console.use) {
      printWarnings(source.name, loaded.warnings, output);
    }
    return begun;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    printConfigError(error, output);
    return undefined;
  }
}

async function openLog({ logging }: ServerConfig, output: Output): Promise<Logging | undefined> {
  try {
    return await startLogging(logging);
  } catch (error) {
    if (!(error instanceof LogDirectoryError)) throw error;
    printError(error.message, output);
    return undefined;
  }
}
