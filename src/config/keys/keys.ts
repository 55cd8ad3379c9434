// Every key of the configuration, described once, here and in broker_keys.ts, fleet_keys.ts,
// outbound_keys.ts and cluster_keys.ts. The schemas of the dialects, the JSON Schema, the defaults, the effective document,
// the comparison and docs/configuration_keys.md derive from this.
import * as z from "zod";
import * as field from "./fields.ts";
import { key, optionalSection, section } from "./key.ts";
import { LOG_FORMATS, LOG_LEVELS } from "../../log/mod.ts";
import { SCOPES } from "../resolve/config.ts";
import { CLUSTER } from "./cluster_keys.ts";
import { CONFIG_SOURCE_SECTION } from "./source_keys.ts";
import { EVENT_LOG, OPENTELEMETRY, sinkKeys, sinksSchema, WEBHOOK } from "./outbound_keys.ts";

/** Limits of each car or module host. */
export const LIMITS = {
  max_message_bytes: key(field.count(1).default(1_048_576), {
    doc: "A larger message of a gateway is discarded unread",
    takes: "at_once",
    unit: "bytes",
    listens: true,
  }),
  max_messages_per_second: key(field.count(1).default(10_000), {
    doc: "A gateway that sends more is read more slowly; its messages wait at the broker",
    takes: "at_once",
  }),
  max_devices: key(field.count(1).default(1000), {
    doc: "A Connect with more devices is refused; further ones are not connected",
    takes: "at_once",
  }),
  max_status_gap: key(field.count(1).default(1000), {
    doc: "A status counter further ahead fails the session",
    takes: "at_once",
  }),
  max_waiting_statuses: key(field.count(1).default(1000), {
    doc:
      "With more statuses waiting for modules, reading pauses, and the gateway keeps further ones",
    takes: "at_once",
  }),
  max_waiting_bytes: key(field.count(1).default(16_777_216), {
    doc:
      "With more bytes in statuses waiting for modules, reading pauses; ahead of a missing status, the session fails",
    takes: "at_once",
    unit: "bytes",
  }),
  max_waiting_commands: key(field.count(1).default(10_000), {
    doc:
      "With more commands waiting, modules keep theirs; with twice as many, the newest is dropped",
    takes: "at_once",
  }),
  max_waiting_command_bytes: key(field.count(1).default(16_777_216), {
    doc:
      "With more bytes in commands waiting, modules keep theirs; with more in commands without a response, further ones wait",
    takes: "at_once",
    unit: "bytes",
  }),
  max_unanswered_commands: key(field.count(1).default(500), {
    doc: "With more commands without a response, further ones wait",
    takes: "at_once",
  }),
  max_host_memory_bytes: key(field.hostMemory().default(0), {
    doc:
      "A module host with more resident memory is replaced like one that crashed; 0: never, with a WARNING at half of the machine's memory",
    takes: "new_hosts",
    unit: "bytes",
  }),
};

/** When a car is degraded, and when an incident is over. */
export const HEALTH = {
  window_ms: key(field.milliseconds().default(30_000), {
    doc: "Refusals and slow responses of so long count",
    takes: "at_once",
    unit: "ms",
  }),
  refused_percent: key(field.percent().default(10), {
    doc:
      "A car is degraded when a module refuses so many of its statuses, or its gateway so many commands",
    takes: "at_once",
    unit: "%",
  }),
  slow_response_ms: key(field.milliseconds().default(5000), {
    doc: "A car is degraded when the response to a status takes so long",
    takes: "at_once",
    unit: "ms",
  }),
  backlog: key(field.count(1).default(20), {
    doc: "A car is degraded when so many statuses are unanswered and their number grows",
    takes: "at_once",
  }),
  settle_ms: key(field.milliseconds().default(30_000), {
    doc: "An incident is over when its cause has been away for so long",
    takes: "at_once",
    unit: "ms",
  }),
  switched_off_ms: key(field.wholeMilliseconds().default(3_600_000), {
    doc:
      "A gateway that was lost and has been silent for so long counts as switched off: its incident ends; 0: never",
    takes: "at_once",
    unit: "ms",
  }),
};

