// `gateway`: serves the devices of a car until the program is asked to stop.
import { exportOf, stateDirectoryOf } from "../app/mod.ts";
import {
  gatewayProblems,
  gatewayRecorderOf,
  GatewayReloader,
  RunningGateway,
  startModule,
} from "../app/gateway/mod.ts";
import {
  configSource,
  type GatewayConfig,
  type GatewayOverrides,
  loadGatewayConfig,
} from "../config/mod.ts";
import type { GatewayOperators } from "../http/mod.ts";
import { GatewayStatistics } from "../module/mod.ts";
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
    createParts: async ({ config }, logging, onReloadable) => {
      const { log } = logging;
      const statistics = new GatewayStatistics();
      const recorder = await gatewayRecorderOf(config, log);
      const state = await stateDirectoryOf(config.stateDir, log);
      const exports = await exportOf(config, recorder, state?.stateDirectory, log);
      const gateway = new RunningGateway({
        config,
        log,
        startModule: (module) => startModule(module, { log, statistics }),
        ...(recorder && { subscribers: [recorder] }),
      });
      const reloader = Promise.withResolvers<GatewayReloader>();
      let operators: GatewayOperators | undefined;
      const first = [recorder, state, exports].filter((one) => one !== undefined);
      return [...first, {
        name: "the gateway",
        async start() {
          await gateway.start();
          const onApplied = ({ http }: GatewayConfig) => http && operators?.configure(http);
          const one = new GatewayReloader({ load, gateway, logging, onApplied });
          reloader.resolve(one);
          onReloadable(() => one.reload());
        },
        stop: () => gateway.stop(),
      }, {
        name: "the port for operators",
        async start() {
          const { http } = config;
          // Not even loaded while HTTP is off.
          if (http === undefined) return;
          const { GatewayOperators } = await import("../http/mod.ts");
          operators = new GatewayOperators({
            config: http,
            log,
            statistics,
            sinks: exports?.sinks,
          });
          await operators.start({
            gateway,
            reload: async () => await (await reloader.promise).reload(),
            setLogLevel: (level) => logging.setLevel(level),
          });
        },
        async stop() {
          await operators?.stop();
        },
      }];
    },
  }, context);
}
