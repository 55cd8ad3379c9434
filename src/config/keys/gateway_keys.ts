// Every key of a Module Gateway's configuration, described once [CONFIG-GATEWAY]. Names are the
// reference gateway's; additions are optional and said to be so.
import * as z from "zod";
import * as field from "./fields.ts";
import { key as keyOf, type KeyFacts, objectOf, optionalSection, section } from "./key.ts";
import { COMMON, HTTP, LOGGING } from "./keys.ts";
import type { GatewayConfig, GatewayModuleConfig } from "../resolve/gateway_config.ts";

const PUSH_MODES = ["always", "between", "never"] as const;

function key<S extends z.ZodType>(schema: S, facts: KeyFacts<GatewayConfig>) {
  return keyOf<S, GatewayConfig>(schema, facts);
}

/** Limits of the internal server. */
export const INTERNAL_SERVER_LIMITS = {
  "connect-ms": key(field.milliseconds().default(10_000), {
    doc: "Addition: a connection without a Connect is closed after this time",
    takes: "at_once",
    unit: "ms",
  }),
  "frame-ms": key(field.milliseconds().default(5_000), {
    doc: "Addition: a message that has begun has to be whole after this time",
    takes: "at_once",
    unit: "ms",
  }),
  "answer-ms": key(field.milliseconds().default(250), {
    doc: "Addition: a device whose module has not answered after this time is disconnected",
    takes: "at_once",
    unit: "ms",
  }),
  "silent-ms": key(field.milliseconds().default(2_000), {
    doc: "Addition: with takeover probe, a connection silent for so long is replaced",
    takes: "at_once",
    unit: "ms",
  }),
  "close-ms": key(field.milliseconds().default(1_000), {
    doc: "Addition: a refused device may read its answer for this time",
    takes: "at_once",
    unit: "ms",
  }),
  "max-message-bytes": key(field.count(1).default(1_048_576), {
    doc: "Addition: a device that sends a larger message is disconnected",
    takes: "new_connections",
    unit: "bytes",
  }),
  "max-connections": key(field.count(1).default(4_096), {
    doc: "Addition: further connections are closed",
    takes: "at_once",
  }),
  "max-held-bytes": key(field.count(1).default(67_108_864), {
    doc:
      "Addition: with more bytes in messages that are not answered, the newest costs its connection",
    takes: "at_once",
    unit: "bytes",
  }),
  "max-unsent-bytes": key(field.count(1).default(4_194_304), {
    doc: "Addition: a device that leaves more bytes unread is disconnected",
    takes: "at_once",
    unit: "bytes",
  }),
  "max-held-commands": key(field.count(1).default(3), {
    doc:
      "Addition: commands that a device did not ask for and that wait for it; the oldest makes room",
    takes: "at_once",
  }),
};

/** Where devices connect. */
export const INTERNAL_SERVER = {
  port: key(field.anyPort().optional(), {
    doc: "The port for devices; --port replaces it; 0: chosen by the system",
    takes: "reconnect",
    at: "internalServer.port",
  }),
  address: key(field.hostName().default("0.0.0.0"), {
    doc: "Addition: where the gateway listens for devices, an IP address or a host name",
    takes: "reconnect",
    at: "internalServer.address",
  }),
  "unix-socket": key(field.filledText("the path of a Unix socket").optional(), {
    doc: "Addition: a Unix socket for devices on the same machine, besides the port",
    takes: "reconnect",
    at: "internalServer.unixSocket",
  }),
  "tls-cert": key(field.filledText("the path of a file").optional(), {
    doc: "Addition: certificate chain, PEM; devices then need TLS; requires tls-key",
    takes: "reconnect",
    at: "internalServer.tls.certFile",
  }),
  "tls-key": key(field.filledText("the path of a file").optional(), {
    doc: "Addition: private key of the certificate, PEM",
    takes: "reconnect",
    at: "internalServer.tls.keyFile",
  }),
  tokens: key(
    z.record(z.string(), field.keyHash())
      .meta({ propertyNames: { pattern: "^[0-9]+/[0-9]+/" } }).optional(),
    {
      doc:
        "Addition: the hash of each device's token by module/type/role, as key new --device prints it; other devices are refused",
      takes: "at_once",
      at: "internalServer.tokens",
      compared: ({ internalServer: { tokens } }) => tokens && JSON.stringify(tokens),
      shown: ({ internalServer: { tokens } }) => tokens && Object.keys(tokens).join(", "),
    },
  ),
  takeover: key(field.word(["strict", "probe"]).default("strict"), {
    doc:
      "Addition: a device that is connected and connects again is refused (strict), or replaces a connection that is silent (probe)",
    takes: "at_once",
    at: "internalServer.takeover",
  }),
  push: key(field.word(PUSH_MODES).default("between"), {
    doc:
      "Addition: when a device gets a command that it did not ask for: always, between two statuses, or never, but as an answer",
    takes: "at_once",
    at: "internalServer.push",
  }),
  "push-of": key(
    z.record(z.string(), field.word(PUSH_MODES))
      .meta({ propertyNames: { pattern: "^[0-9]+/[0-9]+$" } }).default({}),
    {
      doc: "Addition: the same for single types of devices, by module/type",
      takes: "at_once",
      at: "internalServer.pushOf",
      compared: ({ internalServer: { pushOf } }) => JSON.stringify(pushOf),
    },
  ),
  limits: section(
    "internal-server-limits",
    "Addition: limits of the connections of devices",
    INTERNAL_SERVER_LIMITS,
    "internalServer.limits",
  ),
};

