// Dialect C, the old one: a single car and its modules [CONFIG-SINGLE-CAR].
import { externalShape } from "./external.ts";
import type { FleetInput } from "./input.ts";
import { objectOf } from "../keys/key.ts";
import { FLAT_BROKER } from "../keys/broker_keys.ts";
import { SINGLE_CAR } from "../keys/fleet_keys.ts";
import { COMMON } from "../keys/keys.ts";
import type { ReadTable } from "./read.ts";

/** Dialect C. */
export function singleCarSchema() {
  return objectOf({ ...COMMON, ...FLAT_BROKER, ...SINGLE_CAR }).meta({ title: "A single car" });
}

/** Dialect C with the broker of dialect B. */
export function singleCarExternalSchema() {
  return objectOf({ ...COMMON, ...SINGLE_CAR }).extend(externalShape)
    .meta({ title: "A single car, broker in external_communication" });
}

/** Converts `car_name` and `modules` to the common input; no car when its name is missing or invalid. */
export function singleCar(read: ReadTable<typeof SINGLE_CAR>): FleetInput {
  const specific = { path: "modules", modules: read.modules };
  // Modules can be checked without the name.
  return {
    common: undefined,
    path: "car_name",
    cars: [{ name: read.car_name ?? "", path: "car_name", isRead: true, specific }],
  };
}
