// What differs between two configurations, in cars and in settings, and when each difference counts.
import { brokerAddress } from "./address.ts";
import { LIMITS } from "./limits.ts";
import type { CarConfig, ModuleConfig, ServerConfig } from "./model.ts";
import { MASK } from "./secrets.ts";

/**
 * When a changed setting counts: at once for every session, for module hosts or broker connections
 * made from now on, by connecting every car anew, or only after a restart.
 */
export type Takes = "at_once" | "new_hosts" | "new_connections" | "reconnect" | "restart";

/** A changed setting; values are for people, secrets are masked. */
export interface SettingChange {
  /** As documents name it, such as `mqtt_timeout` or `limits.max_devices`. */
  readonly key: string;
  readonly from: string;
  readonly to: string;
  readonly takes: Takes;
}

/** A module of a car that stays. */
export interface ModuleChange {
  readonly module: number;
  readonly what: "added" | "removed" | "changed";
  /** Keys whose values differ, such as `config.url`; none unless it is changed. */
  readonly keys: readonly string[];
}

/** A car that stays, and whose modules differ. */
export interface CarChange {
  readonly car: string;
  /** At least one. */
  readonly modules: readonly ModuleChange[];
}

/** Everything that differs; names of cars are in the order of their document. */
export interface ConfigDifference {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly changed: readonly CarChange[];
  /** Cars that are the same in both. */
  readonly same: readonly string[];
  readonly settings: readonly SettingChange[];
}

/** What changes the meaning of a difference. */
export interface CompareOptions {
  /** The server runs the broker itself: what is said about it is what it listens on. */
  readonly embeddedBroker?: boolean;
}

interface Setting {
  readonly key: string;
  readonly takes: Takes;
  readonly show?: (value: unknown) => string;
}

const seconds = (value: unknown) => `${Number(value) / 1000} s`;
const secret = () => MASK;

/** By the name in the one form; what is not here counts after a restart. */
const SETTINGS: Readonly<Record<string, Setting>> = {
  "broker.address": { key: "mqtt_address", takes: "reconnect" },
  "broker.username": { key: "mqtt_username", takes: "reconnect" },
  "broker.password": { key: "mqtt_password", takes: "reconnect", show: secret },
  "broker.tls.caFile": { key: "ca_certs_file", takes: "new_connections" },
  "broker.tls.certFile": { key: "cert_file", takes: "new_connections" },
  "broker.tls.keyFile": { key: "key_file", takes: "new_connections" },
  "timeouts.sessionMs": { key: "mqtt_timeout", takes: "at_once", show: seconds },
  "timeouts.responseMs": { key: "timeout", takes: "at_once", show: seconds },
  "timeouts.moduleCallMs": { key: "module_call_timeout", takes: "new_hosts", show: seconds },
  "timeouts.refusedPauseMs": {
    key: "sleep_duration_after_connection_refused",
    takes: "at_once",
    show: seconds,
  },
  ...Object.fromEntries(
    Object.entries(LIMITS).map(([name, { key }]): [string, Setting] => {
      return [`limits.${name}`, { key: `limits.${key}`, takes: "at_once" }];
    }),
  ),
  sendInvalidCommand: { key: "send_invalid_command", takes: "at_once" },
  "logging.console.level": { key: "logging.console.level", takes: "at_once" },
  "logging.file.level": { key: "logging.file.level", takes: "at_once" },
  "logging.file.directory": { key: "logging.file.path", takes: "restart" },
  "logging.file.maxBytes": { key: "log_file_max_size_bytes", takes: "restart" },
  "logging.file.keep": { key: "log_files_to_keep", takes: "restart" },
  "http.apiKey": { key: "http.api_key", takes: "restart", show: secret },
  "http.tls.certFile": { key: "http.tls_cert", takes: "restart" },
  "http.tls.keyFile": { key: "http.tls_key", takes: "restart" },
  company: { key: "company_name", takes: "at_once" },
};

