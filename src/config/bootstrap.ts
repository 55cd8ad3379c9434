// What a local file says of where else the configuration comes from, whatever else is in it.
import { isObject, readAlong } from "./dialects/read.ts";
import { readJson } from "./dialects/json.ts";
import { ConfigError, Faults } from "./errors.ts";
import { systemFiles, withFiles } from "./files.ts";
import { objectOf } from "./keys/key.ts";
import { CONFIG_SOURCE } from "./keys/source_keys.ts";
import type { ConfigSourceConfig } from "./resolve/config.ts";
import { resolveConfigSource } from "./resolve/config_source.ts";
import type { ConfigSource } from "./source.ts";

const SECTION = "config_source";

/** A local file that has been looked at. */
export interface Bootstrap {
  /** The section `config_source`; undefined when the file has none. */
  readonly section: ConfigSourceConfig | undefined;
  /** The same file; its first reading gives what has been read already. */
  readonly source: ConfigSource;
}

/**
 * Looks for the section `config_source`; other problems of the file are left to whoever loads it.
 *
 * @throws {ConfigError} when the section cannot be used
 */
export async function readBootstrap(file: ConfigSource): Promise<Bootstrap> {
  let text: string;
  try {
    text = await file.read();
  } catch (error) {
    return { section: undefined, source: failedOnce(file, error) };
  }
  const source = readOnce(file, text);
  if (!text.includes(`"${SECTION}"`)) return { section: undefined, source };
  const json = readJson(text.replace(/^\ufeff/, ""));
  if (!json.ok || !isObject(json.document) || !Object.hasOwn(json.document, SECTION)) {
    return { section: undefined, source };
  }
  const { numbers, document: { [SECTION]: given } } = json;
  const { name, folder, files = systemFiles } = file;
  const section = await withFiles(files, (seen) => {
    const place = { workingDirectory: Deno.cwd(), folder, files: seen };
    const faults = new Faults();
    // Unknown keys are reported with the rest.
    const sink = { numbers, faults, onUnknownKey: () => {} };
    const input = readAlong(objectOf(CONFIG_SOURCE), given, SECTION, sink);
    const resolved = resolveConfigSource(input, place, faults);
    if (faults.problems.length > 0) throw new ConfigError(name, faults.problems, faults.warnings);
    return resolved;
  });
  return { section, source };
}

function readOnce(file: ConfigSource, text: string): ConfigSource {
  let first: string | undefined = text;
  return {
    ...file,
    async read() {
      const known = first;
      first = undefined;
      return known ?? await file.read();
    },
  };
}

function failedOnce(file: ConfigSource, error: unknown): ConfigSource {
  let isFirst = true;
  return {
    ...file,
    read() {
      if (!isFirst) return file.read();
      isFirst = false;
      return Promise.reject(error);
    },
  };
}
