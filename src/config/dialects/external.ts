// Dialect B, the newest one: the broker is `external_communication` [CONFIG-EXTERNAL].
import type * as z from "zod";
import { joinPath } from "../../text/mod.ts";
import type { BrokerInput } from "./input.ts";
import { objectOf } from "../keys/key.ts";
import { EXTERNAL_BROKER } from "../keys/broker_keys.ts";
import { FLEET } from "../keys/fleet_keys.ts";
import { COMMON } from "../keys/keys.ts";
import type { Read } from "./read.ts";

const SECTION = "external_communication";

/** The broker's section. */
export const externalShape = {
  [SECTION]: objectOf(EXTERNAL_BROKER).meta({ id: SECTION }).describe("How to reach the broker"),
};

/** Dialect B. */
export function externalSchema() {
  return objectOf({ ...COMMON, ...FLEET }).extend(externalShape)
    .meta({ title: "Broker in external_communication" });
}

/** Converts `external_communication` to the common input. */
export function externalBroker(read: Read<z.ZodObject<typeof externalShape>>): BrokerInput {
  const section = read.external_communication ?? {};
  const at = (key: keyof typeof EXTERNAL_BROKER) => joinPath(SECTION, key);
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
