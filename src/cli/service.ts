// What commands that serve until they are stopped have in common: configuration, log, signals.
import { type Part, runUntilStopped, servicePart, systemdNotify } from "../app/mod.ts";
import { ConfigError, type Problem, problemText } from "../config/mod.ts";
import { LogDirectoryError, type Logging, type LoggingConfig, startLogging } from "../log/mod.ts";
import type { Output } from "../text/mod.ts";
import { versionText } from "../version.ts";
import { printConfigError, printError, printWarnings } from "./problems.ts";
import type { ProgramContext } from "./program_context.ts";

/** A usable configuration of whatever is served. */
export interface Loaded {
  readonly config: { readonly logging: LoggingConfig };
  readonly warnings: readonly Problem[];
}

/** What is served. */
export interface Service<L extends Loaded> {
  /** The configuration, for messages. */
  readonly file: string;
  /** @throws {ConfigError} when it is not usable. */
  readonly load: () => Promise<L>;
  /** In the order in which they start. Reloads wait until `onReloadable` was called. */
  readonly createParts: (
    loaded: L,
    logging: Logging,
    onReloadable: (reload: () => Promise<unknown>) => void,
  ) => Part[] | Promise<Part[]>;
  /** Why it cannot start, one line per reason; undefined when the error is a defect. */
  readonly problemsOf: (error: unknown) => readonly string[] | undefined;
}

/**
 * Loads the configuration, starts everything, and waits for the end [STOP-ORDER].
 *
 * @returns the exit status: 0 after a clean stop, 1 when something was unusable, did not start,
 * or did not stop cleanly
 */
export async function runService<L extends Loaded>(
  service: Service<L>,
  context: ProgramContext,
): Promise<number> {
  const { output } = context;
  const loaded = await load(service, output);
  const logging = loaded && await openLog(loaded.config, output);
  if (loaded === undefined || logging === undefined) return 1;
  const { log } = logging;
  const onDefect = context.onDefect;
  context.onDefect = (text) => log.critical(text);
  // Reloads that are requested during the start run after it.
  const reload = Promise.withResolvers<() => Promise<unknown>>();
  const reloadNoMore = context.onReload(() => void reload.promise.then((run) => run()));
  try {
    log.info(() => `Starting ${versionText()} with "${service.file}"`);
    for (const warning of loaded.warnings) log.warning(problemText(service.file, warning));
    const notify = systemdNotify(log);
    const parts = await service.createParts(loaded, logging, reload.resolve);
    if (notify !== undefined) parts.push(servicePart(notify));
    return await runUntilStopped(parts, { stop: context.stop, log }) ? 0 : 1;
  } catch (error) {
    const defect = error instanceof Error ? error.stack ?? error.message : String(error);
    for (const problem of service.problemsOf(error) ?? [defect]) {
      log.critical(problem);
      // The reason for a failed start must be on the console, even if the log is not.
      if (!loaded.config.logging.console.use) printError(problem, output);
    }
    return 1;
  } finally {
    log.info("Stopped");
    context.onDefect = onDefect;
    await logging.stop();
    reloadNoMore();
  }
}

async function load<L extends Loaded>(
  { load, file }: Service<L>,
  output: Output,
): Promise<L | undefined> {
  try {
    const loaded = await load();
    if (!loaded.config.logging.console.use) printWarnings(file, loaded.warnings, output);
    return loaded;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    printConfigError(error, output);
    return undefined;
  }
}

async function openLog(
  { logging }: Loaded["config"],
  output: Output,
): Promise<Logging | undefined> {
  try {
    return await startLogging(logging);
  } catch (error) {
    if (!(error instanceof LogDirectoryError)) throw error;
    printError(error.message, output);
    return undefined;
  }
}
