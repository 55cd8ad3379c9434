// What a document that was pulled may not have: secrets, and a source of its own.
import { isObject } from "../dialects/read.ts";
import type { Faults } from "../errors.ts";
import { GATEWAY, MQTT_SETTINGS } from "../keys/gateway_keys.ts";
import { keysOf } from "../keys/key.ts";
import { EXTERNAL_BROKER, FLAT_BROKER } from "../keys/broker_keys.ts";
import { COMMON } from "../keys/keys.ts";

/** The paths of secrets in every dialect. */
const SECRETS = [
  ...keysOf<never>({ ...FLAT_BROKER, ...COMMON }),
  ...keysOf<never>(EXTERNAL_BROKER, "external_communication."),
  ...keysOf<never>(GATEWAY),
].flatMap(({ path, key }) => key.secret ? [path] : []);

/** Secrets of an endpoint. */
const OF_ENDPOINTS = keysOf<never>(MQTT_SETTINGS, "mqtt-settings.")
  .flatMap(({ path, key }) => key.secret ? [path] : []);

/** Reports secrets, which are named in place of being given, and a source, which has no effect. */
export function judgePulled(document: unknown, faults: Faults): void {
  for (const path of SECRETS) refuse(document, path, path, "_file", faults);
  const endpoints = valueAt(document, "external-connection.endpoints");
  if (Array.isArray(endpoints)) {
    for (const [index, endpoint] of endpoints.entries()) {
      const prefix = `external-connection.endpoints.${index}.`;
      for (const path of OF_ENDPOINTS) refuse(endpoint, path, prefix + path, "-file", faults);
    }
  }
  for (const key of ["config_source", "config-source"]) {
    if (valueAt(document, key) === undefined) continue;
    faults.warning(key, "Key has no effect: only the local file says where to pull from");
  }
}

function refuse(
  within: unknown,
  path: string,
  shown: string,
  suffix: string,
  faults: Faults,
): void {
  if (valueAt(within, path) === undefined) return;
  const file = path.slice(path.lastIndexOf(".") + 1) + suffix;
  const expected = `no secret in a configuration that is pulled, but its name in "${file}"`;
  faults.problem(shown, `Expected ${expected}: found a value`);
}

function valueAt(document: unknown, path: string): unknown {
  return path.split(".").reduce<unknown>(
    (part, name) => isObject(part) ? part[name] : undefined,
    document,
  );
}
