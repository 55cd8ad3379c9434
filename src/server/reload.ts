// Reloads the configuration of a running server: reads and checks all of it, and changes only what
// differs.
import {
  compareConfigs,
  ConfigError,
  isSame,
  type LoadedConfig,
  type Problem,
  problemText,
  type ServerConfig,
  withoutRestart,
} from "../config/mod.ts";
import { type BrokerWay, type Connector, findWay } from "../transport/mod.ts";
import { TlsFileError } from "../net/mod.ts";
import { Coalesced } from "../time/mod.ts";
import type { Logging } from "../log/mod.ts";
import { ChangeRefusedError } from "./errors.ts";
import { appliedReport, refusedReport, type ReloadReport, reportLine } from "./reload_report.ts";
import type { Server } from "./server.ts";

export interface ReloaderOptions {
  /** Reads and checks the configuration, as at the start; throws {@linkcode ConfigError}. */
  readonly load: () => Promise<LoadedConfig>;
  /** The configuration that was loaded last. */
  readonly running: ServerConfig;
  /** A started server. */
  readonly server: Pick<Server, "config" | "change">;
  readonly connector: Pick<Connector, "hasOtherTls" | "take">;
  readonly logging: Pick<Logging, "log" | "configureLevels">;
  /** Called with a configuration that was applied, for everything but the server. */
  readonly onApplied?: (config: ServerConfig) => void;
  /** Called after every reload, with what it came to in one line. */
  readonly onReloaded?: ((report: ReloadReport, line: string) => void) | undefined;
  /** Whether the server runs the broker itself, which only a restart changes. */
  readonly embeddedBroker: boolean;
}

/**
 * Runs reloads one after the other. An unusable configuration changes nothing, and neither does an
 * identical one. TLS files are read again each time, as their contents may have changed.
 */
export class Reloader {
  readonly #options: ReloaderOptions;
  /** The effective configuration. */
  #running: ServerConfig;
  readonly #reloads = new Coalesced(() => this.#reload());

  constructor(options: ReloaderOptions) {
    this.#options = options;
    this.#running = options.running;
  }

  /**
   * Reloads, after the current reload if there is one; requests that come while one is waiting share it.
   * Never rejects.
   */
  reload(): Promise<ReloadReport> {
    return this.#reloads.run();
  }

  async #reload(): Promise<ReloadReport> {
    const report = await this.#apply();
    const { log } = this.#options.logging;
    if (report.applied) { for (const warning of report.warnings) log.warning(warning); }
    for (const problem of report.problems) log.error(problem);
    const line = reportLine(report);
    log.info(`Configuration ${line}`);
    this.#options.onReloaded?.(report, line);
    return report;
  }

  async #apply(): Promise<ReloadReport> {
    const cars = this.#running.cars.length;
    let warnings: string[] = [];
    try {
      const loaded = await this.#options.load();
      warnings = loaded.warnings.map(problemLine);
      return appliedReport(await this.#take(loaded.config), warnings);
    } catch (error) {
      return refusedReport(problemsOf(error), cars, warnings);
    }
  }

  async #take(next: ServerConfig) {
    const { server, connector, logging, embeddedBroker, onApplied } = this.#options;
    const running = this.#running;
    const way = embeddedBroker ? null : await this.#way(next);
    const compared = compareConfigs(running, next, { embeddedBroker });
    const rotated = way !== null && connector.hasOtherTls(way) &&
      !compared.settings.some(({ takes }) => takes === "new_connections" || takes === "reconnect");
    const settings = rotated ? [...compared.settings, ROTATED] : compared.settings;
    const difference = { ...compared, settings };
    if (isSame(difference)) return difference;
    const target = withoutRestart(running, next, { embeddedBroker });
    const served = embeddedBroker ? { ...target, broker: server.config.broker } : target;
    await server.change(served, difference, () => {
      this.#running = target;
      connector.take(way ?? { refusedPauseMs: target.timeouts.refusedPauseMs });
      logging.configureLevels(target.logging);
      onApplied?.(target);
    });
    return difference;
  }

  #way({ broker, timeouts: { refusedPauseMs } }: ServerConfig): Promise<BrokerWay> {
    return findWay({ broker, refusedPauseMs });
  }
}

const ROTATED = {
  key: "TLS files",
  from: "their old contents",
  to: "their new ones",
  takes: "new_connections",
} as const;

function problemLine({ path, message }: Problem): string {
  return `${path}: ${message}`;
}

/** One line each; unexpected errors are reported as well, as nothing has changed. */
function problemsOf(error: unknown): readonly string[] {
  if (error instanceof ConfigError) {
    return error.problems.map((problem) => problemText(error.source, problem));
  }
  if (error instanceof ChangeRefusedError) return error.problems;
  if (error instanceof TlsFileError) return [error.message];
  return [`Defect while reloading: ${error instanceof Error ? error.stack : error}`];
}
