// Writes the effective configuration as a document of dialect B.
import type * as z from "zod";
import type { Key, Table } from "../keys/key.ts";
import { GATEWAY } from "../keys/gateway_keys.ts";
import { EXTERNAL_BROKER } from "../keys/broker_keys.ts";
import { MODULE } from "../keys/fleet_keys.ts";
import { COMMON } from "../keys/keys.ts";
import { formatAddress } from "../../net/mod.ts";
import type { ModuleConfig, ServerConfig } from "../resolve/config.ts";
import type { EndpointConfig, GatewayConfig } from "../resolve/gateway_config.ts";
import { MASK, maskValue } from "../../text/mod.ts";

/** How {@linkcode effectiveDocument} writes. */
export interface EffectiveOptions {
  /** Whether secrets are shown; for tests. @default {false} */
  readonly showSecrets?: boolean;
  /** Whether all values of modules' `config` are shown. @default {showSecrets} */
  readonly showConfigValues?: boolean | undefined;
}

/**
 * The resolved configuration as a document with every key: absolute paths, times in the units of the keys, always in
 * the same order, secrets masked. With secrets shown, it resolves to the same configuration again.
 */
export function effectiveDocument(
  config: ServerConfig,
  options: EffectiveOptions = {},
): Record<string, unknown> {
  const showSecrets = options.showSecrets ?? false;
  const showConfigValues = options.showConfigValues ?? showSecrets;
  const { company_name, ...common } = COMMON;
  return {
    ...write({ company_name }, config, showSecrets),
    external_communication: write(EXTERNAL_BROKER, config, showSecrets),
    ...write(common, config, showSecrets),
    cars: Object.fromEntries(config.cars.map(({ name, labels, modules }) => [name, {
      ...(labels === undefined ? {} : { labels }),
      specific_modules: Object.fromEntries(
        modules.map((module) => [String(module.id), effectiveModule(module, showConfigValues)]),
      ),
    }])),
  };
}

/** The values of a table's keys, without missing ones and empty sections. */
function write<C>(table: object, config: C, showSecrets: boolean): Record<string, unknown> {
  const document: Record<string, unknown> = {};
  for (const [name, entry] of Object.entries(table as Table)) {
    const value = entry.kind === "key"
      ? valueOf(entry, config, showSecrets)
      : filled(write(entry.keys as object, config, showSecrets));
    if (value !== undefined) document[name] = value;
  }
  return document;
}

function valueOf(entry: Key, config: unknown, showSecrets: boolean): unknown {
  const value = (entry as Key<z.ZodType, unknown>).of?.(config);
  return value !== undefined && entry.secret && !showSecrets ? MASK : value;
}

function filled(section: Record<string, unknown>): Record<string, unknown> | undefined {
  return Object.keys(section).length > 0 ? section : undefined;
}

/** The same of a Module Gateway. */
export function effectiveGatewayDocument(
  config: GatewayConfig,
  { showSecrets = false }: Pick<EffectiveOptions, "showSecrets"> = {},
): Record<string, unknown> {
  const document = write(GATEWAY, config, showSecrets);
  const endpoints = config.endpoints.map((endpoint) => effectiveEndpoint(endpoint, showSecrets));
  const cloud = document["external-connection"] as object;
  return { ...document, "external-connection": { ...cloud, endpoints } };
}

function effectiveEndpoint(
  { broker, modules }: EndpointConfig,
  showSecrets: boolean,
): Record<string, unknown> {
  const { tls, username, password } = broker;
  return {
    "protocol-type": "MQTT",
    "server-ip": formatAddress(broker),
    port: broker.port,
    modules,
    "mqtt-settings": {
      ssl: tls !== undefined,
      "ca-file": tls?.caFile ?? "",
      "client-cert": tls?.certFile ?? "",
      "client-key": tls?.keyFile ?? "",
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password: showSecrets ? password : MASK }),
    },
  };
}

function effectiveModule(module: ModuleConfig, showValues: boolean): Record<string, unknown> {
  const parameters = module.parameters.map(([key, value]): [string, string] => {
    return [key, showValues ? value : maskValue(key, value)];
  });
  return {
    lib_path: module.libPath,
    config: Object.fromEntries(parameters),
    timeout_ms: module.waitTimeoutMs,
    ...(module.permissions === undefined ? {} : { permissions: module.permissions }),
    ...(module.commandPolicy === undefined
      ? {}
      : { command_policy: write(MODULE.command_policy.keys, module, true) }),
  };
}
