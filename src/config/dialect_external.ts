// Dialect B, the newest one: the broker is `external_communication` (protocol section 5).
import * as z from "zod";
import { DEFAULT_SESSION_MS } from "./defaults.ts";
import { joinPath } from "./describe.ts";
import { fleetShape } from "./dialect_documented.ts";
import * as field from "./fields.ts";
import type { BrokerInput } from "./input.ts";
import type { Read } from "./read.ts";
import { commonShape, credentialShape } from "./shapes.ts";

const SECTION = "external_communication";

const pemFile = () => field.text("the path of a PEM file").optional();

/** The broker's section. */
export const externalShape = {
  external_communication: z.strictObject({
    protocol: field.anyCaseWord(["MQTT"]).default("MQTT").describe("Always MQTT"),
    server_address: field.filledText("a host or an address such as mqtts://host").describe(
      "The broker: a host, or an address that begins with mqtt://, mqtts://, ws:// or wss://",
    ),
    server_port: field.port().optional().describe(
      "The broker's port; when absent that of the address, else 1883 (mqtts 8883, ws 80, wss 443)",
    ),
    timeout_ms: field.milliseconds().default(DEFAULT_SESSION_MS).describe(
      "Milliseconds without a message of a car before its session fails",
    ),
    ca_certs_file: pemFile().describe("Certificates to trust; turns TLS on"),
    cert_file: pemFile().describe("Client certificate, together with key_file; turns TLS on"),
    key_file: pemFile().describe("Key of the client certificate"),
    ...credentialShape,
  }).meta({ id: SECTION }).describe("How to reach the broker"),
};

/** Dialect B. */
export const externalSchema = z.strictObject({
  ...commonShape,
  ...externalShape,
  ...fleetShape,
}).meta({ title: "Broker in external_communication" });

const sectionSchema = z.strictObject(externalShape);

/** Brings `external_communication` to the common form. */
export function externalBroker(read: Read<typeof sectionSchema>): BrokerInput {
  const section = read.external_communication ?? {};
  const at = (key: keyof typeof externalShape.external_communication.shape) =>
    joinPath(SECTION, key);
  return {
    address: section.server_address,
    port: section.server_port,
    sessionMs: section.timeout_ms,
    username: section.mqtt_username,
    password: section.mqtt_password,
    passwordFile: section.mqtt_password_file,
    tls: { ca: section.ca_certs_file, cert: section.cert_file, key: section.key_file },
    paths: {
      address: at("server_address"),
      port: at("server_port"),
      username: at("mqtt_username"),
      password: at("mqtt_password"),
      passwordFile: at("mqtt_password_file"),
      ca: at("ca_certs_file"),
      cert: at("cert_file"),
      key: at("key_file"),
    },
  };
}
