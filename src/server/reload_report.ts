// The result of a reload, as plain data and as one line.
import {
  type CarChange,
  type ConfigDifference,
  modulesText,
  namesText,
  reconnects,
  type SettingChange,
  settingText,
} from "../config/mod.ts";

/** The result of a reload, as plain data. */
export interface ReloadReport {
  /** Whether the configuration was applied; otherwise nothing has changed. */
  readonly applied: boolean;
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** Cars whose modules were replaced; their sessions ended as `module_lost`. */
  readonly changed: readonly CarChange[];
  /** Cars that keep their session. */
  readonly untouched: number;
  /** Number of cars that reconnect within seconds, as broker or login changed (`broker_lost`). */
  readonly reconnecting: number;
  /** Changed settings that take effect, and when. */
  readonly settings: readonly SettingChange[];
  /** Changed settings that need a restart. */
  readonly needsRestart: readonly SettingChange[];
  /** Warnings about the configuration, as `path: message`. */
  readonly warnings: readonly string[];
  /** Why it was refused, one line each. */
  readonly problems: readonly string[];
}

/** The report of an applied configuration. */
export function appliedReport(
  difference: ConfigDifference,
  warnings: readonly string[],
): ReloadReport {
  const { added, removed, changed, same, settings } = difference;
  const isReconnecting = reconnects(difference);
  return {
    applied: true,
    added,
    removed,
    changed,
    untouched: isReconnecting ? 0 : same.length,
    reconnecting: isReconnecting ? same.length + changed.length : 0,
    settings: settings.filter(({ takes }) => takes !== "restart"),
    needsRestart: settings.filter(({ takes }) => takes === "restart"),
    warnings,
    problems: [],
  };
}

/** The report of a refused configuration. */
export function refusedReport(
  problems: readonly string[],
  cars: number,
  warnings: readonly string[] = [],
): ReloadReport {
  return {
    applied: false,
    added: [],
    removed: [],
    changed: [],
    untouched: cars,
    reconnecting: 0,
    settings: [],
    needsRestart: [],
    warnings,
    problems,
  };
}

/** The report in one line. */
export function reportLine(report: ReloadReport): string {
  const { added, removed, changed, untouched, reconnecting, settings, needsRestart } = report;
  if (!report.applied) {
    const { length } = report.problems;
    return `not reloaded, nothing has changed: ${length} problem${length === 1 ? "" : "s"}`;
  }
  const cars = [
    ...(added.length > 0 ? [`${count(added.length)} added (${namesText(added)})`] : []),
    ...(removed.length > 0 ? [`${count(removed.length)} removed (${namesText(removed)})`] : []),
    ...(changed.length > 0
      ? [
        `${count(changed.length)} changed (${
          namesText(changed.map((change) => `${change.car}: ${modulesText(change)}`))
        })`,
      ]
      : []),
    ...(reconnecting > 0 ? [`${count(reconnecting)} reconnecting to the broker`] : []),
  ];
  const texts = [
    ...cars,
    ...(settings.length > 0 ? [settings.map(settingText).join(", ")] : []),
    ...(needsRestart.length > 0
      ? [`needs a restart: ${needsRestart.map(settingText).join(", ")}`]
      : []),
  ];
  if (texts.length === 0) return "reloaded, nothing has changed";
  return `reloaded: ${texts.join("; ")}; ${count(untouched)} untouched`;
}

function count(cars: number): string {
  return cars === 1 ? "1 car" : `${cars} cars`;
}
