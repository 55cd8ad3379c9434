// Describes the differences between two configurations, for `check --against` and the log.
import type { CarChange, ConfigDifference, SettingChange } from "./compare.ts";
import type { Takes } from "../keys/key.ts";

/** Names listed; the rest are only counted. */
const MAX_NAMES = 10;

const WHEN: Readonly<Record<Takes, string>> = {
  at_once: "at once, sessions go on",
  new_hosts: "for module hosts that start from now on",
  new_connections: "for broker connections from now on",
  reconnect: "every car reconnects to the broker, its session ends (broker_lost)",
  restart: "needs a restart",
};

/** One line per change, the most important first. */
export function differenceLines(difference: ConfigDifference): string[] {
  const { added, removed, changed, settings } = difference;
  return [
    ...added.map((car) => `car ${car}: added`),
    ...removed.map((car) => `car ${car}: removed, its session ends (stopped)`),
    ...changed.map((change) =>
      `car ${change.car}: ${modulesText(change)}, its session ends (module_lost)`
    ),
    ...settings.map((setting) => `${settingText(setting)}: ${WHEN[setting.takes]}`),
  ];
}

/** Such as `module 7 changed (lib_path, config.url), module 8 added`. */
export function modulesText({ modules }: CarChange): string {
  return modules.map(({ module, what, keys }) =>
    `module ${module} ${what}${keys.length > 0 ? ` (${keys.join(", ")})` : ""}`
  ).join(", ");
}

/** Such as `mqtt_timeout 30 s -> 60 s`. */
export function settingText({ key, from, to }: SettingChange): string {
  return from === to ? `${key} (other value)` : `${key} ${from} -> ${to}`;
}

/** Names in one line: `a, b and 3 more`. */
export function namesText(names: readonly string[]): string {
  const shown = names.slice(0, MAX_NAMES).join(", ");
  return names.length > MAX_NAMES ? `${shown} and ${names.length - MAX_NAMES} more` : shown;
}

/** Whether every car reconnects to the broker. */
export function reconnects({ settings }: ConfigDifference): boolean {
  return settings.some(({ takes }) => takes === "reconnect");
}
