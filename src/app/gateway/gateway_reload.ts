// Reloads the configuration of a running gateway: reads and checks all of it, and changes only what
// differs.
import {
  compareGateways,
  ConfigError,
  type GatewayConfig,
  gatewayWithoutRestart,
  type LoadedGatewayConfig,
  problemText,
  type SettingChange,
  settingText,
} from "../../config/mod.ts";
import type { Logging } from "../../log/mod.ts";
import { Coalesced } from "../../time/mod.ts";
import { gatewayProblems } from "./problems.ts";
import type { RunningGateway } from "./running_gateway.ts";

export interface GatewayReloaderOptions {
  /** Reads and checks the configuration, as at the start; throws a `ConfigError`. */
  readonly load: () => Promise<LoadedGatewayConfig>;
  readonly gateway: Pick<RunningGateway, "config" | "change">;
  readonly logging: Pick<Logging, "log" | "configureLevels">;
  /** Called with a configuration that was applied, for everything but gateway and log. */
  readonly onApplied?: (config: GatewayConfig) => void;
}

/** The result of a reload, as plain data. */
export interface GatewayReloadReport {
  /** Whether the configuration was applied; otherwise nothing has changed. */
  readonly applied: boolean;
  /** Numbers of the modules that were started, and have taken over. */
  readonly modules: readonly number[];
  /** Whether devices and sessions have to connect again. */
  readonly reconnected: boolean;
  /** Changed settings that take effect, and when. */
  readonly settings: readonly SettingChange[];
  readonly needsRestart: readonly SettingChange[];
  readonly warnings: readonly string[];
  /** Why it was refused, one line each. */
  readonly problems: readonly string[];
}

/** Runs reloads one after the other; an unusable configuration changes nothing. */
export class GatewayReloader {
  readonly #options: GatewayReloaderOptions;
  readonly #reloads = new Coalesced(() => this.#reload());

  constructor(options: GatewayReloaderOptions) {
    this.#options = options;
  }

  /** Reloads, after the current reload if there is one; requests that wait share it. Never rejects. */
  reload(): Promise<GatewayReloadReport> {
    return this.#reloads.run();
  }

  async #reload(): Promise<GatewayReloadReport> {
    const report = await this.#apply();
    const { log } = this.#options.logging;
    if (report.applied) { for (const warning of report.warnings) log.warning(warning); }
    for (const problem of report.problems) log.error(problem);
    log.info(() => `Configuration ${reportLine(report)}`);
    return report;
  }

  async #apply(): Promise<GatewayReloadReport> {
    const { load, gateway, logging, onApplied } = this.#options;
    let warnings: string[] = [];
    try {
      const loaded = await load();
      warnings = loaded.warnings.map(({ path, message }) => `${path}: ${message}`);
      const running = gateway.config;
      const settings = compareGateways(running, loaded.config);
      const target = gatewayWithoutRestart(running, loaded.config);
      const change = await gateway.change(target);
      logging.configureLevels(target.logging);
      onApplied?.(target);
      return {
        applied: true,
        ...change,
        settings: settings.filter(({ takes }) => takes !== "restart"),
        needsRestart: settings.filter(({ takes }) => takes === "restart"),
        warnings,
        problems: [],
      };
    } catch (error) {
      const nothing = { modules: [], reconnected: false, settings: [], needsRestart: [] };
      return { applied: false, ...nothing, warnings, problems: problemsOf(error) };
    }
  }
}

function reportLine(report: GatewayReloadReport): string {
  const { applied, modules, reconnected, settings, needsRestart, problems } = report;
  if (!applied) {
    const { length } = problems;
    return `not reloaded, nothing has changed: ${length} problem${length === 1 ? "" : "s"}`;
  }
  const texts = [
    ...settings.map(settingText),
    ...modules.length > 0 ? [`modules ${modules.join(", ")} started`] : [],
    ...reconnected ? ["devices and sessions connect again"] : [],
    ...needsRestart.length > 0
      ? [`needs a restart: ${needsRestart.map(settingText).join(", ")}`]
      : [],
  ];
  return texts.length === 0 ? "reloaded, nothing has changed" : `reloaded: ${texts.join("; ")}`;
}

function problemsOf(error: unknown): readonly string[] {
  if (error instanceof ConfigError) {
    return error.problems.map((problem) => problemText(error.source, problem));
  }
  return gatewayProblems(error) ??
    [`Defect while reloading: ${error instanceof Error ? error.stack : error}`];
}
