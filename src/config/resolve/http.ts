// Resolves the HTTP settings: address, keys and TLS.
import { createHash } from "node:crypto";
import { isLoopback } from "../../net/mod.ts";
import { joinPath, quote } from "../../text/mod.ts";
import type { CommonInput } from "../dialects/dialect.ts";
import type { Faults } from "../errors.ts";
import { type ConfigPlace, findPem, givenSecret } from "../files.ts";
import { defaultOf } from "../keys/key.ts";
import { HTTP } from "../keys/keys.ts";
import type { HttpConfig, KeyConfig } from "./config.ts";

type HttpInput = NonNullable<CommonInput["http"]>;

/** A shorter key is easy to guess, in characters. */
const SHORT_KEY = 16;
/** Maximum length of a key, in characters: a request with a longer one is refused without comparing. */
export const MAX_KEY_LENGTH = 1024;
/** What `api_key` is called where keys have names. */
export const API_KEY_NAME = "api_key";
const KEY_NAME = /^[A-Za-z0-9_.-]{1,64}$/;

/** Whether a key can have this name. */
export function isKeyName(name: string): boolean {
  return KEY_NAME.test(name) && name !== API_KEY_NAME;
}

/** The hash of a key as configurations have it: no salt, as keys are long and random. */
export function keyHash(key: string): string {
  return `sha256:${createHash("sha256").update(key).digest("hex")}`;
}

/** Checks the section `http`; undefined when it is absent, which leaves HTTP off, or invalid. */
export function resolveHttp(
  input: Pick<CommonInput, "http">,
  place: ConfigPlace,
  faults: Faults,
): HttpConfig | undefined {
  const { http } = input;
  if (http === undefined) return undefined;
  const address = http.address ?? defaultOf(HTTP.address);
  const apiKey = resolveKey(http, place, faults);
  const local = isLoopback(address);
  const keys = resolveKeys(http.keys, apiKey, faults);
  const hasKey = http.api_key !== undefined || http.api_key_file !== undefined ||
    (http.keys?.size ?? 0) > 0;
  // Without a key, anyone who can reach the port can stop cars; so only this machine may reach it.
  if (!local && !hasKey && !faults.hasProblem("http.api_key")) {
    const expected = `a key, as ${quote(address)} can be reached from other machines`;
    faults.problem("http.api_key", `Expected ${expected}: found nothing`);
  }
  const tls = resolveTls(http, { cert: "tls_cert", key: "tls_key" }, "http", place, faults);
  if (!local && tls === undefined) {
    faults.warning("http.tls_cert", "The key is sent over the network in clear text: TLS is off");
  }
  return {
    address,
    port: http.port ?? defaultOf(HTTP.port),
    ...(apiKey === undefined ? {} : { apiKey }),
    ...(keys.length === 0 ? {} : { keys }),
    ...(tls === undefined ? {} : { tls }),
  };
}

function resolveKeys(
  input: HttpInput["keys"],
  apiKey: string | undefined,
  faults: Faults,
): readonly KeyConfig[] {
  const keys: KeyConfig[] = [];
  const names = new Map(apiKey === undefined ? [] : [[keyHash(apiKey), API_KEY_NAME]]);
  for (const [name, { scope, hash } = {}] of input ?? []) {
    const path = joinPath("http.keys", name);
    if (!isKeyName(name)) {
      const expected = "a name of 1 to 64 letters, digits, underscores, dots and hyphens";
      faults.problem(path, `Expected ${expected}, not ${API_KEY_NAME}: found ${quote(name)}`);
    }
    // What is missing or wrong has been reported.
    if (scope === undefined || hash === undefined) continue;
    const same = names.get(hash);
    if (same !== undefined) {
      const expected = `a key of its own: found that of ${quote(same)}`;
      faults.problem(joinPath(path, "hash"), `Expected ${expected}`);
    }
    names.set(hash, name);
    keys.push({ name, scope, hash });
  }
  return keys;
}

function resolveKey(http: HttpInput, place: ConfigPlace, faults: Faults): string | undefined {
  const { api_key: given, api_key_file: file } = http;
  const key = givenSecret("http.api_key", given, file, place, faults);
  if (key === undefined) return undefined;
  // A file that is not read yet has no key.
  const text = file === undefined ? key.text : key.text ?? "";
  return checkedKey(text, key.path, faults);
}

export function checkedKey(
  key: string | undefined,
  path: string,
  faults: Faults,
): string | undefined {
  if (key === undefined) return undefined;
  // It is sent in a header, and compared byte by byte.
  if (!/^[\x21-\x7e]+$/.test(key)) {
    faults.problem(
      path,
      "Expected a key of printable ASCII characters without spaces: found other characters",
    );
    return undefined;
  }
  if (key.length > MAX_KEY_LENGTH) {
    const expected = `a key of at most ${MAX_KEY_LENGTH} characters`;
    faults.problem(path, `Expected ${expected}: found one of ${key.length}`);
    return undefined;
  }
  if (key.length < SHORT_KEY) {
    faults.warning(path, `The key is easy to guess: it has fewer than ${SHORT_KEY} characters`);
  }
  return key;
}

/** The files of a listener with TLS; undefined when none are named, or one is not to be had. */
export function resolveTls<N extends string>(
  given: { readonly [Name in N]?: string | undefined },
  keys: { readonly cert: N; readonly key: N },
  section: string,
  place: ConfigPlace,
  faults: Faults,
): HttpConfig["tls"] {
  const find = (key: N) => {
    const name = given[key];
    if (name === undefined) return undefined;
    const found = findPem(name, place);
    if (found.ok) return found.path;
    faults.problem(joinPath(section, key), found.message);
    return undefined;
  };
  const certFile = find(keys.cert);
  const keyFile = find(keys.key);
  const missing = (key: N, expected: string) =>
    faults.problem(joinPath(section, key), `Expected ${expected}: found nothing`);
  if (given[keys.cert] !== undefined && given[keys.key] === undefined) {
    missing(keys.key, "the key of the certificate");
  }
  if (given[keys.key] !== undefined && given[keys.cert] === undefined) {
    missing(keys.cert, "the certificate of the key");
  }
  return certFile === undefined || keyFile === undefined ? undefined : { certFile, keyFile };
}
