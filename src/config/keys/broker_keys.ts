// The keys of the broker, of each dialect.
import { brokerAddress, formatAddress } from "../../net/mod.ts";
import * as field from "./fields.ts";
import { key } from "./key.ts";

const DEFAULT_SESSION_S = 30;

const CREDENTIALS = {
  mqtt_username: key(field.filledText("a string").optional(), {
    doc: "User name for the broker",
    takes: "reconnect",
    listens: true,
    at: "broker.username",
  }),
  mqtt_password: key(field.text("a string").optional(), {
    doc: "Password for the broker",
    takes: "reconnect",
    secret: true,
    listens: true,
    at: "broker.password",
  }),
  mqtt_password_file: key(field.filledText("the path of a file").optional(), {
    doc:
      "File with the password for the broker, instead of mqtt_password; a newline at its end is dropped",
    takes: "reconnect",
  }),
};

const ADDRESS = key(field.filledText("a host or an address such as mqtts://host"), {
  doc: "The broker: a host, or an address that begins with mqtt://, mqtts://, ws:// or wss://",
  takes: "reconnect",
  listens: true,
  at: "broker",
  of: ({ broker }) => formatAddress(broker),
  compared: ({ broker }) => brokerAddress(broker),
});

const PORT = key(field.port().optional(), {
  doc: "The broker's port; when absent that of the address, else 1883 (mqtts 8883, ws 80, wss 443)",
  takes: "reconnect",
  listens: true,
  at: "broker.port",
  compared: null,
});

/** How to reach the broker, in dialects A and C: at the top level. */
export const FLAT_BROKER = {
  mqtt_address: ADDRESS,
  mqtt_port: PORT,
  mqtt_timeout: key(field.seconds().default(DEFAULT_SESSION_S), {
    doc: "Seconds without a message from a car until its session fails",
    takes: "at_once",
    unit: "s",
    of: ({ timeouts }) => timeouts.sessionMs / 1000,
  }),
  ...CREDENTIALS,
};

const pemFile = () => field.text("the path of a PEM file").optional();

/** TLS files, which the command line can name in every dialect. */
export const BROKER_TLS = {
  ca_certs_file: key(pemFile(), {
    doc: "Additional CA certificates to trust, PEM; turns TLS on",
    takes: "new_connections",
    listens: true,
    at: "broker.tls.caFile",
  }),
  cert_file: key(pemFile(), {
    doc: "Client certificate, PEM; requires key_file; turns TLS on",
    takes: "new_connections",
    listens: true,
    at: "broker.tls.certFile",
  }),
  key_file: key(pemFile(), {
    doc: "Private key of the client certificate, PEM",
    takes: "new_connections",
    listens: true,
    at: "broker.tls.keyFile",
  }),
};

/** How to reach the broker, in dialect B: `external_communication`. */
export const EXTERNAL_BROKER = {
  protocol: key(field.anyCaseWord(["MQTT"]).default("MQTT"), {
    doc: "Always MQTT",
    takes: "nothing",
    of: () => "MQTT",
  }),
  server_address: ADDRESS,
  server_port: PORT,
  timeout_ms: key(field.milliseconds().default(DEFAULT_SESSION_S * 1000), {
    doc: "Milliseconds without a message from a car until its session fails",
    takes: "at_once",
    unit: "ms",
    of: ({ timeouts }) => timeouts.sessionMs,
  }),
  ...BROKER_TLS,
  ...CREDENTIALS,
};
