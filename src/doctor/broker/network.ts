// All checks of the way to the broker, in the order in which they depend on each other.
import type { ServerConfig } from "../../config/mod.ts";
import { brokerAddress } from "../../net/mod.ts";
import type { ExamineOptions } from "../doctor.ts";
import { Findings } from "../findings.ts";
import { checkBroker, checkEmbeddedBroker } from "./broker.ts";
import { checkBrokerCertificate, checkCertificateFiles } from "./certificates.ts";
import { checkPublishing, checkQuietPublishing } from "./publishing.ts";
import { checkSubscriptions, explainUntried } from "./topics.ts";

/** Tests certificates, connection and topics, as far as one does not depend on another that failed. */
export async function checkNetwork(
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
