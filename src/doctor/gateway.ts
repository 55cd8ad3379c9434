// Tests everything a Module Gateway will need: its brokers, modules, HTTP and log.
import type { GatewayConfig } from "../config/mod.ts";
import { ModuleHostError, tryGatewayModule } from "../module/mod.ts";
import { brokerAddress } from "../net/mod.ts";
import { checkBroker } from "./broker/broker.ts";
import { checkBrokerCertificate, checkCertificateFiles } from "./broker/certificates.ts";
import { checkClock } from "./clock.ts";
import { Findings } from "./findings.ts";
import { checkHttp } from "./http.ts";
import { checkLogs } from "./logs.ts";

/** Runs every check. */
export async function examineGateway(
  config: GatewayConfig,
  signal: AbortSignal,
): Promise<Findings[]> {
  const parts = [
    ...config.endpoints.map((endpoint) => checkEndpoint(endpoint, signal)),
    checkModules(config),
    checkHttp(config),
    checkClock(),
    checkLogs(config),
  ];
  return (await Promise.all(parts)).flat();
}

async function checkEndpoint(
  endpoint: GatewayConfig["endpoints"][number],
  signal: AbortSignal,
): Promise<Findings[]> {
  const { findings, material: tls, usable } = await checkCertificateFiles(endpoint);
  if (!usable) {
    const skipped = new Findings("broker");
    const address = brokerAddress(endpoint.broker);
    skipped.skipped(address, "Not checked: the TLS files are unusable");
    return [findings, skipped];
  }
  const [broker, shown] = await Promise.all([
    checkBroker(endpoint, tls, signal),
    tls ? checkBrokerCertificate(endpoint, tls) : new Findings("certificates"),
  ]);
  return [findings, shown, broker.findings];
}

/** Loads each module in a host of its own. */
async function checkModules({ modules }: GatewayConfig): Promise<Findings> {
  const findings = new Findings("modules");
  await Promise.all(modules.map(async ({ number: module, path: libPath, ...script }) => {
    const subject = `module ${module}`;
    try {
      const refused = await tryGatewayModule({ module, libPath, ...script });
      if (refused === null) findings.ok(subject, "Can be loaded, and has the module's number");
      else findings.failed(subject, refused.message, "Correct the path, or build the module anew");
    } catch (error) {
      if (!(error instanceof ModuleHostError)) throw error;
      findings.failed(subject, error.message, "Check the limits of processes and memory");
    }
  }));
  return findings;
}
