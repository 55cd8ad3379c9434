// Configurations as others see them: with secrets masked, and with files on another machine.
import { effectiveDocument } from "./effective.ts";
import type { ConfigFiles } from "../files.ts";
import { keysOf } from "../keys/key.ts";
import { FLAT_BROKER } from "../keys/broker_keys.ts";
import { COMMON } from "../keys/keys.ts";
import { parseConfig } from "../load.ts";
import type { ServerConfig } from "../resolve/config.ts";
import { MASK } from "../../text/mod.ts";

/** Settings that are never shown. */
const SECRETS = keysOf({ ...FLAT_BROKER, ...COMMON }).filter(({ key }) => key.secret);

/** All files exist where the document comes from. */
const ELSEWHERE: ConfigFiles = {
  kind: () => "file",
  readText: () => "",
  script: () => undefined,
};

/**
 * Reads a result of {@linkcode effectiveDocument}, perhaps from another machine.
 *
 * @param source what it is called in the error
 * @throws {ConfigError} when it is not one
 */
export function parseEffective(document: unknown, source: string): ServerConfig {
  const place = { workingDirectory: "/", folder: "/", files: ELSEWHERE };
  return parseConfig(document, place, {}, source).config;
}

/** A configuration with its secrets masked, to be compared with one of {@linkcode parseEffective}. */
export function masked(config: ServerConfig): ServerConfig {
  return parseEffective(JSON.parse(JSON.stringify(effectiveDocument(config))), "the configuration");
}

/** Keys whose values are masked alike in both: whether they differ cannot be seen. */
export function unseenKeys(one: ServerConfig, other: ServerConfig): string[] {
  const before = maskedValues(one);
  return [...maskedValues(other)].flatMap(([key, value]) => before.get(key) === value ? [key] : []);
}

function maskedValues(config: ServerConfig): Map<string, string> {
  const values = new Map<string, string>();
  const add = (key: string, value: unknown) => {
    if (typeof value === "string" && value.includes(MASK)) values.set(key, value);
  };
  for (const { path, key } of SECRETS) add(path, key.of?.(config));
  for (const { name, modules } of config.cars) {
    for (const { id, parameters } of modules) {
      for (const [key, value] of parameters) add(`car ${name}: module ${id} config.${key}`, value);
    }
  }
  return values;
}
