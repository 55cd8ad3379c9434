// `gateway`: serves the devices of a car until the program is asked to stop.
import {
  gatewayProblems,
  GatewayReloader,
  RunningGateway,
  startModule,
} from "../app/gateway/mod.ts";
import { configSource, type GatewayOverrides, loadGatewayConfig } from "../config/mod.ts";
import type { ProgramContext } from "./program_context.ts";
import { runService } from "./service.ts";

/** The options of `gateway`. */
export interface GatewayCommandOptions {
  /** The configuration file. */
  readonly config: string;
  readonly overrides: GatewayOverrides;
}

/** @returns the exit status: 0 after a clean stop, else 1 */
export function gatewayCommand(
  { config: file, overrides }: GatewayCommandOptions,
  context: ProgramContext,
): Promise<number> {
  const source = configSource(file);
  const load = () => loadGatewayConfig(source, overrides);
  return runService({
    file: source.name,
    load,
    problemsOf: gatewayProblems,
    createParts: ({ config }, logging, onReloadable) => {
      const { log } = logging;
      const gateway = new RunningGateway({
        config,
        log,
        startModule: (module) => startModule(module, { log }),
      });
      return [{
        name: "the gateway",
        async start() {
          await gateway.start();
          const reloader = new GatewayReloader({ load, gateway, logging });
          onReloadable(() => reloader.reload());
        },
        stop: () => gateway.stop(),
      }];
    },
  }, context);
}