/** Where cars are, for the map of the page. */
export const MAP = {
  latitude: key(field.jsonPath().default("latitude"), {
    doc: "Path of the latitude, in degrees, in the JSON of a status",
    takes: "at_once",
  }),
  longitude: key(field.jsonPath().default("longitude"), {
    doc: "Path of the longitude, in degrees, in the JSON of a status",
    takes: "at_once",
  }),
  tiles: key(field.tileUrl().default(""), {
    doc:
      "Server of map tiles, such as https://tile.openstreetmap.org/{z}/{x}/{y}.png, which browsers ask; empty: a plain plot, and no other server is asked",
    takes: "at_once",
  }),
  attribution: key(field.text("a string").default(""), {
    doc: "Whom the map names as the source of its tiles",
    takes: "at_once",
  }),
};

/** What both destinations of log lines have. */
function destination<At extends "logging.console" | "logging.file">(at: At) {
  return {
    use: key(field.flag().default(true), {
      doc: "Whether lines are written there",
      takes: "restart",
      at: `${at}.use`,
    }),
    level: key(field.anyCaseWord(LOG_LEVELS).default("INFO"), {
      doc: "The lowest level that is written: DEBUG, INFO, WARNING, ERROR or CRITICAL",
      takes: "at_once",
      at: `${at}.level`,
    }),
    format: key(field.word(LOG_FORMATS).default("text"), {
      doc: "Text lines, lines with the fields of the Python server, or one JSON object per line",
      takes: "restart",
      at: `${at}.format`,
    }),
  };
}

/** Where log lines go. */
export const LOGGING = {
  console: optionalSection(
    undefined,
    "Lines on the console; on by default",
    destination("logging.console"),
  ),
  file: optionalSection(undefined, "Lines in a file; off when absent", {
    ...destination("logging.file"),
    path: key(field.text("the path of a directory").default(""), {
      doc: "Directory of the log file; empty: the working directory",
      takes: "restart",
      at: "logging.file.directory",
    }),
  }),
};

/** The keys of the API by name; whether two are the same is checked where they are resolved. */
const keysSchema = z.record(
  z.string(),
  z.strictObject({
    scope: field.word(SCOPES).describe(
      "What it allows: read observes, operate acts on cars, admin changes the server",
    ),
    hash: field.keyHash().describe("SHA-256 of the key: sha256: and 64 hexadecimal digits"),
  }),
).meta({ id: "keys", propertyNames: { pattern: "^[A-Za-z0-9_.-]{1,64}$" } });

/** The HTTP server. */
export const HTTP = {
  address: key(field.hostName().default("127.0.0.1"), {
    doc: "Where it listens: an IP address or a host name; beyond loopback, a key is required",
    takes: "restart",
    at: "http.address",
  }),
  port: key(field.anyPort().default(8080), {
    doc: "The port; 0: chosen by the system",
    takes: "restart",
    at: "http.port",
  }),
  api_key: key(field.text("a string").optional(), {
    doc: "A key in clear text, of scope admin and with the name api_key",
    takes: "at_once",
    secret: true,
    at: "http.apiKey",
  }),
  api_key_file: key(field.filledText("the path of a file").optional(), {
    doc: "File with the key, instead of api_key; a newline at its end is dropped",
    takes: "at_once",
  }),
  keys: key(keysSchema.optional(), {
    doc:
      "Keys by name, hashed, as the command key new prints them; a removed key stops working at once",
    takes: "at_once",
    at: "http.keys",
    of: ({ http }) =>
      http?.keys &&
      Object.fromEntries(http.keys.map(({ name, scope, hash }) => [name, { scope, hash }])),
    compared: ({ http }) => http?.keys && JSON.stringify(http.keys),
    shown: ({ http }) => http?.keys?.map(({ name, scope }) => `${name} (${scope})`).join(", "),
  }),
  tls_cert: key(field.filledText("the path of a file").optional(), {
    doc: "Certificate chain, PEM; turns HTTPS on; requires tls_key",
    takes: "restart",
    at: "http.tls.certFile",
  }),
  tls_key: key(field.filledText("the path of a file").optional(), {
    doc: "Private key of the certificate, PEM",
    takes: "restart",
    at: "http.tls.keyFile",
  }),
};

