// The resolved configuration, the same whatever the dialect [CONFIG-DIALECTS].
import type { ChannelConfig, DecoderConfig } from "../../channel/mod.ts";
import type { Script, ScriptPermissions } from "../../script/mod.ts";
import type { ResolvedOf } from "../keys/key.ts";
import type { HEALTH, LIMITS, MAP } from "../keys/keys.ts";
import type { LoggingConfig } from "../../log/mod.ts";
import type { Endpoint, TlsFiles } from "../../net/mod.ts";

/** A valid configuration. Durations are in milliseconds, sizes in bytes. */
export interface ServerConfig {
  readonly company: string;
  readonly broker: BrokerConfig;
  readonly timeouts: Timeouts;
  readonly limits: Limits;
  /** When a car is degraded. */
  readonly health: ResolvedOf<typeof HEALTH>;
  /** Where positions of cars are found, and what they are shown on. */
  readonly map: MapConfig;
  /** Whether a command whose device names another module is sent anyway. */
  readonly sendInvalidCommand: boolean;
  readonly logging: LoggingConfig;
  /** Absent: no HTTP. */
  readonly http?: HttpConfig;
  /** Absent: nothing for OpenTelemetry. */
  readonly opentelemetry?: OpenTelemetryConfig;
  /** Absent: no webhook. */
  readonly webhook?: WebhookConfig;
  /** Absent: this server has all cars to itself. */
  readonly cluster?: ClusterConfig;
  /** Absent: no event log. */
  readonly eventLog?: EventLogConfig;
  /** Absent: nothing is exported. In the order of the document. */
  readonly sinks?: readonly SinkConfig[];
  /** Absent: the configuration is the local file. */
  readonly configSource?: ConfigSourceConfig;
  /** Directory of what survives a restart, an absolute path; absent: nothing does. */
  readonly stateDir?: string;
  /** At least one; in the order of the document. */
  readonly cars: readonly CarConfig[];
}

/** The section `limits`, by the names of its keys in camel case. */
export type Limits = ResolvedOf<typeof LIMITS>;

/** The section `map`. */
export type MapConfig = ResolvedOf<typeof MAP>;

/** How to reach the broker. */
export interface BrokerConfig extends Endpoint {
  readonly username?: string;
  readonly password?: string;
  /** Present exactly when the protocol is mqtts or wss. */
  readonly tls?: TlsFiles;
}

/** Deadlines and pauses, in milliseconds. */
export interface Timeouts {
  /** `mqtt_timeout`: silence after which a session fails. */
  readonly sessionMs: number;
  /** `timeout`: for each awaited response. */
  readonly responseMs: number;
  /** `module_call_timeout`: for one call of a module, `wait_for_command` excepted. */
  readonly moduleCallMs: number;
  /** `sleep_duration_after_connection_refused`: the first pause before the broker is tried again. */
  readonly refusedPauseMs: number;
}

/** What a key allows; each scope includes those before it. */
export const SCOPES = ["read", "operate", "admin"] as const;
export type Scope = typeof SCOPES[number];

/** A key of the API. */
export interface KeyConfig {
  readonly name: string;
  readonly scope: Scope;
  /** `sha256:` and the hexadecimal digits. */
  readonly hash: string;
}

/** The section `http`. */
export interface HttpConfig {
  /** A host name or an IP address, without brackets. */
  readonly address: string;
  /** 0: chosen by the system. */
  readonly port: number;
  /** A key in clear text, of scope admin. When the address can be reached from elsewhere, there is a key. */
  readonly apiKey?: string;
  /** The hashed keys, in the order of the document. */
  readonly keys?: readonly KeyConfig[];
  /** Files in PEM form, absolute paths; absent: plain HTTP. */
  readonly tls?: { readonly certFile: string; readonly keyFile: string };
}

/** The section `opentelemetry`. */
export interface OpenTelemetryConfig {
  /** Without a slash at the end. */
  readonly endpoint: string;
  /** The header Authorization. */
  readonly authorization?: string;
  /** 0: no metrics. */
  readonly metricsIntervalMs: number;
  /** From 0 to 1; 0: no traces. */
  readonly traceRatio: number;
}

/** The section `webhook`. */
export interface WebhookConfig {
  readonly url: string;
  /** What requests are signed with. */
  readonly secret: string;
}

/** The section `cluster`. */
export interface ClusterConfig {
  readonly etcd: {
    readonly endpoints: readonly string[];
    readonly prefix: string;
    /** Absolute paths. */
    readonly tls?: TlsFiles;
    readonly login?: { readonly name: string; readonly password: string };
  };
  /** This server among the others. */
  readonly instance: string;
  readonly capacity: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly leaseS: number;
  /** As in the document, with `{instance}`; absent: the others cannot ask it. */
  readonly advertise?: string;
  /** What the servers ask each other with; present with `advertise`. */
  readonly key?: string;
}

/** Whether the local file is used where neither source nor cache has a usable configuration. */
export const SOURCE_MODES = ["prefer", "only"] as const;

