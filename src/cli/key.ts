// `key`: makes a key of the API. The server needs only its hash.
import { randomBytes } from "node:crypto";
import { isKeyName, keyHash, type Scope } from "../config/mod.ts";
import { type Output, quote } from "../text/mod.ts";

/** The prefix of keys, so that leaked ones are recognized. */
const PREFIX = "es_";
/** Too many to guess: the hash needs no salt, and need not be slow to compute. */
const KEY_BYTES = 32;

export interface KeyOptions {
  readonly name: string;
  readonly scope: Scope;
}

/** Prints a new key, and its entry in the configuration. @returns the exit status, 0 or 2 */
export function runKeyNew({ name, scope }: KeyOptions, output: Output): number {
  if (!isKeyName(name)) {
    output.err(
      "error: --name: expected 1 to 64 letters, digits, underscores, dots and hyphens, not " +
        `api_key: found ${quote(name)}`,
      "failed",
    );
    return 2;
  }
  const key = PREFIX + randomBytes(KEY_BYTES).toString("base64url");
  const entry = JSON.stringify({ scope, hash: keyHash(key) });
  output.out(`The key, shown only now: hand it to ${name}, and keep it nowhere else`);
  output.out(`  ${key}`);
  output.out('Its entry in "http", "keys" of the configuration; a reload takes it');
  output.out(`  ${JSON.stringify(name)}: ${entry}`);
  return 0;
}
