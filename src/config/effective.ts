// Writes the form back as a document of dialect B, so that a user sees what counts in the end.
import { formatAddress } from "./address.ts";
import { limitsByKey } from "./limits.ts";
import type { HttpConfig, ModuleConfig, ServerConfig } from "./model.ts";
import { MASK, maskValue } from "./secrets.ts";

/** How {@linkcode effectiveDocument} writes. */
export interface EffectiveOptions {
  /** Whether secrets are shown; for tests. @default {false} */
  readonly showSecrets?: boolean;
}

/**
 * The form as a document that says every key: paths absolute, times in the units of the keys, the
 * order always the same, secrets masked. With secrets shown it loads into the same form again.
 */
export function effectiveDocument(
  config: ServerConfig,
  options: EffectiveOptions = {},
): Record<string, unknown> {
  const { broker, timeouts, limits, logging, http } = config;
  const showSecrets = options.showSecrets ?? false;
  return {
    company_name: config.company,
    external_communication: {
      protocol: "MQTT",
      server_address: formatAddress(broker),
      server_port: broker.port,
      timeout_ms: timeouts.sessionMs,
      ...given("ca_certs_file", broker.tls?.caFile),
      ...given("cert_file", broker.tls?.certFile),
      ...given("key_file", broker.tls?.keyFile),
      ...given("mqtt_username", broker.username),
      ...given("mqtt_password", showSecrets ? broker.password : broker.password && MASK),
    },
    timeout: timeouts.responseMs / 1000,
    module_call_timeout: timeouts.moduleCallMs / 1000,
    send_invalid_command: config.sendInvalidCommand,
    sleep_duration_after_connection_refused: timeouts.refusedPauseMs / 1000,
    limits: limitsByKey((_limit, name) => limits[name]),
    logging: {
      console: {
        use: logging.console.use,
        level: logging.console.level,
        format: logging.console.format,
      },
      file: {
        use: logging.file.use,
        level: logging.file.level,
        format: logging.file.format,
        path: logging.file.directory,
      },
    },
    ...(http === undefined ? {} : { http: effectiveHttp(http, showSecrets) }),
    log_files_to_keep: logging.file.keep,
    log_file_max_size_bytes: logging.file.maxBytes,
    cars: Object.fromEntries(config.cars.map(({ name, modules }) => [name, {
      specific_modules: Object.fromEntries(
        modules.map((module) => [String(module.id), effectiveModule(module, showSecrets)]),
      ),
    }])),
  };
}

function effectiveHttp(http: HttpConfig, showSecrets: boolean): Record<string, unknown> {
  return {
    address: http.address,
    port: http.port,
    ...given("api_key", showSecrets ? http.apiKey : http.apiKey && MASK),
    ...given("tls_cert", http.tls?.certFile),
    ...given("tls_key", http.tls?.keyFile),
  };
}

function effectiveModule(module: ModuleConfig, showSecrets: boolean): Record<string, unknown> {
  const parameters = module.parameters.map(([key, value]): [string, string] => {
    return [key, showSecrets ? value : maskValue(key, value)];
  });
  return {
    lib_path: module.libPath,
    config: Object.fromEntries(parameters),
    timeout_ms: module.waitTimeoutMs,
  };
}

function given(key: string, value: string | undefined): Record<string, string> {
  return value === undefined ? {} : { [key]: value };
}
