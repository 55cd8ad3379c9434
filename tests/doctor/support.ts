// What the tests of this room share: configurations, and findings as short lines.
import { Aedes, type AedesOptions } from "aedes";
import type { BrokerConfig, CarConfig, ServerConfig } from "../../src/config/resolve/config.ts";
import { parseConfig } from "../../src/config/load.ts";
import type { Finding, Status } from "../../src/doctor/findings.ts";
import { silentLog } from "../../src/log/log.ts";
import { listen } from "../../src/broker/listener.ts";
import { documented, place } from "../config/support.ts";
import { buildFixtures } from "../fixtures/build.ts";
import { localBroker } from "../support/mqtt_peers.ts";
import { waitFor } from "../support/wait.ts";

/** The compiled modules; built once for each test file. */
export const fixtures = await buildFixtures();

/** A configuration with this broker and these cars, everything else at its default. */
export function configOf(
  broker: BrokerConfig,
  cars: readonly CarConfig[] = [carOf("car_1")],
): ServerConfig {
  const { config } = parseConfig(documented(), place);
  return { ...config, company: "acme", broker, cars };
}

/** A car with one module. */
export function carOf(
  name: string,
  libPath = fixtures.module,
  parameters: Readonly<Record<string, string>> = {},
  id = 1000,
): CarConfig {
  const module = { id, libPath, parameters: Object.entries(parameters), waitTimeoutMs: 100 };
  return { name, modules: [module] };
}

/** Findings as lines `status subject: message`. */
export function linesOf(findings: readonly Finding[]): string[] {
  return findings.map(({ status, subject, message }) => `${status} ${subject}: ${message}`);
}

/** The messages with one status. */
export function withStatus(findings: readonly Finding[], status: Status): string[] {
  return findings.filter((finding) => finding.status === status).map(({ message }) => message);
}

/** A signal that never comes. */
export const NEVER = new AbortController().signal;

/** A broker with rules Mosquitto does not have. */
export async function ownBroker(
  rules: AedesOptions,
): Promise<{ port: number } & AsyncDisposable> {
  const aedes = await Aedes.createBroker(rules);
  const listening = await listen({
    broker: localBroker(0),
    maxFrameBytes: 1_000_000,
    maxClients: 10,
    log: silentLog,
    accept: ({ stream }) => void aedes.handle(stream),
  });
  return {
    port: listening.port,
    async [Symbol.asyncDispose]() {
      listening.close();
      await waitFor(new Promise<void>((resolve) => aedes.close(resolve)), "the broker to end");
    },
  };
}
