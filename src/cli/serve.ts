// What `start` does with a configuration: runs a server, with everything around it.
import { HttpListenError, ListenError, reachableHost, TlsFileError } from "../net/mod.ts";
import {
  canaryConfig,
  type ConfigSource,
  loadConfig,
  type LoadedConfig,
  type Overrides,
  problemText,
  type ServerConfig,
} from "../config/mod.ts";
import type { RemoteConfig } from "../config_source/mod.ts";
import { type LoadPlan, planLibraries } from "../doctor/loader/mod.ts";
import type { ConnectionShares } from "../doctor/mod.ts";
import type { Operators } from "../http/mod.ts";
import type { EmbeddedBroker } from "../broker/mod.ts";
import type { Log, Logging } from "../log/mod.ts";
import { type EarlyHost, loadErrorLines, type ModuleLoadError } from "../module/mod.ts";
import { ChangeRefusedError, Reloader, type Server, ServerStartError } from "../server/mod.ts";
import { versionText } from "../version.ts";
import {
  assembleServer,
  clusterOf,
  type ClusterPart,
  exportOf,
  type ExportPart,
  makeConnector,
  type Part,
  recorderOf,
  type RecorderPart,
  remotePart,
  type Running,
  runUntilStopped,
  servicePart,
  type State,
  stateOf,
  telemetryOf,
  webhookOf,
  type WebhookParts,
  withClusterKey,
  withSection,
} from "../app/mod.ts";
import type { Notify } from "../app/systemd/mod.ts";
import { printError } from "./problems.ts";
import type { ConfigOptions } from "./config_options.ts";
import type { ProgramContext } from "./program_context.ts";

/** What `start` has when it loads this. */
export interface ServeOptions {
  readonly source: ConfigSource;
  readonly options: ConfigOptions;
  readonly loaded: LoadedConfig;
  /** Absent: the configuration is the local file. */
  readonly remote: RemoteConfig<LoadedConfig> | undefined;
  /** Stopped at the end. */
  readonly logging: Logging;
  /** Of the libraries, by path. */
  readonly plans: Promise<ReadonlyMap<string, LoadPlan>>;
  /** Tells systemd; absent: it has not started this. */
  readonly notify: Notify | undefined;
  /** The first module host. */
  readonly earlyHost: EarlyHost | undefined;
}

/**
 * Starts everything, and waits for the end [STOP-ORDER].
 *
 * @returns the exit status: 0 after a clean stop, 1 when something was unusable, did not start,
 * or did not stop cleanly
 */
export async function serve(given: ServeOptions, context: ProgramContext): Promise<number> {
  const { source, options, loaded, remote, logging, notify } = given;
  const { log } = logging;
  const onDefect = context.onDefect;
  context.onDefect = (text) => log.critical(text);
  // Reloads that are requested during the start run after it.
  const reloader = Promise.withResolvers<Pick<Reloader, "reload">>();
  const reloadNoMore = context.onReload(() => void reloader.promise.then((one) => one.reload()));
  try {
    log.info(() => `Starting ${versionText()} with "${options.config}"`);
    for (const warning of loaded.warnings) log.warning(problemText(source.name, warning));
    remote?.logTo(log);
    const { config } = loaded;
    const recorder = await recorderOf(config, log);
    const state = await stateOf(config, log);
    const exports = exportOf(config, recorder, state?.stateDirectory, log);
    const running: Running = {};
    const telemetry = await telemetryOf(config, log, running);
    const webhook = await webhookOf(config, log, running, state);
    if (telemetry !== undefined) {
      telemetry.metrics.sinks = () => exports?.sinks().map((sink) => sink.snapshot()) ?? [];
    }
    if (telemetry !== undefined) telemetry.metrics.configSource = remote && (() => remote.view());
    if (telemetry !== undefined && webhook !== undefined) telemetry.metrics.health = webhook.watch;
    const parts = createParts({
      ...given,
      config,
      reloader,
      running,
      state,
      recorder,
      exports,
      telemetry,
      webhook,
    });
    if (notify !== undefined) parts.push(servicePart(notify));
    return await runUntilStopped(parts, { stop: context.stop, log }) ? 0 : 1;
  } catch (error) {
    for (const problem of await startProblems(error)) {
      log.critical(problem);
      // The reason for a failed start must be on the console, even if the log is not.
      if (!loaded.config.logging.console.use) printError(problem, context.output);
    }
    return 1;
  } finally {
    log.info("Stopped");
    context.onDefect = onDefect;
    await logging.stop();
    reloadNoMore();
  }
}