/** The keys of every dialect. */
export const COMMON = {
  $schema: key(field.text("the address of a JSON Schema").optional(), {
    doc: "For editors; the server ignores it",
    takes: "nothing",
  }),
  company_name: key(field.fleetName("a company's name"), {
    doc: "The company whose cars are served; the first level of every topic",
    takes: "at_once",
    at: "company",
  }),
  timeout: key(field.seconds().default(30), {
    doc: "Seconds for each response that is awaited",
    takes: "at_once",
    unit: "s",
    of: ({ timeouts }) => timeouts.responseMs / 1000,
  }),
  module_call_timeout: key(field.seconds().default(30), {
    doc: "Seconds that one call of a module may take, except wait_for_command",
    takes: "new_hosts",
    unit: "s",
    of: ({ timeouts }) => timeouts.moduleCallMs / 1000,
  }),
  send_invalid_command: key(field.flag().default(false), {
    doc: "Whether a command whose device names another module is sent anyway",
    takes: "at_once",
    at: "sendInvalidCommand",
  }),
  sleep_duration_after_connection_refused: key(field.seconds({ zero: true }).default(0.5), {
    doc: "Seconds until a broker that refused is tried again; the pause grows to at most 30",
    takes: "at_once",
    unit: "s",
    of: ({ timeouts }) => timeouts.refusedPauseMs / 1000,
  }),
  limits: section("limits", "Limits of each car or module host", LIMITS),
  health: section("health", "When a car is degraded, judged while http or webhook is on", HEALTH),
  map: section("map", "The map of the page: where cars are, found in their statuses", MAP),
  logging: optionalSection("logging", "Where log lines go", LOGGING),
  http: optionalSection("http", "Page, API and metrics for operators; off when absent", HTTP),
  opentelemetry: optionalSection(
    "opentelemetry",
    "Metrics and traces for OpenTelemetry, sent as OTLP over HTTP; off when absent",
    OPENTELEMETRY,
  ),
  webhook: optionalSection(
    "webhook",
    "Incidents for other systems, posted as they begin and end; off when absent",
    WEBHOOK,
  ),
  cluster: optionalSection(
    "cluster",
    "Several servers that share one fleet through etcd; off when absent",
    CLUSTER,
  ),
  event_log: optionalSection(
    "event_log",
    "What happened to every car, on the disk: for replay, time lines and exports; off when absent",
    EVENT_LOG,
  ),
  sinks: key(sinksSchema.optional(), {
    doc:
      "Where events of the event log are delivered, by name, each at least once and in the order of the log; requires event_log and state_dir",
    takes: "at_once",
    at: "sinks",
    of: ({ sinks }) =>
      sinks && Object.fromEntries(sinks.map((sink) => [sink.name, sinkKeys(sink)])),
    compared: ({ sinks }) => sinks && JSON.stringify(sinks),
    shown: ({ sinks }) => sinks?.map(({ name, kind }) => `${name} (${kind})`).join(", "),
  }),
  config_source: CONFIG_SOURCE_SECTION,
  state_dir: key(field.filledText("the path of a directory").optional(), {
    doc:
      "Directory for what survives a restart of the server: pauses, log-ins, actions, incidents, history; when absent, nothing does",
    takes: "restart",
    at: "stateDir",
  }),
  log_files_directory: key(field.text("the path of a directory").optional(), {
    doc:
      "Turns the log file on; empty: the working directory. Ignored when logging.file is present",
    takes: "restart",
  }),
  log_files_to_keep: key(field.count(0).default(5), {
    doc: "Number of rotated log files to keep",
    takes: "restart",
    at: "logging.file.keep",
  }),
  log_file_max_size_bytes: key(field.fileSize().default(10_000_000), {
    doc: "Size at which the log file is rotated; 0: never",
    takes: "restart",
    unit: "bytes",
    at: "logging.file.maxBytes",
  }),
};
