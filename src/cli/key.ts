// `key`: makes a key of the API, or a device's token. The server or gateway needs only its hash.
import { randomBytes } from "node:crypto";
import { isKeyName, keyHash, type Scope } from "../config/mod.ts";
import { isDeviceKey } from "../protocol/mod.ts";
import { type Output, quote } from "../text/mod.ts";

/** Prefixes, so that leaked ones are recognized. */
const PREFIX = { key: "es_", token: "esd_" };
/** Too many to guess: the hash needs no salt, and need not be slow to compute. */
const KEY_BYTES = 32;

/** `name` and `scope`, or `device`. */
export interface KeyOptions {
  readonly name?: string;
  readonly scope?: Scope;
  readonly device?: string;
}

/** Prints a new key, and its entry in the configuration. @returns the exit status, 0 or 2 */
export function runKeyNew(options: KeyOptions, output: Output): number {
  const { name, scope, device } = options;
  const problem = problemOf(options);
  if (problem !== undefined) {
    output.err(`error: ${problem}`, "failed");
    return 2;
  }
  const key = PREFIX[device === undefined ? "key" : "token"] +
    randomBytes(KEY_BYTES).toString("base64url");
  const hash = keyHash(key);
  const what = device === undefined ? "key" : "token";
  const place = device === undefined ? '"http", "keys"' : '"internal-server-settings", "tokens"';
  output.out(`The ${what}, shown only now: hand it to ${name ?? device}, and keep it nowhere else`);
  output.out(`  ${key}`);
  output.out(`Its entry in ${place} of the configuration; a reload takes it`);
  output.out(
    `  ${JSON.stringify(name ?? device)}: ${JSON.stringify(device ? hash : { scope, hash })}`,
  );
  return 0;
}

function problemOf({ name, scope, device }: KeyOptions): string | undefined {
  if (device !== undefined) {
    if ((name ?? scope) !== undefined) return "--device: expected neither --name nor --scope";
    if (isDeviceKey(device)) return undefined;
    return `--device: expected module/type/role, as in 1000/0/button: found ${quote(device)}`;
  }
  if (name === undefined) return "required option '--name <name>' not specified";
  if (scope === undefined) return "required option '--scope <scope>' not specified";
  if (isKeyName(name)) return undefined;
  return "--name: expected 1 to 64 letters, digits, underscores, dots and hyphens, not " +
    `api_key: found ${quote(name)}`;
}
