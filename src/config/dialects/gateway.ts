// Reads the configuration of a Module Gateway [CONFIG-GATEWAY].
import { DOCUMENT_PATH, nearestKey, quote } from "../../text/mod.ts";
import type { Faults } from "../errors.ts";
import { GATEWAY, gatewaySchema } from "../keys/gateway_keys.ts";
import type { Table } from "../keys/key.ts";
import type { NumberTexts } from "./number_texts.ts";
import { isObject, type Read, readAlong } from "./read.ts";

/** A document that was read; missing and invalid parts are undefined. */
export type GatewayInput = Read<typeof gatewaySchema>;

const OWN_KEYS = ["external-connection", "internal-server-settings", "module-paths"];

/** Whether a document is a Module Gateway's, whatever is wrong with it. */
export function isGatewayDocument(document: unknown): boolean {
  return isObject(document) && OWN_KEYS.some((key) => Object.hasOwn(document, key));
}

/** Reads a document; findings go into `faults`. */
export function readGatewayDocument(
  document: unknown,
  numbers: NumberTexts,
  faults: Faults,
): GatewayInput | undefined {
  const onUnknownKey = (path: string, key: string, known: readonly string[]) =>
    faults.warning(path, `Unknown key: ${advice(key, known)}`);
  return readAlong(gatewaySchema, document, DOCUMENT_PATH, { numbers, faults, onUnknownKey });
}

const SECTIONS = Object.entries(GATEWAY as unknown as Table).flatMap(([name, entry]) =>
  entry.kind === "section" ? [[name, entry.keys] as const] : []
);

function advice(key: string, known: readonly string[]): string {
  const isTop = known.includes("module-paths");
  const section = SECTIONS.find(([, keys]) => Object.hasOwn(keys, key))?.[0];
  if (isTop && section !== undefined) return `it belongs in ${quote(section)}`;
  if (!isTop && Object.hasOwn(GATEWAY, key)) return "it belongs at the top level";
  const nearest = nearestKey(key, known);
  return nearest === undefined ? "it is ignored" : `did you mean ${quote(nearest)}?`;
}
