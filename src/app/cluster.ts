// A server's part in a cluster; nothing of it is loaded where the configuration has no cluster.
import type { Car } from "../car/mod.ts";
import type { Adoption, ConnectAgainReason, RunningCluster } from "../cluster/mod.ts";
import { type ClusterConfig, type HttpConfig, keyHash, type ServerConfig } from "../config/mod.ts";
import type { OperatedCluster, Peers } from "../http/mod.ts";
import type { Log } from "../log/mod.ts";
import { readTls } from "../net/mod.ts";
import type { Pauses } from "../state/mod.ts";
import { systemClock } from "../time/mod.ts";
import type { Connector } from "../transport/mod.ts";
import { VERSION } from "../version.ts";
import type { Part } from "./lifetime.ts";
import type { Running } from "./telemetry.ts";

/** Others have so long to take cars while this server stops, in milliseconds. */
const HAND_OVER_MS = 5_000;

/** The cluster, and what joins and leaves it. */
export interface ClusterPart extends Part {
  readonly cluster: RunningCluster;
  /** What operators can do with it; absent without HTTP. */
  readonly operated: OperatedCluster | undefined;
}

/**
 * Undefined when the configuration has no cluster. Starts after the server and stops before it.
 *
 * @throws {TlsFileError} when a file for etcd's TLS cannot be used.
 */
export async function clusterOf(
  { cluster: config, company, http }: ServerConfig,
  connector: Connector,
  log: Log,
  running: Readonly<Running>,
  pauses: Pauses | undefined,
): Promise<ClusterPart | undefined> {
  if (config === undefined) return undefined;
  const { CarConversations, EtcdStore, RunningCluster } = await import("../cluster/mod.ts");
  const { endpoints, prefix, login, tls: files } = config.etcd;
  const tls = files && await readTls(files);
  const { leaseS } = config;
  const cluster = new RunningCluster({
    member: memberOf(config, http !== undefined),
    store: new EtcdStore({
      endpoints,
      prefix,
      company,
      leaseS,
      clock: systemClock,
      ...(tls && { tls }),
      ...(login && { login }),
    }),
    makeConversations: (listener) => new CarConversations({ connector, listener, log }),
    log,
    clock: systemClock,
    onAdopted: (car, adoption) => pauses && followPause(car, adoption, pauses),
  });
  return {
    name: "the cluster",
    cluster,
    operated: http && { cluster, peers: await peersOf(config) },
    async start() {
      if (running.server !== undefined) await cluster.start(running.server);
    },
    stop: () => cluster.stop(HAND_OVER_MS),
  };
}

async function peersOf({ key }: ClusterConfig): Promise<Peers> {
  const { Peers } = await import("../http/mod.ts");
  return new Peers(key, systemClock);
}

/**
 * HTTP that lets the other instances in. Where nobody needs a key, they need none either: it would lock
 * everybody else out.
 */
export function withClusterKey(
  http: HttpConfig,
  { cluster }: Pick<ServerConfig, "cluster">,
): HttpConfig {
  const { apiKey, keys = [] } = http;
  if (cluster?.key === undefined || (apiKey === undefined && keys.length === 0)) return http;
  const key = { name: "cluster", scope: "admin", hash: keyHash(cluster.key) } as const;
  return { ...http, keys: [...keys, key] };
}

/** This server as the others are to know it. */
function memberOf({ instance, capacity, labels, advertise }: ClusterConfig, hasHttp: boolean) {
  const url = hasHttp ? advertise?.replaceAll("{instance}", instance) ?? null : null;
  return { id: instance, version: VERSION, capacity, labels, url };
}

/** A pause comes with the car: who paused it, and why, is known where that was done. */
function followPause(car: Car, adoption: Adoption, pauses: Pauses): void {
  const { car: name, paused } = car.snapshot();
  const known = pauses.get(name);
  if (paused === (known !== undefined)) return;
  if (paused) {
    const at = Math.floor(systemClock.now());
    void pauses.add([name], { by: "cluster", at, reason: "Paused on another instance" });
  } else if (adoption.kind === "connect_again" && HAS_NO_PAUSE.has(adoption.reason)) {
    car.pause();
  } else {
    void pauses.remove([name]);
  }
}

/** What was found at the broker says nothing of a pause. */
const HAS_NO_PAUSE: ReadonlySet<ConnectAgainReason> = new Set(["no_checkpoint", "damaged"]);
