// Starts a module of a gateway's configuration in processes of its own.
import type { Log } from "../../log/mod.ts";
import { type GatewayStatistics, HostedGatewayModule } from "../../module/mod.ts";
import type { ModuleOrder } from "./module_slots.ts";

/** What modules of one gateway share. */
export interface StartModuleOptions {
  readonly log: Log;
  /** Counts the calls of all modules. */
  readonly statistics?: GatewayStatistics;
}

/**
 * Starts a module; what it prints is logged.
 *
 * @throws {ModuleLoadError | ModuleHostError} when it cannot be used.
 */
export function startModule(
  { number: module, path: libPath, limits, ...script }: ModuleOrder,
  { log, statistics }: StartModuleOptions,
): Promise<HostedGatewayModule> {
  const { maxHostMemoryBytes, ...others } = limits;
  return HostedGatewayModule.start({ module, libPath, ...script }, {
    ...others,
    maxMemoryBytes: maxHostMemoryBytes,
    log,
    onOutput: (line, stream) => log.info(() => `[module ${module} ${stream}] ${line}`),
    ...(statistics === undefined ? {} : { statistics }),
  });
}