const tlsFile = (what: string, at: string) =>
  key(field.text("the path of a PEM file").default(""), {
    doc: `${what}, PEM; counts only with ssl; empty: ${at}`,
    takes: "reconnect",
  });

/** The broker of an endpoint, besides its address. */
export const MQTT_SETTINGS = {
  ssl: key(field.flag().default(false), { doc: "Whether to use TLS", takes: "reconnect" }),
  "ca-file": tlsFile("Additional CA certificates to trust", "those that the system trusts"),
  "client-cert": tlsFile("Client certificate", "none"),
  "client-key": tlsFile("Private key of the client certificate", "none"),
  username: key(field.filledText("a string").optional(), {
    doc: "Addition: user name for the broker",
    takes: "reconnect",
  }),
  password: key(field.text("a string").optional(), {
    doc: "Addition: password for the broker",
    takes: "reconnect",
    secret: true,
  }),
  "password-file": key(field.filledText("the path of a file").optional(), {
    doc: "Addition: file with the password, instead of password; a newline at its end is dropped",
    takes: "reconnect",
  }),
};

/** One endpoint: a broker, and the modules whose devices are reported there. */
export const ENDPOINT = {
  "protocol-type": key(field.anyCaseWord(["MQTT", "QUIC", "DUMMY"]), {
    doc: "MQTT; the reference gateway's QUIC and DUMMY are read, and refused",
    takes: "reconnect",
  }),
  "server-ip": key(field.filledText("a host or an address such as mqtts://host"), {
    doc: "The broker: a host, or an address that begins with mqtt://, mqtts://, ws:// or wss://",
    takes: "reconnect",
  }),
  port: key(field.port().optional(), {
    doc:
      "The broker's port; when absent that of the address, else 1883 (mqtts 8883, ws 80, wss 443)",
    takes: "reconnect",
  }),
  modules: key(z.array(field.count(1), { error: "a list of module numbers" }), {
    doc: "Numbers of the modules whose devices are reported to this broker",
    takes: "reconnect",
  }),
  "mqtt-settings": optionalSection(undefined, "TLS and credentials for the broker", MQTT_SETTINGS),
  "quic-settings": key(z.record(z.string(), z.unknown()).optional(), {
    doc: "Settings of QUIC, which have no effect here",
    takes: "nothing",
  }),
};

/** Statuses that could not be sent [GATEWAY-HISTORY]. */
const HISTORY = {
  directory: key(field.filledText("the path of a directory"), {
    doc: "Addition: where statuses are kept that could not be sent, to be offered afterwards",
    takes: "reconnect",
    at: "history.directory",
  }),
  "max-bytes": key(field.count(1).default(67_108_864), {
    doc: "Addition: of each endpoint; the oldest statuses make room",
    takes: "reconnect",
    unit: "bytes",
    at: "history.maxBytes",
  }),
};

/** The cloud. */
export const EXTERNAL_CONNECTION = {
  company: key(field.fleetName("a company's name"), {
    doc: "The first level of every topic",
    takes: "reconnect",
    at: "company",
  }),
  "vehicle-name": key(field.fleetName("a car's name"), {
    doc: "The car; the second level of every topic",
    takes: "reconnect",
    at: "car",
  }),
  endpoints: key(
    z.array(objectOf(ENDPOINT), { error: "a list of endpoints" }).meta({ minItems: 1 }),
    {
      doc: "Brokers, each with the modules that are served there",
      takes: "reconnect",
      compared: ({ endpoints }) => JSON.stringify(endpoints),
      shown: ({ endpoints }) => endpoints.map(({ name }) => name).join(", "),
    },
  ),
  history: optionalSection(
    "gateway-history",
    "Addition: statuses that could not be sent are kept, and offered afterwards; off when absent",
    HISTORY,
  ),
};

