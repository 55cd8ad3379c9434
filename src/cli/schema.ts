// `schema`: prints the JSON Schema of the configuration.
import { configJsonSchemaText } from "../config/json_schema.ts";
import { type Output, printText } from "./output.ts";

/** Prints the JSON Schema. @returns the exit status, 0 */
export function runSchema(output: Output): Promise<number> {
  printText(configJsonSchemaText(), (line) => output.out(line));
  return Promise.resolve(0);
}
