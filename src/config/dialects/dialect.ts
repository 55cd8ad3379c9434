// Determines the dialect of a document, and reads it [CONFIG-DIALECTS].
import { DOCUMENT_PATH, nearestKey, quote } from "../../text/mod.ts";
import { documentedSchema, flatBroker, listedFleet } from "./documented.ts";
import { externalBroker, externalSchema } from "./external.ts";
import { singleCar, singleCarExternalSchema, singleCarSchema } from "./single_car.ts";
import type { Faults } from "../errors.ts";
import type { BrokerInput, FleetInput } from "./input.ts";
import type { Table } from "../keys/key.ts";
import { EXTERNAL_BROKER, FLAT_BROKER } from "../keys/broker_keys.ts";
import { FLEET } from "../keys/fleet_keys.ts";
import { COMMON } from "../keys/keys.ts";
import type { NumberTexts } from "./number_texts.ts";
import { isObject, readAlong, type ReadTable, type UnknownKeyHandler } from "./read.ts";

/** The documented dialect, the newest one, and the old one for a single car. */
export type Dialect = "A" | "B" | "C";

/** Keys of all dialects. */
export type CommonInput = ReadTable<typeof COMMON>;

/** A document that was read; missing and invalid parts are undefined. */
export interface DialectInput {
  readonly dialect: Dialect;
  readonly common: CommonInput;
  readonly broker: BrokerInput;
  readonly fleet: FleetInput;
}

/** Reads a document of any dialect; findings go into `faults`. */
export function readDialect(
  document: unknown,
  numbers: NumberTexts,
  faults: Faults,
): DialectInput | undefined {
  if (!isObject(document)) {
    const to = { numbers, faults, onUnknownKey: () => {} };
    readAlong(documentedSchema(), document, DOCUMENT_PATH, to);
    return undefined;
  }
  const has = (key: string) => Object.hasOwn(document, key);
  const external = has("external_communication");
  const single = !has("cars") && !has("common_modules") && (has("car_name") || has("modules"));
  const to = { numbers, faults, onUnknownKey: unknownKeyHandler(faults, external, single) };
  if (single && external) {
    const read = readAlong(singleCarExternalSchema(), document, DOCUMENT_PATH, to);
    return read && input("C", read, externalBroker(read), singleCar(read));
  }
  if (single) {
    const read = readAlong(singleCarSchema(), document, DOCUMENT_PATH, to);
    return read && input("C", read, flatBroker(read), singleCar(read));
  }
  if (external) {
    const read = readAlong(externalSchema(), document, DOCUMENT_PATH, to);
    return read && input("B", read, externalBroker(read), listedFleet(read));
  }
  const read = readAlong(documentedSchema(), document, DOCUMENT_PATH, to);
  return read && input("A", read, flatBroker(read), listedFleet(read));
}

function input(
  dialect: Dialect,
  common: CommonInput,
  broker: BrokerInput,
  fleet: FleetInput,
): DialectInput {
  return { dialect, common, broker, fleet };
}

/** Keys that belong in sections, to recognize them at the top level. */
const SECTIONS: readonly (readonly [section: string, keys: object])[] = [
  ["external_communication", EXTERNAL_BROKER],
  ...Object.entries(COMMON as Table).flatMap(([name, entry]) =>
    entry.kind === "section" ? [[name, entry.keys] as const] : []
  ),
];

function unknownKeyHandler(faults: Faults, external: boolean, single: boolean): UnknownKeyHandler {
  return (path, key, known) => {
    const isTop = known.includes("company_name");
    if (isTop && external && Object.hasOwn(FLAT_BROKER, key)) {
      return faults.warning(path, `Key has no effect: "external_communication" names the broker`);
    }
    if (isTop && !single && key === "car_name") {
      return faults.warning(path, `Key has no effect: "cars" names the cars`);
    }
    if (isTop && !single && key === "modules") {
      // Not just a warning: the car would run without these modules.
      return faults.problem(
        path,
        `Expected modules in "common_modules" or in a car's "specific_modules": found "modules" beside "cars"`,
      );
    }
    faults.warning(path, `Unknown key: ${advice(key, known, isTop)}`);
  };
}

function advice(key: string, known: readonly string[], isTop: boolean): string {
  const top: object = { ...COMMON, ...FLEET };
  const section = SECTIONS.find(([, keys]) => Object.hasOwn(keys, key))?.[0];
  if (isTop && section !== undefined) return `it belongs in ${quote(section)}`;
  if (!isTop && Object.hasOwn(top, key)) return "it belongs at the top level";
  const nearest = nearestKey(key, known);
  return nearest === undefined ? "it is ignored" : `did you mean ${quote(nearest)}?`;
}
