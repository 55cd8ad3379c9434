// Resolves the section config_source.
import { resolve } from "node:path";
import { isLoopback } from "../../net/mod.ts";
import type { ReadTable } from "../dialects/read.ts";
import type { Faults } from "../errors.ts";
import { type ConfigPlace, findFile } from "../files.ts";
import { defaultOf } from "../keys/key.ts";
import { CONFIG_SOURCE } from "../keys/source_keys.ts";
import type { ConfigSourceConfig } from "./config.ts";

/** Undefined when it is absent or invalid. */
export function resolveConfigSource(
  input: ReadTable<typeof CONFIG_SOURCE> | undefined,
  place: ConfigPlace,
  faults: Faults,
): ConfigSourceConfig | undefined {
  // Only the local file says where to pull from.
  if (place.isPulled) return undefined;
  const { url, cache_dir: cacheDir, public_key: publicKey, api_key_file: file } = input ?? {};
  if (url === undefined || cacheDir === undefined) return undefined;
  const key = file === undefined ? undefined : findFile(file, place);
  if (key?.ok === false) faults.problem("config_source.api_key_file", key.message);
  const { protocol, hostname } = new URL(url);
  if (protocol === "http:" && !isLoopback(hostname.replace(/^\[(.*)\]$/, "$1"))) {
    const risk = key?.ok ? "The key is sent" : publicKey === undefined ? "It comes" : undefined;
    const text = "over the network in clear text: the URL begins with http://";
    if (risk !== undefined) faults.warning("config_source.url", `${risk} ${text}`);
  }
  return {
    url,
    cacheDir: resolve(place.workingDirectory, cacheDir),
    pollMs: (input?.poll_s ?? defaultOf(CONFIG_SOURCE.poll_s)) * 1000,
    ...(key?.ok ? { apiKeyFile: key.path } : {}),
    ...(publicKey === undefined ? {} : { publicKey }),
    mode: input?.mode ?? defaultOf(CONFIG_SOURCE.mode),
    confirmMs: (input?.confirm_s ?? defaultOf(CONFIG_SOURCE.confirm_s)) * 1000,
  };
}
