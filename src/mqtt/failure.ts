// Why a broker connection failed, in words for the person who has to mend it.
import { BrokerRefusedError } from "./errors.ts";

/** One failed attempt, or a connection that was lost. */
export interface BrokerFailure {
  /** For people; the same cause has the same words. */
  readonly reason: string;
  /** The broker is there and said no: other cars' success changes nothing for this one. */
  readonly refused: boolean;
}

/** Patterns of what the runtime, rustls and mqtt.js say, and what it means. */
const MEANINGS: readonly (readonly [RegExp, (found: RegExpMatchArray) => string])[] = [
  [/Connection refused|ECONNREFUSED/, () => "connection refused"],
  [/reset by peer|ECONNRESET|Broken pipe|EPIPE/, () => "connection reset"],
  [/timed out|ETIMEDOUT/i, () => "connection timed out"],
  [/unreachable|EHOSTUNREACH|ENETUNREACH/, () => "host or network unreachable"],
  [/lookup address|ENOTFOUND|EAI_AGAIN|getaddrinfo/, () => "host name not found"],
  [/certificate expired/, () => "the broker's certificate has expired"],
  [/not valid yet/, () => "the broker's certificate is not valid yet"],
  [/not valid for name/, (m) => `the broker's certificate is for another host: ${certified(m)}`],
  [/UnknownIssuer/, () => "the broker's certificate is not signed by the authority in the CA file"],
  [/CertificateRequired/, () => "the broker wants a client certificate"],
  [/fatal alert: (\w+)/, (m) => `the broker refused the TLS connection: ${m[1]}`],
  [/InvalidContentType|corrupt message/, () => "the broker does not speak TLS on this port"],
];

const CONNACK_REASONS: Readonly<Record<number, string>> = {
  1: "MQTT 3.1.1 refused",
  2: "client id refused",
  3: "broker unavailable",
  4: "not authorized: bad user name or password",
  5: "not authorized",
};

/** Puts an error into words. */
export function describeFailure(error: Error | undefined): BrokerFailure {
  if (!error) return { reason: "closed by the broker", refused: false };
  if (error instanceof BrokerRefusedError) return { reason: error.message, refused: true };
  if (/^Connection refused: /.test(error.message) && "code" in error) {
    const code = Number(error.code);
    const reason = CONNACK_REASONS[code] ?? `refused by the broker with return code ${code}`;
    return { reason, refused: true };
  }
  for (const [pattern, meaning] of MEANINGS) {
    const found = error.message.match(pattern);
    if (found) return { reason: meaning(found), refused: false };
  }
  return { reason: error.message, refused: false };
}

/** The names rustls lists: `certificate is only valid for DnsName("elsewhere.test")`. */
function certified(found: RegExpMatchArray): string {
  const names = [...(found.input ?? "").matchAll(/(?:DnsName|IpAddress)\(([^)]*)\)/g)];
  return names.map(([, name]) => name).join(", ") || (found.input ?? "");
}
