// Compares two configurations: cars and settings that differ, and when each change takes effect.
import { type Key, type KeyAt, keysOf, type Takes, withValueOf } from "../keys/key.ts";
import { BROKER_TLS, FLAT_BROKER } from "../keys/broker_keys.ts";
import { MODULE } from "../keys/fleet_keys.ts";
import { COMMON } from "../keys/keys.ts";
import type { CarConfig, ModuleConfig, ServerConfig } from "../resolve/config.ts";
import { grantsSame } from "../../script/mod.ts";
import { MASK } from "../../text/mod.ts";

/** A changed setting; values are human-readable, secrets masked. */
export interface SettingChange {
  /** As documents name it, such as `mqtt_timeout` or `limits.max_devices`. */
  readonly key: string;
  readonly from: string;
  readonly to: string;
  readonly takes: Takes;
}

/** A change of a module of a car that is in both. */
export interface ModuleChange {
  readonly module: number;
  readonly what: "added" | "removed" | "changed";
  /** Keys whose values differ, such as `config.url`; none unless it is changed. */
  readonly keys: readonly string[];
}

/** A car that is in both, and whose modules differ. */
export interface CarChange {
  readonly car: string;
  /** At least one. */
  readonly modules: readonly ModuleChange[];
}

/** All differences; names of cars are in the order of their document. */
export interface ConfigDifference {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly changed: readonly CarChange[];
  /** Cars that are the same in both. */
  readonly same: readonly string[];
  readonly settings: readonly SettingChange[];
}

export interface CompareOptions {
  /** The server runs the broker itself: the broker's settings say where it listens. */
  readonly embeddedBroker?: boolean;
}

/** Every setting, in the order of the table; cars and modules are compared by themselves. */
const SETTINGS: readonly KeyAt[] = keysOf({ ...FLAT_BROKER, ...BROKER_TLS, ...COMMON });

/** Compares the running configuration with a new one. With another company, all cars are different cars. */
export function compareConfigs(
  from: ServerConfig,
  to: ServerConfig,
  options: CompareOptions = {},
): ConfigDifference {
  const { embeddedBroker = false } = options;
  const facts = { embeddedBroker, turned: isHttpTurned(from, to), exports: canExport(from) };
  const takes = (setting: KeyAt) => takesOf(setting, facts);
  const settings = [...compareSettings(SETTINGS, from, to, takes), ...comparePolicies(from, to)];
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

/** Whether nothing differs. */
export function isSame({ added, removed, changed, settings }: ConfigDifference): boolean {
  return added.length + removed.length + changed.length + settings.length === 0;
}

/** What runs after a change to `to` without a restart: settings that need one stay as in `from`. */
export function withoutRestart(
  from: ServerConfig,
  to: ServerConfig,
  { embeddedBroker = false }: CompareOptions = {},
): ServerConfig {
  const facts = { embeddedBroker, turned: isHttpTurned(from, to), exports: canExport(from) };
  return keepRestarts(SETTINGS, from, to, (setting) => takesOf(setting, facts));
}

/** `to`, but with the values that `from` has for the settings that need a restart. */
export function keepRestarts<C extends object>(
  settings: readonly KeyAt<C>[],
  from: C,
  to: C,
  takes: (setting: KeyAt<C>) => Key["takes"],
): C {
  return settings.reduce((config, setting) => {
    const { at } = setting.key;
    if (at === undefined || takes(setting) !== "restart") return config;
    return withValueOf(config, from, at);
  }, to);
}

/** Whether HTTP is to be turned on or off, which takes a restart with all that is in its section. */
export function isHttpTurned(
  from: Pick<ServerConfig, "http">,
  to: Pick<ServerConfig, "http">,
): boolean {
  return (from.http === undefined) !== (to.http === undefined);
}

/** Whether there is what sinks need; otherwise new ones take a restart. */
export function canExport(
  { eventLog, stateDir }: Pick<ServerConfig, "eventLog" | "stateDir">,
): boolean {
  return eventLog !== undefined && stateDir !== undefined;
}

/** What the running configuration and the change of it say about keys. */
interface ReloadFacts {
  readonly embeddedBroker: boolean;
  readonly turned: boolean;
  readonly exports: boolean;
}

function takesOf(
  { path, key: { takes, listens } }: KeyAt,
  { embeddedBroker, turned, exports }: ReloadFacts,
): Key["takes"] {
  const restarts = (embeddedBroker && listens) || (turned && path.startsWith("http.")) ||
    (!exports && path === "sinks");
  return restarts ? "restart" : takes;
}

/** The settings that differ; what is not a setting by itself is left out. */
export function compareSettings<C>(
  settings: readonly KeyAt<C>[],
  from: C,
  to: C,
  takesOf: (setting: KeyAt<C>) => Key["takes"],
): SettingChange[] {
  return settings.flatMap((setting): SettingChange[] => {
    const { path, key } = setting;
    const { compared = key.of } = key;
    const takes = takesOf(setting);
    if (takes === "contexts" || takes === "nothing" || !compared) return [];
    const [old, now] = [compared(from), compared(to)];
    if (old === now) return [];
    const shown = (value: unknown, config: C) => {
      if (value === undefined) return "nothing";
      if (key.secret) return MASK;
      return key.unit === "s" ? `${value} s` : key.shown?.(config) ?? String(value);
    };
    return [{ key: path, from: shown(old, from), to: shown(now, to), takes }];
  });
}

const POLICY = keysOf<ModuleConfig>(MODULE.command_policy.keys, "command_policy.");

/** Policies of modules that are in both; what is the same for several cars is said once. */
function comparePolicies(from: ServerConfig, to: ServerConfig): SettingChange[] {
  const cars = new Map(from.cars.map((car) => [car.name, car]));
  const changes = to.cars.flatMap(({ name, modules }) =>
    modules.flatMap((module) => {
      const old = cars.get(name)?.modules.find(({ id }) => id === module.id);
      if (old === undefined) return [];
      return compareSettings(POLICY, old, module, ({ key }) => key.takes)
        .map((change) => ({ ...change, key: `module ${module.id} ${change.key}` }));
    })
  );
  return [...new Map(changes.map((change) => [JSON.stringify(change), change])).values()];
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

/** Ignores the order of parameters. */
function changedKeys(from: ModuleConfig, to: ModuleConfig): string[] {
  const keys: string[] = [];
  if (from.libPath !== to.libPath) keys.push("lib_path");
  else if (from.script?.hash !== to.script?.hash) keys.push("content of lib_path");
  if (!grantsSame(from.permissions, to.permissions)) keys.push("permissions");
  if (from.waitTimeoutMs !== to.waitTimeoutMs) keys.push("timeout_ms");
  const before = new Map(from.parameters);
  const after = new Map(to.parameters);
  for (const key of new Set([...before.keys(), ...after.keys()])) {
    if (before.get(key) !== after.get(key)) keys.push(`config.${key}`);
  }
  return keys;
}
