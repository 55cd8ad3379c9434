// Runs every check, in an order in which a failure explains what is skipped after it.
import {
  ConfigError,
  type Dialect,
  loadConfig,
  type Overrides,
  type Problem,
  type ServerConfig,
} from "../config/mod.ts";
import { brokerAddress } from "../net/mod.ts";
import { checkBroker, checkEmbeddedBroker } from "./broker/broker.ts";
import { checkBrokerCertificate, checkCertificateFiles } from "./broker/certificates.ts";
import { checkClock } from "./clock.ts";
import { CHECKS, type Finding, Findings } from "./findings.ts";
import { checkHttp } from "./http.ts";
import { checkLibraries } from "./libraries/libraries.ts";
import { checkLimits } from "./limits.ts";
import { checkLogs } from "./logs.ts";
import { checkPublishing, checkQuietPublishing } from "./broker/publishing.ts";
import { checkSubscriptions, explainUntried } from "./broker/topics.ts";

/** As the documentation calls them. */
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
  const config = await readConfig(options, findings);
  const parts = config === undefined ? [checkClock()] : [
    checkNetwork(config, options),
    checkLibraries({ config, init, signal }),
    checkHttp(config),
    checkLimits(config, options.overrides?.embeddedBroker !== undefined),
    checkClock(),
    checkLogs(config),
  ];
  const all = [findings, ...(await Promise.all(parts)).flat()].flatMap(({ list }) => list);
  return CHECKS.flatMap((check) => all.filter((finding) => finding.check === check));
}

async function readConfig(
  options: ExamineOptions,
  findings: Findings,
): Promise<ServerConfig | undefined> {
  const warn = (warnings: readonly Problem[]) => {
    for (const { path, message } of warnings) {
      findings.warning(path, message, "Correct it, or ignore this if it is intended");
    }
  };
  try {
    const { config, warnings, dialect } = await loadConfig(options.config, options.overrides);
    const modules = config.cars.reduce((sum, car) => sum + car.modules.length, 0);
    const what = `${config.cars.length} cars of ${config.company} with ${modules} modules`;
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

async function checkNetwork(
  config: ServerConfig,
  { overrides, publish, listenMs, signal }: ExamineOptions,
): Promise<Findings[]> {
  const certificates = await checkCertificateFiles(config);
  const { material: tls, usable } = certificates;
  const skip = (check: "broker" | "topics", reason: string) => {
    const skipped = new Findings(check);
    skipped.skipped(brokerAddress(config.broker), `Not checked: ${reason}`);
    return skipped;
  };
  if (overrides?.embeddedBroker !== undefined) {
    const own = usable ? checkEmbeddedBroker(config) : skip("broker", "no usable certificate");
    return [certificates.findings, own, skip("topics", "the server is its own broker")];
  }
  if (!usable) {
    const reason = "the TLS files are unusable";
    return [certificates.findings, skip("broker", reason), skip("topics", reason)];
  }
  const [broker, shown] = await Promise.all([
    checkBroker(config, tls, signal),
    tls ? checkBrokerCertificate(config, tls) : new Findings("certificates"),
  ]);
  const found = [certificates.findings, shown, broker.findings];
  if (!broker.usable) return [...found, skip("topics", "the broker cannot be reached")];
  const options = { config, tls, signal };
  found.push(await checkSubscriptions(options));
  if (publish) found.push(await checkPublishing(options));
  else if (listenMs > 0) found.push(await checkQuietPublishing({ ...options, listenMs }));
  return [...found, explainUntried(config, publish || listenMs > 0)];
}