interface PartOptions extends ServeOptions {
  readonly config: ServerConfig;
  /** Gets what reloads the server when it has started. */
  readonly reloader: PromiseWithResolvers<Pick<Reloader, "reload">>;
  readonly recorder: RecorderPart | undefined;
  readonly exports: ExportPart | undefined;
  /** What survives a restart; absent: nothing does, and cars cannot be paused. */
  readonly state: State | undefined;
  readonly telemetry: Awaited<ReturnType<typeof telemetryOf>>;
  readonly webhook: WebhookParts | undefined;
  /** Gets the server. */
  readonly running: Running;
}

/** In the order in which they start; only what is requested. */
function createParts(all: PartOptions): Part[] {
  const { source, options, config, logging, reloader, running, state, recorder, telemetry } = all;
  const { webhook, remote } = all;
  const { log } = logging;
  const embeddedBroker = options.overrides.embeddedBroker !== undefined;
  let broker: EmbeddedBroker | undefined;
  let server: Server | undefined;
  let operators: Operators | undefined;
  let shares: Promise<ConnectionShares> | undefined;
  let cluster: ClusterPart | undefined;
  let following: ReturnType<typeof followingPart> | undefined;
  const first = [recorder, state, all.exports, telemetry, webhook?.sender].filter((one) =>
    one !== undefined
  );
  const parts: Part[] = [
    ...first,
    {
      name: "the server",
      async start() {
        const share = () => shares ??= shareOpenFiles(config, embeddedBroker, log);
        const served = broker === undefined ? config : servedBy(config, broker.port);
        const connector = await makeConnector(served, log);
        operators = await createOperators(config, share, all);
        const metrics = operators?.metrics ?? telemetry?.metrics;
        if (metrics !== undefined) metrics.webhook = webhook?.webhook;
        const refused = await refusedLibraries(config, await all.plans);
        if (refused.length > 0) throw new ServerStartError(refused);
        await operators?.load();
        cluster = await clusterOf(config, connector, log, running, state?.pauses);
        server = await assembleServer({
          config: served,
          log,
          connector,
          earlyHost: all.earlyHost,
          cluster: cluster?.cluster,
          ...observedBy(operators, all, cluster),
          ...(recorder?.beforeAnswer && { beforeAnswer: recorder.beforeAnswer }),
          ...(state && { isPaused: (car) => state.pauses.get(car) !== undefined }),
        });
        running.server = server;
        await server.start();
        let current = config;
        const load = () => reloadConfig(source, options.overrides, current, remote);
        const onApplied = (applied: ServerConfig) => {
          current = applied;
          const { http, cars } = applied;
          if (http) operators?.configure(withClusterKey(http, config));
          all.exports?.configure(applied);
          // Gateways of removed cars are told first.
          queueMicrotask(() => cluster?.cluster.configure(cars.map(({ name }) => name)));
        };
        const onReloaded = recorder?.onReloaded;
        const parts = { server, connector, logging, onApplied, onReloaded };
        const one = new Reloader({ load, running: config, ...parts, embeddedBroker });
        if (remote === undefined) reloader.resolve(one);
        else following = followingPart(remote, one, server, log);
        // Without HTTP and a broker of its own, only the warning is wanted: cars do not wait for it.
        await share();
      },
      async stop() {
        await server?.stop();
      },
    },
    ...webhook === undefined ? [] : [webhook.watching],
    {
      name: "the cluster",
      async start() {
        await cluster?.start();
      },
      async stop() {
        await cluster?.stop();
      },
    },
    ...remote === undefined ? [] : [{
      name: "remote configuration",
      async start() {
        if (following === undefined) return;
        await following.start();
        reloader.resolve(following);
      },
      stop: async () => await following?.stop(),
    }],
    {
      name: "the port for operators",
      async start() {
        if (server === undefined) return;
        const reload = async () => (await reloader.promise).reload();
        const setLogLevel = logging.setLevel.bind(logging);
        await operators?.start({ fleet: server, reload, setLogLevel, cluster: cluster?.operated });
      },
      async stop() {
        await operators?.stop();
      },
    },
  ];
  if (!embeddedBroker) return parts;
  return [{
    name: "the embedded broker",
    async start() {
      const { EmbeddedBroker } = await import("../broker/mod.ts");
      const { maxMessageBytes, maxMessagesPerSecond: messagesPerSecond } = config.limits;
      shares = shareOpenFiles(config, embeddedBroker, log);
      const maxClients = (await shares).broker;
      const limits = { messagesPerSecond };
      broker = new EmbeddedBroker({
        broker: config.broker,
        maxMessageBytes,
        maxClients,
        limits,
        log,
      });
      await broker.start();
    },
    async stop() {
      await broker?.stop();
    },
  }, ...parts];
}

