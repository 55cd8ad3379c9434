// Checks whether the server could reach the broker: name, TCP, TLS, WebSocket, CONNECT.
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import type { BrokerConfig, ServerConfig } from "../../config/mod.ts";
import { brokerAdvice, describeFailure, MqttSession } from "../../transport/mod.ts";
import { brokerAddress, openLink, type TlsMaterial } from "../../net/mod.ts";
import { deadline, systemClock, within } from "../../time/mod.ts";
import { Findings } from "../findings.ts";

/** Deadline for a TCP connection, in milliseconds. */
const TCP_MS = 5_000;
/** Deadline for all handshakes together, in milliseconds. */
const HANDSHAKES_MS = 10_000;
/** How long to wait for the broker's reason to refuse a client, in milliseconds. */
const ALERT_MS = 3_000;

export interface BrokerCheck {
  readonly findings: Findings;
  /** Whether the server could connect. */
  readonly usable: boolean;
}

/** Tries each step in turn, up to the first that fails. */
export async function checkBroker(
  { broker }: Pick<ServerConfig, "broker">,
  tls: TlsMaterial | undefined,
  signal: AbortSignal,
): Promise<BrokerCheck> {
  const findings = new Findings("broker");
  const address = brokerAddress(broker);
  const fail = (step: string, error: unknown): BrokerCheck => {
    const { code, reason } = describeFailure(asError(error));
    findings.failed(address, `${step}: ${reason}`, brokerAdvice(code));
    return { findings, usable: false };
  };
  let addresses: string[];
  try {
    addresses = await resolveHost(broker, findings);
  } catch (error) {
    return fail("The name cannot be resolved", error);
  }
  const refused = await tryTcp(broker, addresses);
  const [first] = refused.values();
  if (first !== undefined && refused.size === addresses.length) {
    return fail("Cannot connect over TCP", first);
  }
  judgeTcp(broker, addresses, refused, findings);
  try {
    const limited = AbortSignal.any([signal, AbortSignal.timeout(HANDSHAKES_MS)]);
    const link = await openLink(broker, tls, limited);
    if (tls) findings.ok(address, "TLS: the broker's certificate is valid for this address");
    if (broker.protocol.startsWith("ws")) findings.ok(address, "WebSocket: accepted");
    const options = { broker, tls, protocolVersion: 4, signal } as const;
    await using _session = await MqttSession.over(link, options);
    const who = broker.username === undefined ? "without a user name" : "with user name";
    findings.ok(address, `MQTT 3.1.1: CONNECT accepted ${who}`);
    return { findings, usable: true };
  } catch (error) {
    const alert = tls && isVague(error) ? await listenForAlert(broker, tls, signal) : undefined;
    return fail(stepOf(alert ?? error, tls), alert ?? error);
  }
}

/** The connection ended before the broker's reason could be read. */
function isVague(error: unknown): boolean {
  return ["reset", "closed", "cut_off"].includes(describeFailure(asError(error)).code);
}

/**
 * A broker refuses a client certificate only after the handshake has ended for the client, which
 * may be writing by then and miss the refusal. So this connects again, writes nothing, and waits.
 */
async function listenForAlert(
  broker: BrokerConfig,
  tls: TlsMaterial,
  signal: AbortSignal,
): Promise<Error | undefined> {
  const plain = { ...broker, protocol: "mqtts" } as const;
  const closed = Promise.withResolvers<Error | undefined>();
  const limited = AbortSignal.any([signal, AbortSignal.timeout(ALERT_MS)]);
  try {
    const link = await openLink(plain, tls, limited);
    link.start({ onData() {}, onClosed: closed.resolve });
    if (!await within(closed.promise, ALERT_MS, systemClock)) link.destroy();
    return await closed.promise;
  } catch (error) {
    return asError(error);
  }
}

/** Checks whether the embedded broker could listen at its address. */
export function checkEmbeddedBroker({ broker }: ServerConfig): Findings {
  const findings = new Findings("broker");
  const address = brokerAddress(broker);
  try {
    Deno.listen({ hostname: broker.host, port: broker.port }).close();
    findings.ok(address, "The embedded broker can listen here");
  } catch (error) {
    findings.failed(
      address,
      `The embedded broker cannot listen here: ${asError(error).message}`,
      "Stop the program that listens there (perhaps another server), or choose another port",
    );
  }
  return findings;
}

async function resolveHost({ host }: BrokerConfig, findings: Findings): Promise<string[]> {
  if (isIP(host)) return [host];
  const addresses = (await lookup(host, { all: true })).map(({ address }) => address);
  if (addresses.length === 0) throw new Error(`getaddrinfo: no address for "${host}"`);
  findings.ok(host, `Name resolved: ${addresses.join(", ")}`);
  return addresses;
}

/** Connects to every address; resolves with those that failed, and the reasons. */
async function tryTcp(
  { port }: BrokerConfig,
  addresses: readonly string[],
): Promise<Map<string, unknown>> {
  const refused = new Map<string, unknown>();
  await Promise.all(addresses.map(async (hostname) => {
    const connecting = Deno.connect({ hostname, port });
    const late = () => new Error("connection timed out");
    try {
      (await deadline(connecting, TCP_MS, systemClock, late)).close();
    } catch (error) {
      refused.set(hostname, error);
      // The system may still connect, much later.
      connecting.then((conn) => conn.close(), () => {});
    }
  }));
  return refused;
}

function judgeTcp(
  broker: BrokerConfig,
  addresses: readonly string[],
  refused: ReadonlyMap<string, unknown>,
  findings: Findings,
): void {
  const reached = addresses.filter((each) => !refused.has(each));
  const subject = `port ${broker.port}`;
  const failures = [...refused].map(([each, error]) => ({
    each,
    ...describeFailure(asError(error)),
  }));
  if (refused.size === 0) return findings.ok(subject, `TCP: reached ${reached.join(", ")}`);
  const reasons = failures.map(({ each, reason }) => `${each}: ${reason}`);
  const message = `TCP: reached ${reached.join(", ")}, not ${reasons.join(", ")}`;
  // With a client certificate, the runtime itself connects, and only to the first address.
  const matters = broker.tls?.certFile !== undefined && refused.has(addresses[0] ?? "") ||
    failures.some(({ code }) => code !== "connection_refused");
  if (!matters) return findings.ok(subject, message);
  findings.warning(
    subject,
    message,
    "Remove the address that does not answer from the name, or use the one that does",
  );
}

/** Which step an error belongs to. */
function stepOf(error: unknown, tls: TlsMaterial | undefined): string {
  const { code, refused } = describeFailure(asError(error));
  if (code === "web_socket") return "WebSocket refused";
  if (refused || code === "closed" || code === "no_answer") return "MQTT CONNECT refused";
  return tls ? "No TLS connection" : "Lost while connecting";
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
