// Assembles a server: MQTT for the cars, processes for their modules.
import type { CarCluster } from "../cluster/mod.ts";
import type { CarConfig, ServerConfig } from "../config/mod.ts";
import {
  type CallStatistics,
  type ContextHostKind,
  CONTEXTS_PER_HOST,
  type EarlyHost,
  ModuleHost,
} from "../module/mod.ts";
import { type CarTransport, type Connector, createConnector } from "../transport/mod.ts";
import { andSuppressed, type Log, Once } from "../log/mod.ts";
import { type HostEvents, Server, type ServerSubscriber } from "../server/mod.ts";

/**
 * Deadline for destroying a context, in milliseconds. Together with leaving the broker before it
 * and closing the log after it, stopping takes less than 10 s [STOP-ORDER].
 */
const DESTROY_MS = 4000;

/** The parts of a server. */
export interface AssembleOptions {
  readonly config: ServerConfig;
  readonly log: Log;
  /** Whether an operator has paused a car, perhaps before the server started. @default {none is} */
  readonly isPaused?: (car: string) => boolean;
  /** Observes all cars. */
  readonly subscribers?: readonly ServerSubscriber[];
  /** See {@linkcode CarOptions.beforeAnswer}. */
  readonly beforeAnswer?: (send: () => void) => void;
  /** Counts the calls of all modules. @default {a new one for each host} */
  readonly statistics?: CallStatistics;
  /** The first module host, started already. @default {a new one} */
  readonly earlyHost?: EarlyHost | undefined;
  /** The way to the broker. @default {a new one, as the configuration says} */
  readonly connector?: Connector;
  /** Makes the transports of cars that several servers share; then each is served when it is owned. */
  readonly cluster?: Pick<CarCluster, "createTransport"> | undefined;
}

/**
 * Makes a server, not started yet.
 *
 * @throws {TlsFileError} when a file for TLS cannot be used.
 */
export async function assembleServer(options: AssembleOptions): Promise<Server> {
  const { config, log } = options;
  const { cluster } = options;
  const connector = options.connector ?? await makeConnector(config, log);
  return new Server({
    ...options,
    shared: cluster !== undefined,
    createTransport: (car, config) => createTransport(config, car, cluster ?? connector, log),
    startHost: (events, config, kind) => startHost(events, config, options, kind),
    contextsPerHost: CONTEXTS_PER_HOST,
  });
}

/**
 * Makes the way to the broker, which a reload may change.
 *
 * @throws {TlsFileError} when a file for TLS cannot be used.
 */
export function makeConnector(config: ServerConfig, log: Log): Promise<Connector> {
  const { broker, timeouts: { refusedPauseMs } } = config;
  return createConnector({ broker, refusedPauseMs, log });
}

function createTransport(
  { company, limits: { maxMessageBytes, maxMessagesPerSecond } }: ServerConfig,
  { name: car }: CarConfig,
  from: Pick<Connector, "createTransport">,
  log: Log,
): CarTransport {
  const carLog = log.forCar(car);
  const once = new Once();
  const onOversize = (bytes: number, maxMessageBytes: number) => {
    const count = once.ask("oversize");
    if (count === undefined) return;
    carLog.warning(
      `Discarded a message of ${bytes} bytes unread: max_message_bytes is ` +
        maxMessageBytes + andSuppressed(count),
    );
  };
  const onFlood = (maxMessagesPerSecond: number) => {
    const count = once.ask("flood");
    if (count === undefined) return;
    carLog.warning(
      "Reading slowed down: more messages a second arrive than max_messages_per_second, which is " +
        maxMessagesPerSecond + andSuppressed(count),
    );
  };
  return from.createTransport({
    company,
    car,
    maxMessageBytes,
    maxMessagesPerSecond,
    onOversize,
    onFlood,
  });
}

function startHost(
  { onOutput, onBlocked, onExit }: HostEvents,
  { timeouts: { moduleCallMs }, limits: { maxHostMemoryBytes } }: ServerConfig,
  { log, statistics, earlyHost }: AssembleOptions,
  kind: ContextHostKind,
): Promise<ModuleHost> {
  return ModuleHost.start({
    kind,
    early: earlyHost,
    moduleCallTimeoutMs: moduleCallMs,
    maxMemoryBytes: maxHostMemoryBytes,
    destroyTimeoutMs: DESTROY_MS,
    log,
    ...(statistics === undefined ? {} : { statistics }),
    onOutput,
    onBlocked,
    onExit,
  });
}
