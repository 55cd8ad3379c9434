// Advice for failures of a broker connection.
import type { BrokerFailureCode } from "./failure.ts";

const CHECK_WAY = "Check address and port, routes, and every firewall on the way";
const LOOK_AT_LOG = "Look at the broker's log for the same moment";
const LOOK_AT_PORT =
  "Look at the broker's log; a port that wants TLS or a client certificate does this to clients " +
  "without, too";

const ADVICE: Readonly<Record<BrokerFailureCode, string>> = {
  connection_refused:
    "Start the broker, check address and port, and that it listens on more than its own loopback",
  timed_out: CHECK_WAY,
  no_answer: CHECK_WAY,
  unreachable: CHECK_WAY,
  host_not_found: "Check the spelling of the address, and the name servers of this machine",
  certificate_expired: "Renew the broker's certificate, and have the broker load it",
  certificate_not_yet_valid:
    "Check the clocks of this machine and of whoever issued the certificate",
  certificate_of_other_host:
    "Use one of these names as the address, or issue the certificate for the address in use",
  authority_unknown:
    "Name the certificate of the authority that signed the broker's (--ca or ca_certs_file)",
  client_certificate_wanted: "Give the server one (--cert and --key, or cert_file and key_file)",
  tls_refused:
    "Check that the broker trusts the authority of the client certificate, and its TLS versions",
  no_tls: "Use the port where the broker speaks TLS, often 8883, or no TLS",
  mqtt_refused: "Have the broker accept MQTT 3.1.1 on this port",
  client_id_refused: "Have the broker accept random client ids, or none that begin otherwise",
  broker_unavailable: "Look at the broker's own log: it turns clients away",
  not_authorized: "Check mqtt_username and mqtt_password against the broker's list of users",
  web_socket: "Check the path of the address; does the broker speak WebSocket on this port?",
  closed: LOOK_AT_PORT,
  reset: LOOK_AT_PORT,
  cut_off: LOOK_AT_LOG,
  ended_early: "Look at the broker's log for the same moment: brokers close over a message that " +
    "they forbid; the doctor tries what the server publishes",
  other: LOOK_AT_LOG,
};

export function brokerAdvice(code: BrokerFailureCode): string {
  return ADVICE[code];
}
