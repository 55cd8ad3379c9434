// Dialect A, the documented one: broker and cars at the top level [CONFIG-DOCUMENTED].
import { joinPath } from "../../text/mod.ts";
import type { BrokerInput, FleetInput } from "./input.ts";
import { objectOf } from "../keys/key.ts";
import { FLAT_BROKER } from "../keys/broker_keys.ts";
import { FLEET } from "../keys/fleet_keys.ts";
import { COMMON } from "../keys/keys.ts";
import type { ReadTable } from "./read.ts";

/** Dialect A. */
export function documentedSchema() {
  return objectOf({ ...COMMON, ...FLAT_BROKER, ...FLEET })
    .meta({ title: "Broker and cars at the top level" });
}

/** Converts the broker's keys at the top level to the common input. */
export function flatBroker(read: ReadTable<typeof FLAT_BROKER>): BrokerInput {
  return {
    address: read.mqtt_address,
    port: read.mqtt_port,
    sessionMs: read.mqtt_timeout === undefined ? undefined : read.mqtt_timeout * 1000,
    username: read.mqtt_username,
    password: read.mqtt_password,
    passwordFile: read.mqtt_password_file,
    tls: undefined,
    paths: {
      address: "mqtt_address",
      port: "mqtt_port",
      username: "mqtt_username",
      password: "mqtt_password",
      passwordFile: "mqtt_password_file",
      ca: "--ca",
      cert: "--cert",
      key: "--key",
    },
  };
}

/** Converts `cars` and `common_modules` to the common input. */
export function listedFleet(read: ReadTable<typeof FLEET>): FleetInput {
  return {
    common: { path: "common_modules", modules: read.common_modules },
    path: "cars",
    cars: [...read.cars ?? []].map(([name, car]) => {
      const path = joinPath("cars", name);
      return {
        name,
        path,
        isRead: car !== undefined,
        specific: { path: joinPath(path, "specific_modules"), modules: car?.specific_modules },
        labels: car?.labels?.filter((label) => label !== undefined),
      };
    }),
  };
}
