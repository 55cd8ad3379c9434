// Dialect A, the documented one: broker and cars at the top level (protocol section 5).
import * as z from "zod";
import { DEFAULTS } from "./defaults.ts";
import { joinPath } from "./describe.ts";
import * as field from "./fields.ts";
import type { BrokerInput, FleetInput } from "./input.ts";
import type { Read } from "./read.ts";
import { commonShape, credentialShape, modulesSchema } from "./shapes.ts";

/** The broker's keys at the top level. */
export const flatBrokerShape = {
  mqtt_address: field.filledText("a host or an address such as mqtts://host").describe(
    "The broker: a host, or an address that begins with mqtt://, mqtts://, ws:// or wss://",
  ),
  mqtt_port: field.port().optional().describe(
    "The broker's port; when absent that of the address, else 1883 (mqtts 8883, ws 80, wss 443)",
  ),
  mqtt_timeout: field.seconds().default(DEFAULTS.mqtt_timeout).describe(
    "Seconds without a message of a car before its session fails",
  ),
  ...credentialShape,
};

/** The cars and their modules. */
export const fleetShape = {
  common_modules: modulesSchema.optional().describe("Modules every car has, by module id"),
  cars: z.record(
    z.string(),
    z.strictObject({
      specific_modules: modulesSchema.optional().describe("Modules only this car has, by id"),
    }),
  ).meta({ propertyNames: { pattern: "^[a-z0-9_]+$" }, minProperties: 1 }).describe(
    "The cars by name; the name is the second level of every topic",
  ),
};

/** Dialect A. */
export const documentedSchema = z.strictObject({
  ...commonShape,
  ...flatBrokerShape,
  ...fleetShape,
}).meta({ title: "Broker and cars at the top level" });

const flatBrokerSchema = z.strictObject(flatBrokerShape);
const fleetSchema = z.strictObject(fleetShape);

/** Brings the broker's keys of the top level to the common form. */
export function flatBroker(read: Read<typeof flatBrokerSchema>): BrokerInput {
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

/** Brings `cars` and `common_modules` to the common form. */
export function listedFleet(read: Read<typeof fleetSchema>): FleetInput {
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
      };
    }),
  };
}
