// `schema`: prints the JSON Schema of the configuration, or its keys as a page of documentation.
import { configJsonSchemaText } from "../config/json_schema.ts";
import { keyTable } from "../config/key_table.ts";
import { type Output, printText } from "./output.ts";

/** Prints the JSON Schema, or with `markdown` the table of keys. @returns the exit status, 0 */
export function runSchema(output: Output, markdown = false): Promise<number> {
  printText(markdown ? keyTable() : configJsonSchemaText(), (line) => output.out(line));
  return Promise.resolve(0);
}