/** Compares what runs with what shall run. With another company, all cars are other cars. */
export function compareConfigs(
  from: ServerConfig,
  to: ServerConfig,
  options: CompareOptions = {},
): ConfigDifference {
  const settings = compareSettings(from, to, options.embeddedBroker ?? false);
  const before = new Map(from.cars.map((car) => [car.name, car]));
  const after = new Set(to.cars.map(({ name }) => name));
  if (from.company !== to.company) {
    return { added: [...after], removed: [...before.keys()], changed: [], same: [], settings };
  }
  const changed: CarChange[] = [];
  const same: string[] = [];
  const added: string[] = [];
  for (const car of to.cars) {
    const old = before.get(car.name);
    if (old === undefined) added.push(car.name);
    else {
      const modules = compareModules(old, car);
      if (modules.length > 0) changed.push({ car: car.name, modules });
      else same.push(car.name);
    }
  }
  const removed = [...before.keys()].filter((name) => !after.has(name));
  return { added, removed, changed, same, settings };
}

/** Whether there is nothing to do. */
export function isSame({ added, removed, changed, settings }: ConfigDifference): boolean {
  return added.length + removed.length + changed.length + settings.length === 0;
}

/** What runs after a change to `to` without a restart: the rest stays as it is in `from`. */
export function withoutRestart(
  from: ServerConfig,
  to: ServerConfig,
  { embeddedBroker = false }: CompareOptions = {},
): ServerConfig {
  const { http: _, ...rest } = to;
  const { console, file } = from.logging;
  return {
    ...rest,
    ...(from.http === undefined ? {} : { http: from.http }),
    logging: {
      console: { ...console, level: to.logging.console.level },
      file: { ...file, level: to.logging.file.level },
    },
    ...(embeddedBroker
      ? { broker: from.broker, limits: { ...to.limits, messageBytes: from.limits.messageBytes } }
      : {}),
  };
}

function compareSettings(
  from: ServerConfig,
  to: ServerConfig,
  embeddedBroker: boolean,
): SettingChange[] {
  const before = settingsOf(from);
  const after = settingsOf(to);
  const changes: SettingChange[] = [];
  for (const name of new Set([...before.keys(), ...after.keys()])) {
    const [old, now] = [before.get(name), after.get(name)];
    if (old === now) continue;
    const { key, takes, show = String }: Setting = SETTINGS[name] ??
      { key: name, takes: "restart" };
    const listens = name.startsWith("broker.") || name === "limits.messageBytes";
    const shown = (value: unknown) => value === undefined ? "nothing" : show(value);
    changes.push({
      key,
      from: shown(old),
      to: shown(now),
      takes: embeddedBroker && listens ? "restart" : takes,
    });
  }
  return changes;
}

/** Every setting but the cars, by its name in the one form. */
function settingsOf(config: ServerConfig): Map<string, unknown> {
  const { cars: _, broker, ...rest } = config;
  const { protocol, host, port, path, ...more } = broker;
  const address = brokerAddress({ protocol, host, port, path });
  const leaves = new Map<string, unknown>();
  gather({ ...rest, broker: { address, ...more } }, "", leaves);
  return leaves;
}

function gather(value: object, prefix: string, leaves: Map<string, unknown>): void {
  for (const [key, part] of Object.entries(value)) {
    if (typeof part === "object" && part !== null) gather(part, `${prefix}${key}.`, leaves);
    else leaves.set(prefix + key, part);
  }
}

function compareModules(from: CarConfig, to: CarConfig): ModuleChange[] {
  const before = new Map(from.modules.map((module) => [module.id, module]));
  const changes: ModuleChange[] = [];
  for (const module of to.modules) {
    const old = before.get(module.id);
    before.delete(module.id);
    const keys = old === undefined ? [] : changedKeys(old, module);
    if (old === undefined) changes.push({ module: module.id, what: "added", keys });
    else if (keys.length > 0) changes.push({ module: module.id, what: "changed", keys });
  }
  for (const module of before.keys()) changes.push({ module, what: "removed", keys: [] });
  return changes;
}

/** The order of parameters does not count. */
function changedKeys(from: ModuleConfig, to: ModuleConfig): string[] {
  const keys: string[] = [];
  if (from.libPath !== to.libPath) keys.push("lib_path");
  if (from.waitTimeoutMs !== to.waitTimeoutMs) keys.push("timeout_ms");
  const before = new Map(from.parameters);
  const after = new Map(to.parameters);
  for (const key of new Set([...before.keys(), ...after.keys()])) {
    if (before.get(key) !== after.get(key)) keys.push(`config.${key}`);
  }
  return keys;
}
