// What to do when a broker cannot be used, by the reason that `describeFailure` gives.

const ADVICE: readonly (readonly [reason: RegExp, advice: string])[] = [
  [
    /connection refused/,
    "Start the broker, check address and port, and that it listens on more than its own loopback",
  ],
  [
    /timed out|no answer|unreachable/,
    "Check address and port, routes, and every firewall on the way",
  ],
  [
    /host name not found/,
    "Check the spelling of the address, and the name servers of this machine",
  ],
  [/has expired/, "Renew the broker's certificate, and have the broker load it"],
  [/not valid yet/, "Check the clocks of this machine and of whoever issued the certificate"],
  [
    /for another host/,
    "Use one of these names as the address, or issue the certificate for the address in use",
  ],
  [
    /not signed by the authority/,
    "Name the certificate of the authority that signed the broker's (--ca or ca_certs_file)",
  ],
  [
    /wants a client certificate/,
    "Give the server one (--cert and --key, or cert_file and key_file)",
  ],
  [
    /refused the TLS connection/,
    "Check that the broker trusts the authority of the client certificate, and its TLS versions",
  ],
  [/does not speak TLS/, "Use the port where the broker speaks TLS, often 8883, or no TLS"],
  [
    /bad user name|not authorized/,
    "Check mqtt_username and mqtt_password against the broker's list of users",
  ],
  [/MQTT 3\.1\.1 refused/, "Have the broker accept MQTT 3.1.1 on this port"],
  [/client id refused/, "Have the broker accept random client ids, or none that begin otherwise"],
  [/broker unavailable/, "Look at the broker's own log: it turns clients away"],
  [/WebSocket/, "Check the path of the address; does the broker speak WebSocket on this port?"],
  [
    /closed by the broker|reset/,
    "Look at the broker's log; a port that wants TLS or a client certificate does this to clients " +
    "without, too",
  ],
];

/** What to do about a reason. */
export function brokerAdvice(reason: string): string {
  const known = ADVICE.find(([pattern]) => pattern.test(reason));
  return known?.[1] ?? "Look at the broker's log for the same moment";
}
