// Tests everything a Module Gateway will need: its brokers, modules, certificate, ports, log and history.
import type { GatewayConfig } from "../config/mod.ts";
import {
  closeListener,
  describeAddress,
  type ListenAddress,
  listenAddresses,
  listenAt,
} from "../internal_server/mod.ts";
import { ModuleHostError, tryGatewayModule } from "../module/mod.ts";
import { brokerAddress, ListenError, readTls } from "../net/mod.ts";
import { describeFileError } from "../text/mod.ts";
import { checkBroker } from "./broker/broker.ts";
import {
  checkBrokerCertificate,
  checkCertificateFiles,
  judgeCertificateFiles,
} from "./broker/certificates.ts";
import { checkClock } from "./clock.ts";
import { Findings } from "./findings.ts";
import { checkHttp } from "./http.ts";
import { checkLogs, probeFolder } from "./logs.ts";

/** Runs every check. */
export async function examineGateway(
  config: GatewayConfig,
  signal: AbortSignal,
): Promise<Findings[]> {
  const parts = [
    ...config.endpoints.map((endpoint) => checkEndpoint(endpoint, signal)),
    checkOwnCertificate(config),
    checkModules(config),
    checkDevicePorts(config),
    checkHttp(config),
    checkClock(),
    checkLogs(config),
    checkHistory(config),
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

/** The certificate that devices see. */
async function checkOwnCertificate({ internalServer: { tls } }: GatewayConfig): Promise<Findings> {
  const findings = new Findings("certificates");
  if (tls === undefined) return findings;
  try {
    await judgeCertificateFiles(tls, await readTls(tls), "Certificate", findings);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    findings.failed("tls-cert", message, "Name PEM files of a certificate and of its key");
  }
  return findings;
}

/** Listens for devices for a moment, exactly as the gateway does. */
async function checkDevicePorts({ internalServer }: GatewayConfig): Promise<Findings> {
  const findings = new Findings("devices");
  // What is wrong with the certificate is a finding of its own.
  const { tls: _, ...plain } = internalServer;
  const addresses = listenAddresses(plain);
  await Promise.all(addresses.map((address) => checkDevicePort(address, findings)));
  return findings;
}

async function checkDevicePort(address: ListenAddress, findings: Findings): Promise<void> {
  const where = describeAddress(address);
  try {
    await closeListener(await listenAt(address));
    findings.ok(where, "The gateway can listen for devices here");
  } catch (error) {
    if (!(error instanceof ListenError)) throw error;
    if (error.cause instanceof Deno.errors.AddrInUse) {
      findings.skipped(where, "Not tried: something listens here, maybe this gateway");
    } else findings.failed(where, error.message, "Correct the address, or the permissions");
  }
}

/** Whether statuses that could not be sent can be kept. */
async function checkHistory({ history }: GatewayConfig): Promise<Findings> {
  const findings = new Findings("state");
  if (history === undefined) return findings;
  try {
    await probeFolder(history.directory, findings);
  } catch (error) {
    findings.failed(
      history.directory,
      `Cannot keep a history: ${describeFileError(error)}`,
      "Make it a directory that the gateway's user may write, or name another",
    );
  }
  return findings;
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