/** The section `config_source`. */
export interface ConfigSourceConfig {
  readonly url: string;
  /** An absolute path. */
  readonly cacheDir: string;
  readonly pollMs: number;
  /** An absolute path; absent: no key is sent. */
  readonly apiKeyFile?: string;
  /** `ed25519:` and base64; absent: signatures are not looked at. */
  readonly publicKey?: string;
  readonly mode: typeof SOURCE_MODES[number];
  readonly confirmMs: number;
}

/** When a record of the event log is synced: soon, or before its status is answered. */
export const DURABILITIES = ["batch", "each"] as const;

/** The section `event_log`. */
export interface EventLogConfig {
  /** An absolute path. */
  readonly directory: string;
  readonly durability: typeof DURABILITIES[number];
  /** 0: unlimited. */
  readonly maxBytes: number;
  /** 0: unlimited. */
  readonly maxAgeHours: number;
}

export const SINK_KINDS = ["webhook", "file", "mqtt", "nats"] as const;
export const SINK_FORMATS = ["ndjson", "json", "parquet"] as const;

interface AnySink {
  readonly name: string;
  /** Kinds of events, or what they begin with; absent: all. */
  readonly events?: readonly string[];
  readonly batchEvents: number;
  readonly batchMs: number;
  /** 0: unlimited. */
  readonly bytesPerSecond: number;
  /** By module number. */
  readonly decoders?: Readonly<Record<string, DecoderConfig>>;
  /** At least one; absent: it gets all events as they are. */
  readonly channels?: readonly ChannelConfig[];
}

/** Posts batches. */
export interface WebhookSinkConfig extends AnySink {
  readonly kind: "webhook";
  readonly url: string;
  /** An absolute path. */
  readonly secretFile: string;
  readonly format: "ndjson" | "json";
}

/** Appends to files. */
export interface FileSinkConfig extends AnySink {
  readonly kind: "file";
  readonly format: "ndjson" | "parquet";
  /** An absolute path. */
  readonly directory: string;
  readonly maxBytes: number;
  /** 0: all. */
  readonly keep: number;
}

/** The names that a topic or a subject may have in braces. */
export const TOPIC_NAMES = ["company", "car", "module", "type", "role", "name", "kind"] as const;
/** See {@linkcode TOPIC_NAMES}. */
export type TopicName = typeof TOPIC_NAMES[number];

/** A sink with a connection; its files are read each time that it connects. */
interface ConnectedSink extends AnySink {
  readonly username?: string;
  /** Absolute paths, as all of them. */
  readonly passwordFile?: string;
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
  /** Messages that wait for an acknowledgement. */
  readonly maxInFlight: number;
}

/** Publishes to an MQTT broker. */
export interface MqttSinkConfig extends ConnectedSink {
  readonly kind: "mqtt";
  /** A host, or an address such as `mqtts://broker.test:8883`. */
  readonly address: string;
  /** With {@linkcode TOPIC_NAMES} in braces. */
  readonly topic: string;
  /** What was acknowledged so long before the connection is lost is sent again. */
  readonly resendMs: number;
}

/** Publishes to streams of JetStream. */
export interface NatsSinkConfig extends ConnectedSink {
  readonly kind: "nats";
  /** Servers of one cluster parted by commas, such as `nats://10.0.0.7:4222`. */
  readonly address: string;
  readonly credentialsFile?: string;
  readonly tokenFile?: string;
  /** With {@linkcode TOPIC_NAMES} in braces. */
  readonly subject: string;
  /** The stream that has to take the subjects; absent: any. */
  readonly stream?: string;
}

/** An entry of `sinks`. */
export type SinkConfig = WebhookSinkConfig | FileSinkConfig | MqttSinkConfig | NatsSinkConfig;

/** A car and its modules, common ones included; at least one. */
export interface CarConfig {
  readonly name: string;
  /** What a canary is chosen by; absent: it has none. */
  readonly labels?: readonly string[];
  readonly modules: readonly ModuleConfig[];
}

/** What a newer command is compared with a waiting one by. */
export const SUPERSEDE_BY = ["device", "field"] as const;

/** The section `command_policy` of a module. */
export interface CommandPolicyConfig {
  /** `null`: commands never are too old. */
  readonly ttlMs: number | null;
  /** A path in the JSON of commands; empty: the device alone; `null`: no command supersedes another. */
  readonly supersede: readonly string[] | null;
  readonly redeliver: number;
}

export interface ModuleConfig {
  readonly id: number;
  /** Absolute path of the shared library or script. */
  readonly libPath: string;
  /** The script that was found there. */
  readonly script?: Script;
  /** What a script may do. @default {nothing} */
  readonly permissions?: ScriptPermissions;
  /**
   * What `init` gets after `company_name` and `car_name`, as text, in the document's order; one of
   * these two keys here overrides it in its place.
   */
  readonly parameters: readonly (readonly [key: string, value: string])[];
  /** What `wait_for_command` is called with, in milliseconds. */
  readonly waitTimeoutMs: number;
  /** Absent: there is none. */
  readonly commandPolicy?: CommandPolicyConfig;
}