/** Limits of modules and their hosts. */
export const MODULE_LIMITS = {
  "slow-call-ms": key(field.milliseconds().default(50), {
    doc:
      "Addition: calls behind one that takes longer are made in another host, and the module is named",
    takes: "new_hosts",
    unit: "ms",
  }),
  "call-timeout-ms": key(field.milliseconds().default(5_000), {
    doc: "Addition: a call that takes longer fails, and its host is killed",
    takes: "new_hosts",
    unit: "ms",
  }),
  "max-hosts": key(field.count(1).default(4), {
    doc: "Addition: hosts of one module at the same time",
    takes: "new_hosts",
  }),
  "spare-hosts": key(field.count(0).default(1), {
    doc: "Addition: hosts of one module that stand by; with 0, the first slow call delays others",
    takes: "new_hosts",
  }),
  "max-host-memory-bytes": key(field.count(0).default(0), {
    doc: "Addition: a host with more resident memory is replaced; 0: never",
    takes: "new_hosts",
    unit: "bytes",
  }),
};

const names = (what: string) =>
  z.array(z.string({ error: what }).min(1, { error: what }), { error: `a list, each ${what}` })
    .optional();

/** What a module in TypeScript or JavaScript may do. */
const PERMISSIONS = z.strictObject({
  net: names("a host, or host:port").describe("Hosts it may reach, each with a port or without"),
  read: names("a path").describe("Files and folders it may read"),
  write: names("a path").describe("Files and folders it may write"),
  env: names("the name of a variable").describe("Environment variables it may read"),
}).meta({ id: "module-permissions" });

const byNumber = { propertyNames: { pattern: "^0*[1-9][0-9]{0,9}$" } };

/** All of it. */
export const GATEWAY = {
  logging: optionalSection("logging", "Where log lines go", LOGGING),
  "internal-server-settings": optionalSection(
    "internal-server-settings",
    "Where devices connect",
    INTERNAL_SERVER,
  ),
  "module-paths": key(
    z.record(z.string(), field.filledText("the path of a module")).meta(byNumber),
    {
      doc:
        "Modules by number: shared libraries, or files in TypeScript or JavaScript (.ts, .mts, .js, .mjs)",
      takes: "new_hosts",
      of: ({ modules }) => byModule(modules, ({ path }) => path),
      compared: ({ modules }) => JSON.stringify(byModule(modules, ({ path }) => path)),
      shown: ({ modules }) => modules.map(({ number, path }) => `${number} ${path}`).join(", "),
    },
  ),
  "module-binary-path": key(field.text("the path of a program").default(""), {
    doc: "Has no effect here: every module runs in processes of its own",
    takes: "nothing",
    of: () => "",
  }),
  "module-permissions": key(
    z.record(z.string(), PERMISSIONS).meta(byNumber).default({}),
    {
      doc:
        "Addition: what modules in TypeScript or JavaScript may do, by number; nothing by default",
      takes: "new_hosts",
      of: ({ modules }) => byModule(modules, ({ permissions }) => permissions),
      compared: ({ modules }) => JSON.stringify(byModule(modules, (one) => one.permissions)),
    },
  ),
  "module-limits": section(
    "module-limits",
    "Addition: limits of modules and of the hosts they run in",
    MODULE_LIMITS,
    "moduleLimits",
  ),
  "external-connection": {
    kind: "section",
    doc: "The cloud",
    keys: EXTERNAL_CONNECTION,
    schema: objectOf(EXTERNAL_CONNECTION).meta({ id: "external-connection" }).describe("The cloud"),
  },
  http: optionalSection(
    "http",
    "Addition: page, API and metrics of the gateway; off when absent",
    HTTP,
  ),
  event_log: optionalSection(
    "event_log",
    "Addition: what passes through the gateway, on the disk; off when absent",
    COMMON.event_log.keys,
  ),
  sinks: COMMON.sinks,
  state_dir: key(field.filledText("the path of a directory").optional(), {
    doc: "Addition: directory for how far sinks are",
    takes: "restart",
    at: "stateDir",
  }),
  config_source: COMMON.config_source,
} as const;

/** A document of the reference gateway, or with additions. */
export const gatewaySchema = objectOf(GATEWAY).meta({ title: "Module Gateway configuration" });

function byModule<T>(
  modules: readonly GatewayModuleConfig[],
  of: (module: GatewayModuleConfig) => T | undefined,
): Record<string, T> {
  const entries = modules.map((module) => [String(module.number), of(module)] as const);
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined)) as Record<
    string,
    T
  >;
}
