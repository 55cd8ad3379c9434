// What counts when a key is absent, in the units of the keys.
import type { LogLevel } from "./log_level.ts";
import type { LogFormat } from "./model.ts";

/** Defaults of the keys at the top level; durations in seconds. */
export const DEFAULTS = {
  mqtt_timeout: 30,
  timeout: 30,
  module_call_timeout: 30,
  sleep_duration_after_connection_refused: 0.5,
  send_invalid_command: false,
  log_files_to_keep: 5,
  log_file_max_size_bytes: 10_000_000,
} as const satisfies Readonly<Record<string, number | boolean>>;

/** Default of `timeout_ms` of `external_communication`: `mqtt_timeout`, in milliseconds. */
export const DEFAULT_SESSION_MS = DEFAULTS.mqtt_timeout * 1000;

/** Default of a module's `timeout_ms`. */
export const DEFAULT_WAIT_MS = 1000;

/** Defaults of a section of `logging`. */
export const LOGGING_DEFAULTS = {
  use: true,
  level: "INFO",
  format: "text",
} as const satisfies {
  readonly use: boolean;
  readonly level: LogLevel;
  readonly format: LogFormat;
};

/** Defaults of `http`, when it is given. */
export const HTTP_DEFAULTS = { address: "127.0.0.1", port: 8080 } as const;

/** Ports of addresses that name none. */
export const PORT_DEFAULTS = {
  mqtt: 1883,
  mqtts: 8883,
  ws: 80,
  wss: 443,
} as const satisfies Readonly<Record<string, number>>;
