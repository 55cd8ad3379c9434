// Dialect C, the old one: a single car and its modules [CONFIG-SINGLE-CAR].
import { externalShape } from "./external.ts";
import type { FleetInput } from "./input.ts";
import { objectOf } from "../keys/key.ts";
import { COMMON, FLAT_BROKER, SINGLE_CAR } from "../keys/keys.ts";
import type { Read } from "./read.ts";

/** Dialect C. */
export const singleCarSchema = objectOf({ ...COMMON, ...FLAT_BROKER, ...SINGLE_CAR })
  .meta({ title: "A single car" });

/** Dialect C with the broker of dialect B. */
export const singleCarExternalSchema = objectOf({ ...COMMON, ...SINGLE_CAR }).extend(externalShape)
  .meta({ title: "A single car, broker in external_communication" });

const carSchema = objectOf(SINGLE_CAR);

/** Brings `car_name` and `modules` to the common form; no car when its name is absent or wrong. */
export function singleCar(read: Read<typeof carSchema>): FleetInput {
  const specific = { path: "modules", modules: read.modules };
  // The name matters to nothing else that is checked, so modules are checked without one, too.
  return {
    common: undefined,
    path: "car_name",
    cars: [{ name: read.car_name ?? "", path: "car_name", isRead: true, specific }],
  };
}