/** Follows the source of the configuration. */
function followingPart(
  remote: RemoteConfig<LoadedConfig>,
  reloader: Pick<Reloader, "reload">,
  server: Server,
  log: Log,
) {
  return remotePart(remote, {
    log,
    reload: () => reloader.reload(),
    touched: ({ added, changed }) => [...added, ...changed.map(({ car }) => car)],
    cars: () =>
      server.snapshot().cars.map(({ car, state, paused }) => ({
        name: car,
        // A car that an operator keeps from it is not missing.
        isRunning: paused || state === "RUNNING",
      })),
  });
}

/** @throws {ChangeRefusedError} when the loader refuses a library that is not in use. */
async function reloadConfig(
  source: ConfigSource,
  overrides: Overrides,
  running: ServerConfig,
  remote: RemoteConfig<LoadedConfig> | undefined,
): Promise<LoadedConfig> {
  const read = withSection(await loadConfig(source, overrides), running.configSource);
  const labels = remote?.canary ?? null;
  const loaded = labels === null
    ? read
    : { ...read, config: canaryConfig(running, read.config, labels) };
  const plans = await planLibraries(loaded.config, running);
  const refused = await refusedLibraries(loaded.config, plans);
  if (refused.length === 0) return loaded;
  throw new ChangeRefusedError(loadErrorLines(refused));
}

/** The libraries that the loader refuses; without any, not even doctor is loaded. */
async function refusedLibraries(
  config: ServerConfig,
  plans: ReadonlyMap<string, LoadPlan>,
): Promise<ModuleLoadError[]> {
  if ([...plans.values()].every(({ problems }) => problems.length === 0)) return [];
  const { refusedLibraries } = await import("../doctor/mod.ts");
  return refusedLibraries(config, plans);
}

/** Warns when the limit of open files is too low. */
async function shareOpenFiles(
  config: ServerConfig,
  embeddedBroker: boolean,
  log: Log,
): Promise<ConnectionShares> {
  const { shareFiles } = await import("../doctor/mod.ts");
  const shares = await shareFiles(config, embeddedBroker);
  if (shares.warning !== undefined) log.warning(shares.warning);
  return shares;
}

/** Not even loaded while HTTP is off. */
async function createOperators(
  all: ServerConfig,
  share: () => Promise<ConnectionShares>,
  { state, exports, recorder, remote, telemetry, webhook, logging: { log } }: PartOptions,
): Promise<Operators | undefined> {
  if (all.http === undefined || state === undefined) return undefined;
  const http = withClusterKey(all.http, all);
  const { Operators } = await import("../http/mod.ts");
  const maxConnections = (await share()).http;
  const { metrics } = telemetry ?? {};
  const { watch } = webhook ?? {};
  const { sinks } = exports ?? {};
  const observed = {
    metrics,
    watch,
    sinks,
    configSource: remote,
    eventLog: recorder?.recorder,
    onAction: recorder?.onAction,
  };
  return new Operators({ config: http, log, maxConnections, ...observed, ...state });
}

function observedBy(
  operators: Operators | undefined,
  { recorder, telemetry, webhook }: PartOptions,
  cluster: ClusterPart | undefined,
) {
  const others = [cluster?.cluster, recorder, webhook?.watch, ...telemetry?.subscribers ?? []];
  const all = [...operators?.subscribers ?? [], ...others];
  // HTTP shares what it reads from with telemetry and webhook.
  const subscribers = [...new Set(all.filter((one) => one !== undefined))];
  const metrics = operators?.metrics ?? telemetry?.metrics;
  return { subscribers, ...(metrics && { statistics: metrics.statistics }) };
}

/** The configuration of a server that connects to its own embedded broker. */
function servedBy(config: ServerConfig, port: number): ServerConfig {
  const { broker } = config;
  return { ...config, broker: { ...broker, host: reachableHost(broker.host), port } };
}

/** Why the program cannot start, one line per reason; unexpected errors come with their stack. */
async function startProblems(error: unknown): Promise<readonly string[]> {
  if (error instanceof ServerStartError) return error.problems;
  if (!(error instanceof Error)) return [String(error)];
  return [await isExpected(error) ? error.message : error.stack ?? error.message];
}

/** Errors whose message is sufficient without a stack. */
async function isExpected(error: Error): Promise<boolean> {
  const [{ StateError }, { MemberExistsError }] = await Promise.all([
    import("../state/mod.ts"),
    import("../cluster/mod.ts"),
  ]);
  return error instanceof StateError || error instanceof MemberExistsError ||
    error instanceof TlsFileError ||
    error instanceof ListenError ||
    error instanceof HttpListenError;
}
