// `gateway`: serves the devices of a car until the program is asked to stop.
import { exportOf, stateDirectoryOf } from "../app/mod.ts";
import {
  gatewayProblems,
  gatewayRecorderOf,
  GatewayReloader,
  RunningGateway,
  startModule,
} from "../app/gateway/mod.ts";
import { beginConfig, type BegunConfig, remotePart, withSection } from "../app/mod.ts";
import {
  type ConfigSource,
  configSource,
  type GatewayConfig,
  type GatewayOverrides,
  type LoadedGatewayConfig,
  loadGatewayConfig,
} from "../config/mod.ts";
import type { RemoteConfig } from "../config_source/mod.ts";
import type { GatewayOperators } from "../http/mod.ts";
import type { Log } from "../log/mod.ts";
import { GatewayStatistics } from "../module/mod.ts";
import type { ProgramContext } from "./program_context.ts";
import { runService } from "./service.ts";

/** The options of `gateway`. */
export interface GatewayCommandOptions {
  /** The configuration file. */
  readonly config: string;
  readonly overrides: GatewayOverrides;
  /** Whether its section `config_source` counts. */
  readonly isFollowed: boolean;
}

/** @returns the exit status: 0 after a clean stop, else 1 */
export function gatewayCommand(
  { config: file, overrides, isFollowed }: GatewayCommandOptions,
  context: ProgramContext,
): Promise<number> {
  const local = configSource(file);
  const loadFrom = (source: ConfigSource) => loadGatewayConfig(source, overrides);
  let begun: BegunConfig<LoadedGatewayConfig> | undefined;
  return runService({
    file: local.name,
    async load() {
      begun = await beginConfig(local, isFollowed, loadFrom);
      return begun.loaded;
    },
    problemsOf: gatewayProblems,
    createParts: async ({ config }, logging, onReloadable) => {
      const { log } = logging;
      const { source = local, remote } = begun ?? {};
      remote?.logTo(log);
      const load = async () => withSection(await loadFrom(source), config.configSource);
      const statistics = new GatewayStatistics();
      const recorder = await gatewayRecorderOf(config, log);
      const state = await stateDirectoryOf(config.stateDir, log);
      const exports = exportOf(config, recorder, state?.stateDirectory, log);
      const gateway = new RunningGateway({
        config,
        log,
        startModule: (module) => startModule(module, { log, statistics }),
        ...(recorder && { subscribers: [recorder] }),
      });
      const reloader = Promise.withResolvers<Pick<GatewayReloader, "reload">>();
      let following: ReturnType<typeof followingPart> | undefined;
      let operators: GatewayOperators | undefined;
      const first = [recorder, state, exports].filter((one) => one !== undefined);
      return [...first, {
        name: "the gateway",
        async start() {
          await gateway.start();
          const onApplied = (applied: GatewayConfig) => {
            if (applied.http !== undefined) operators?.configure(applied.http);
            exports?.configure(applied);
          };
          const own = new GatewayReloader({ load, gateway, logging, onApplied });
          following = remote && followingPart(remote, own, gateway, log);
          await following?.start();
          const one = following ?? own;
          reloader.resolve(one);
          onReloadable(() => one.reload());
        },
        async stop() {
          await following?.stop();
          await gateway.stop();
        },
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
            configSource: remote,
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

/** Follows the source of the configuration; what has to be RUNNING are the sessions with the cloud. */
function followingPart(
  remote: RemoteConfig<LoadedGatewayConfig>,
  reloader: GatewayReloader,
  gateway: RunningGateway,
  log: Log,
) {
  return remotePart(remote, {
    log,
    reload: () => reloader.reload(),
    touched: ({ modules, reconnected }) => [
      ...modules.map((number) => `module ${number}`),
      ...reconnected ? ["devices"] : [],
    ],
    cars: () =>
      (gateway.snapshot()?.endpoints ?? []).map(({ phase, devices }, index) => ({
        name: `endpoint ${index + 1}`,
        // Without devices there is no session to have.
        isRunning: phase === "connected" || devices.length === 0,
      })),
  });
}
