// `schema`: prints what the configuration and the API look like, for programs and for humans.
import {
  configJsonSchemaText,
  gatewayJsonSchemaText,
  gatewayKeyTable,
  keyTable,
} from "../config/mod.ts";
import { type Output, printText } from "../text/mod.ts";

/** What can be printed: the JSON Schemas, pages of docs/, and the OpenAPI document. */
export const SCHEMAS = ["config", "keys", "gateway", "gateway-keys", "api", "openapi"] as const;

/** Prints one of them. @returns the exit status, 0 */
export async function runSchema(
  output: Output,
  what: typeof SCHEMAS[number] = "config",
): Promise<number> {
  printText(await textOf(what), (line) => output.out(line));
  return 0;
}

async function textOf(what: typeof SCHEMAS[number]): Promise<string> {
  if (what === "config") return configJsonSchemaText();
  if (what === "keys") return keyTable();
  if (what === "gateway") return gatewayJsonSchemaText();
  if (what === "gateway-keys") return gatewayKeyTable();
  const { apiPage, openApiDocument } = await import("../http/mod.ts");
  const { METHODS } = await import("../http/mod.ts");
  return what === "api" ? apiPage(METHODS) : JSON.stringify(openApiDocument(METHODS), null, 2);
}
