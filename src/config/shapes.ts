// The parts the dialects share, with the descriptions that go into the JSON Schema (section 5).
import * as z from "zod";
import { LOG_LEVELS } from "./log_level.ts";
import { DEFAULT_WAIT_MS, DEFAULTS, HTTP_DEFAULTS, LOGGING_DEFAULTS } from "./defaults.ts";
import * as field from "./fields.ts";
import { limitsByKey } from "./limits.ts";

/** Modules by id; how an id is written is checked where modules are resolved. */
export const modulesSchema = z.record(
  z.string(),
  z.strictObject({
    lib_path: field.filledText("the path of a shared library").describe(
      "Shared library of the module; a relative path is looked up from the working directory, then from the folder of this file",
    ),
    config: z.record(z.string(), field.moduleValue()).optional().describe(
      "What the module's init gets after company_name and car_name, as text; these two keys may be overridden here",
    ),
    timeout_ms: field.wholeMilliseconds().default(DEFAULT_WAIT_MS).describe(
      "What wait_for_command is called with, in milliseconds; 0: it is asked without waiting, ever less often down to once a second",
    ),
  }),
).meta({ id: "modules", propertyNames: { pattern: "^0*[1-9][0-9]{0,9}$" } });

const sinkShape = {
  use: field.flag().default(LOGGING_DEFAULTS.use).describe("Whether lines go there"),
  level: field.anyCaseWord(LOG_LEVELS).default(LOGGING_DEFAULTS.level).describe(
    "The least level that is written: DEBUG, INFO, WARNING, ERROR or CRITICAL",
  ),
  format: field.word(["text", "json"]).default(LOGGING_DEFAULTS.format).describe(
    "Lines for people, or one JSON object a line",
  ),
};

const loggingSchema = z.strictObject({
  console: z.strictObject(sinkShape).optional().describe("Lines on the console; on unless told"),
  file: z.strictObject({
    ...sinkShape,
    path: field.text("the path of a directory").default("").describe(
      "Directory of external_server.log; empty: the working directory",
    ),
  }).optional().describe("Lines in a file; off when absent"),
}).meta({ id: "logging" });

const limitsSchema = z.strictObject(
  limitsByKey((limit) => field.count(1).default(limit.default).describe(limit.description)),
).meta({ id: "limits" });

const httpSchema = z.strictObject({
  address: field.hostName().default(HTTP_DEFAULTS.address).describe(
    "Where it listens: an IP address or a host name; beyond loopback a key is needed",
  ),
  port: field.anyPort().default(HTTP_DEFAULTS.port).describe(
    "The port; 0: one the system chooses",
  ),
  api_key: field.text("a text").optional().describe("Key that every request needs"),
  api_key_file: field.filledText("the path of a file").optional().describe(
    "File with the key, instead of api_key; a newline at its end is dropped",
  ),
  tls_cert: field.filledText("the path of a file").optional().describe(
    "Certificate chain, PEM; turns HTTPS on, needs tls_key",
  ),
  tls_key: field.filledText("the path of a file").optional().describe(
    "Private key of the certificate, PEM",
  ),
}).meta({ id: "http" });

/** The keys every dialect knows. */
export const commonShape = {
  $schema: field.text("the address of a JSON Schema").optional().describe(
    "For editors; the server ignores it",
  ),
  company_name: field.fleetName("a company's name").describe(
    "The company whose cars are served; the first level of every topic",
  ),
  timeout: field.seconds().default(DEFAULTS.timeout).describe(
    "Seconds for each response that is awaited",
  ),
  module_call_timeout: field.seconds().default(DEFAULTS.module_call_timeout).describe(
    "Seconds for one call of a module, wait_for_command excepted",
  ),
  send_invalid_command: field.flag().default(DEFAULTS.send_invalid_command).describe(
    "Whether a command whose device names another module is sent all the same",
  ),
  sleep_duration_after_connection_refused: field.seconds({ zero: true })
    .default(DEFAULTS.sleep_duration_after_connection_refused).describe(
      "Seconds until a broker that refused is tried again; grows to at most 30",
    ),
  limits: limitsSchema.default(limitsByKey((limit) => limit.default)).describe(
    "What is bounded, for each car",
  ),
  logging: loggingSchema.optional().describe("Where log lines go"),
  http: httpSchema.optional().describe("Page, API and metrics for operators; off when absent"),
  log_files_directory: field.text("the path of a directory").optional().describe(
    "Turns the log file on; empty: the working directory. logging.file decides when both are given",
  ),
  log_files_to_keep: field.count(0).default(DEFAULTS.log_files_to_keep).describe(
    "Rotated log files kept beside the current one",
  ),
  log_file_max_size_bytes: field.fileSize().default(DEFAULTS.log_file_max_size_bytes).describe(
    "Size at which the log file is rotated; 0: never",
  ),
};

/** Name and password for the broker. */
export const credentialShape = {
  mqtt_username: field.filledText("a text").optional().describe("User name for the broker"),
  mqtt_password: field.text("a text").optional().describe("Password for the broker"),
  mqtt_password_file: field.filledText("the path of a file").optional().describe(
    "File with the password for the broker, instead of mqtt_password; a newline at its end is dropped",
  ),
};
