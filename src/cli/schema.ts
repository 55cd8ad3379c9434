// `schema`: prints the JSON Schema of the configuration.
import { configJsonSchemaText } from "../config/json_schema.ts";
import type { Output } from "./output.ts";

/** Prints the JSON Schema. @returns the exit status, 0 */
export function runSchema(output: Output): Promise<number> {
  output.out(configJsonSchemaText().trimEnd());
  return Promise.resolve(0);
}
