// What a Module Gateway is made from.
import type { GatewayBroker, GatewayTimes } from "../gateway/mod.ts";
import type { InternalServerSettings, ListenAddress } from "../internal_server/mod.ts";
import type { Log } from "../log/mod.ts";
import type { GatewayModule } from "../module/mod.ts";
import type { HandlerSettings } from "../module_handler/mod.ts";
import type { Clock } from "../time/mod.ts";
import type { GatewayTurnSubscriber } from "./turn.ts";

/**
 * Where some modules' devices are reported: a broker, with a session of its own. No two endpoints
 * have the same broker, which would know both by one name.
 */
export interface EndpointOptions {
  /** Names it in the log, in turns and in snapshots; no two endpoints have the same. */
  readonly name: string;
  readonly broker: GatewayBroker;
  /** Module numbers; no two endpoints serve the same. */
  readonly modules: readonly number[];
}

/** Where statuses are kept that could not be sent [GATEWAY-HISTORY]. */
export interface HistoryOptions {
  /** Has a directory for each broker; no other gateway may use it. */
  readonly directory: string;
  /** Of each endpoint, in bytes; the oldest statuses make room. @default {64 MiB} */
  readonly maxBytes?: number;
}

export interface ModuleGatewayOptions {
  readonly company: string;
  readonly car: string;
  /** By number; one that no endpoint names is not served. They are the caller's: `stop` keeps them. */
  readonly modules: ReadonlyMap<number, GatewayModule>;
  readonly endpoints: readonly EndpointOptions[];
  /** Where devices connect. */
  readonly listen: readonly ListenAddress[];
  readonly log: Log;
  /** @default {INTERNAL_SERVER_SETTINGS} */
  readonly internalServer?: InternalServerSettings;
  /** @default {HANDLER_SETTINGS} */
  readonly handler?: Partial<Omit<HandlerSettings, "modules">>;
  /** The clocks of sessions. @default {GATEWAY_TIMES} */
  readonly times?: Partial<GatewayTimes>;
  /** Keeps statuses that could not be sent, to offer them afterwards. @default {nothing is kept} */
  readonly history?: HistoryOptions;
  /** @default {systemClock} */
  readonly clock?: Clock;
  /** Called in this order. */
  readonly subscribers?: readonly GatewayTurnSubscriber[];
}
