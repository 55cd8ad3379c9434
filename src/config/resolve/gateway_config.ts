// The resolved configuration of a Module Gateway.
import type { Script, ScriptPermissions } from "../../script/mod.ts";
import type { LoggingConfig } from "../../log/mod.ts";
import type { ResolvedOf } from "../keys/key.ts";
import type { INTERNAL_SERVER_LIMITS, MODULE_LIMITS } from "../keys/gateway_keys.ts";
import type {
  BrokerConfig,
  ConfigSourceConfig,
  EventLogConfig,
  HttpConfig,
  SinkConfig,
} from "./config.ts";

/** A valid configuration. Durations are in milliseconds, sizes in bytes. */
export interface GatewayConfig {
  readonly company: string;
  readonly car: string;
  readonly internalServer: InternalServerConfig;
  /** By number, ascending; each is served by an endpoint. */
  readonly modules: readonly GatewayModuleConfig[];
  readonly moduleLimits: ModuleLimits;
  /** At least one; in the order of the document. */
  readonly endpoints: readonly EndpointConfig[];
  /** Where statuses are kept that could not be sent, an absolute path; absent: they are not. */
  readonly history?: { readonly directory: string; readonly maxBytes: number };
  readonly logging: LoggingConfig;
  /** Absent: no HTTP. */
  readonly http?: HttpConfig;
  /** Absent: nothing is recorded. */
  readonly eventLog?: EventLogConfig;
  /** At least one; absent: nothing is exported. */
  readonly sinks?: readonly SinkConfig[];
  /** An absolute path; absent: there are no sinks. */
  readonly stateDir?: string;
  /** Absent: the configuration is the local file. */
  readonly configSource?: ConfigSourceConfig;
}

/** Where devices connect, and by which rules. */
export interface InternalServerConfig {
  /** A host name or an IP address. */
  readonly address: string;
  /** 0: chosen by the system. */
  readonly port: number;
  /** An absolute path. */
  readonly unixSocket?: string;
  /** Files in PEM form, absolute paths; absent: no TLS. */
  readonly tls?: { readonly certFile: string; readonly keyFile: string };
  readonly takeover: "strict" | "probe";
  readonly push: PushMode;
  /** By `module/type`. */
  readonly pushOf: Readonly<Record<string, PushMode>>;
  /** `sha256:` and hexadecimal digits by `module/type/role`; absent: devices need no tokens. */
  readonly tokens?: Readonly<Record<string, string>>;
  /** The section `limits`, by the names of its keys in camel case. */
  readonly limits: ResolvedOf<typeof INTERNAL_SERVER_LIMITS>;
}

/** When a device gets a command that it did not ask for. */
type PushMode = "always" | "between" | "never";

/** A module of the car's side. */
export interface GatewayModuleConfig {
  readonly number: number;
  /** Absolute path of its library or script. */
  readonly path: string;
  /** What a script may do; absent: nothing. */
  readonly permissions?: ScriptPermissions;
  /** The script that was found there. */
  readonly script?: Script;
}

/** The section `module-limits`, by the names of its keys in camel case. */
export type ModuleLimits = ResolvedOf<typeof MODULE_LIMITS>;

/** A broker, and the modules whose devices are reported there. */
export interface EndpointConfig {
  /** Its place in the document and its address, as in `1 mqtt://broker:1883`. */
  readonly name: string;
  readonly broker: BrokerConfig;
  readonly modules: readonly number[];
}
