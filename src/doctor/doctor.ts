// Runs every check, in an order in which a failure explains why later checks are skipped. The larger ones
// are loaded when they run: the server needs only its limits, each time it starts.
import {
  ConfigError,
  type Dialect,
  type GatewayConfig,
  isForGateway,
  loadAnyConfig,
  type Overrides,
  type Problem,
  type ServerConfig,
} from "../config/mod.ts";
import { checkClock } from "./clock.ts";
import { CHECKS, type Finding, Findings } from "./findings.ts";
import { checkLimits } from "./limits.ts";
import { checkLogs } from "./logs.ts";

/** Their names in the documentation. */
const DIALECT_NAMES: Record<Dialect, string> = {
  A: "documented dialect",
  B: "newest dialect",
  C: "single-car dialect",
};

/** What is examined, and how far the checks may go. */
export interface ExamineOptions {
  /** The configuration file. */
  readonly config: string;
  readonly overrides?: Overrides;
  /** Whether `init` of modules is called, which may contact a real API. */
  readonly init: boolean;
  /** Whether messages are published to every car, which connected gateways notice. */
  readonly publish: boolean;
  /**
   * Otherwise, how long to listen for gateways, in milliseconds, before messages are published to
   * cars without one; 0: no messages are published.
   */
  readonly listenMs: number;
  /** Ends all checks; those that have not ended fail or are skipped. */
  readonly signal: AbortSignal;
}

/** Tests everything the server will need; results are in the order of {@linkcode CHECKS}. */
export async function examine(options: ExamineOptions): Promise<Finding[]> {
  const { signal, init } = options;
  const findings = new Findings("configuration");
  const read = await readConfig(options, findings);
  if (read !== undefined && "endpoints" in read) {
    const { examineGateway } = await import("./gateway.ts");
    return inOrder([findings, ...await examineGateway(read, signal)]);
  }
  const config = read;
  const parts = config === undefined ? [checkClock()] : [
    import("./broker/network.ts").then(({ checkNetwork }) => checkNetwork(config, options)),
    import("./libraries.ts").then(({ checkLibraries }) => checkLibraries({ config, init, signal })),
    import("./http.ts").then(({ checkHttp }) => checkHttp(config)),
    checkLimits(config, options.overrides?.embeddedBroker !== undefined),
    checkClock(),
    checkLogs(config),
    import("./state.ts").then(({ checkState }) => checkState(config)),
    ...(config.cluster === undefined
      ? []
      : [import("./cluster.ts").then(({ checkCluster }) => checkCluster(config, signal))]),
    ...(config.sinks === undefined
      ? []
      : [import("./sinks.ts").then(({ checkSinks }) => checkSinks(config, signal))]),
  ];
  return inOrder([findings, ...(await Promise.all(parts)).flat()]);
}

function inOrder(findings: readonly Findings[]): Finding[] {
  const all = findings.flatMap(({ list }) => list);
  return CHECKS.flatMap((check) => all.filter((finding) => finding.check === check));
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

async function readConfig(
  options: ExamineOptions,
  findings: Findings,
): Promise<ServerConfig | GatewayConfig | undefined> {
  const warn = (warnings: readonly Problem[]) => {
    for (const { path, message } of warnings) {
      findings.warning(path, message, "Correct it, or ignore this if it is intended");
    }
  };
  try {
    const loaded = await loadAnyConfig(options.config, options.overrides);
    if (isForGateway(loaded)) {
      const { company, car, modules, endpoints } = loaded.config;
      const sizes = `${counted(modules.length, "module")} and ${
        counted(endpoints.length, "endpoint")
      }`;
      findings.ok(options.config, `Can be used: the gateway of ${company}/${car} with ${sizes}`);
      warn(loaded.warnings);
      return loaded.config;
    }
    const { config, warnings, dialect } = loaded;
    const modules = config.cars.reduce((sum, car) => sum + car.modules.length, 0);
    const cars = counted(config.cars.length, "car");
    const what = `${cars} of ${config.company} with ${counted(modules, "module")}`;
    findings.ok(options.config, `Can be used: ${what} (${DIALECT_NAMES[dialect]})`);
    warn(warnings);
    return config;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const { path, message } of error.problems) {
      findings.failed(path, message, "Correct it first: the other checks depend on it");
    }
    warn(error.warnings);
    findings.skipped("everything else", "Not checked: the configuration is unusable");
    return undefined;
  }
}
