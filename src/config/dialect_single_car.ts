// Dialect C, the old one: a single car and its modules (protocol section 5).
import * as z from "zod";
import { flatBrokerShape } from "./dialect_documented.ts";
import { externalShape } from "./dialect_external.ts";
import * as field from "./fields.ts";
import type { FleetInput } from "./input.ts";
import type { Read } from "./read.ts";
import { commonShape, modulesSchema } from "./shapes.ts";

/** The car. */
const singleCarShape = {
  car_name: field.fleetName("a car's name").describe(
    "The car; the second level of every topic",
  ),
  modules: modulesSchema.describe("The car's modules, by module id"),
};

/** Dialect C. */
export const singleCarSchema = z.strictObject({
  ...commonShape,
  ...flatBrokerShape,
  ...singleCarShape,
}).meta({ title: "A single car" });

/** Dialect C with the broker of dialect B. */
export const singleCarExternalSchema = z.strictObject({
  ...commonShape,
  ...externalShape,
  ...singleCarShape,
}).meta({ title: "A single car, broker in external_communication" });

const carSchema = z.strictObject(singleCarShape);

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
