// Why a broker connection failed, in words for the person who must fix it.
import {
  BrokerClosedError,
  BrokerRefusedError,
  BrokerStalledError,
  MalformedFrameError,
  WebSocketRefusedError,
} from "../../net/mod.ts";

/** The kinds of failures; `other` has a message, but no advice. */
export const BROKER_FAILURE_CODES = [
  "connection_refused",
  "timed_out",
  "no_answer",
  "unreachable",
  "host_not_found",
  "certificate_expired",
  "certificate_not_yet_valid",
  "certificate_of_other_host",
  "authority_unknown",
  "client_certificate_wanted",
  "tls_refused",
  "no_tls",
  "mqtt_refused",
  "client_id_refused",
  "broker_unavailable",
  "not_authorized",
  "web_socket",
  "closed",
  "reset",
  "cut_off",
  "ended_early",
  "other",
] as const;

/** See {@linkcode BROKER_FAILURE_CODES}. */
export type BrokerFailureCode = typeof BROKER_FAILURE_CODES[number];

/** One failed attempt, or a connection that was lost. */
export interface BrokerFailure {
  readonly code: BrokerFailureCode;
  /** For people; the same cause always has the same text. */
  readonly reason: string;
  /** The broker answered with a refusal, which other cars' success does not change. */
  readonly refused: boolean;
}

type Meaning = readonly [
  pattern: RegExp,
  code: BrokerFailureCode,
  reason: string | ((found: RegExpMatchArray) => string),
];

/** Patterns of messages of the runtime, rustls and mqtt.js, and what they mean. */
const MEANINGS: readonly Meaning[] = [
  [/connection refused|ECONNREFUSED/i, "connection_refused", "connection refused"],
  [/connection reset|reset by peer|ECONNRESET|broken pipe|EPIPE/i, "reset", "connection reset"],
  [/timed out|ETIMEDOUT/i, "timed_out", "connection timed out"],
  [/unreachable|EHOSTUNREACH|ENETUNREACH/, "unreachable", "host or network unreachable"],
  [/lookup address|ENOTFOUND|EAI_AGAIN|getaddrinfo/, "host_not_found", "host name not found"],
  [/certificate expired/, "certificate_expired", "the broker's certificate has expired"],
  [/not valid yet/, "certificate_not_yet_valid", "the broker's certificate is not valid yet"],
  [
    /not valid for name/,
    "certificate_of_other_host",
    (found) => `the broker's certificate is for another host: ${certified(found)}`,
  ],
  [
    /UnknownIssuer/,
    "authority_unknown",
    "the broker's certificate is not signed by the authority in the CA file",
  ],
  [
    /CertificateRequired/,
    "client_certificate_wanted",
    "the broker wants a client certificate",
  ],
  [
    /fatal alert: (\w+)/,
    "tls_refused",
    ([, alert]) => `the broker refused the TLS connection: ${alert}`,
  ],
  [/InvalidContentType|corrupt message/, "no_tls", "the broker does not speak TLS on this port"],
  [/closed/i, "cut_off", ({ input }) => input ?? ""],
];

const CONNACK_REASONS: Readonly<Record<number, readonly [BrokerFailureCode, reason: string]>> = {
  1: ["mqtt_refused", "MQTT 3.1.1 refused"],
  2: ["client_id_refused", "client id refused"],
  3: ["broker_unavailable", "broker unavailable"],
  4: ["not_authorized", "not authorized: bad user name or password"],
  5: ["not_authorized", "not authorized"],
  // MQTT 5
  132: ["mqtt_refused", "MQTT version refused"],
  133: ["client_id_refused", "client id refused"],
  134: ["not_authorized", "not authorized: bad user name or password"],
  135: ["not_authorized", "not authorized"],
  136: ["broker_unavailable", "broker unavailable"],
  137: ["broker_unavailable", "broker busy"],
};

/** Puts an error into words. */
export function describeFailure(error: Error = new BrokerClosedError()): BrokerFailure {
  const reason = error.message;
  const own = codeOf(error);
  if (own !== undefined) {
    return { code: own, reason, refused: error instanceof BrokerRefusedError };
  }
  if (/^Connection refused: /.test(reason) && "code" in error) {
    const number = Number(error.code);
    const [code, words] = CONNACK_REASONS[number] ??
      ["other", `refused by the broker with return code ${number}`];
    return { code, reason: words, refused: true };
  }
  for (const [pattern, code, words] of MEANINGS) {
    const found = reason.match(pattern);
    if (!found) continue;
    return { code, reason: typeof words === "string" ? words : words(found), refused: false };
  }
  return { code: "other", reason, refused: false };
}

/** Of a connection that was accepted and ended soon after. */
export function endedEarly({ code, reason, refused }: BrokerFailure): BrokerFailure {
  const dropped = ["closed", "reset", "cut_off"].includes(code);
  return {
    code: dropped ? "ended_early" : code,
    reason: `the connection ended soon after it was accepted: ${reason}`,
    refused,
  };
}

/** For our own errors, whose messages are written for people. */
function codeOf(error: Error): BrokerFailureCode | undefined {
  if (error instanceof WebSocketRefusedError) return "web_socket";
  if (error instanceof MalformedFrameError) return "web_socket";
  if (error instanceof BrokerRefusedError) return "other";
  if (error instanceof BrokerClosedError) return "closed";
  if (error instanceof BrokerStalledError) return "no_answer";
  return undefined;
}

/** The names rustls lists: `certificate is only valid for DnsName("elsewhere.test")`. */
function certified(found: RegExpMatchArray): string {
  const names = [...(found.input ?? "").matchAll(/(?:DnsName|IpAddress)\(([^)]*)\)/g)];
  return names.map(([, name]) => name).join(", ") || (found.input ?? "");
}
