// Documents that load, and a file system that is only a table.
import assert from "node:assert/strict";
import { ConfigError, type Problem } from "../../src/config/errors.ts";
import type { ConfigFiles, ConfigPlace } from "../../src/config/files.ts";
import { type LoadedConfig, parseConfig } from "../../src/config/load.ts";
import { ScriptError } from "../../src/script/mod.ts";
import type { Overrides } from "../../src/config/overrides.ts";

/** What a table file system has at a path: a string, a folder, or a file that cannot be read. */
export type TableEntry = string | { readonly kind: "directory" | "unreadable" };

/** A file system that is only a table. */
function tableFiles(table: Readonly<Record<string, TableEntry>>): ConfigFiles {
  return {
    kind(path) {
      const entry = table[path];
      if (entry === undefined) return "missing";
      return typeof entry === "object" && entry.kind === "directory" ? "directory" : "file";
    },
    readText(path) {
      const entry = table[path];
      if (typeof entry === "string") return entry;
      throw entry === undefined ? new Deno.errors.NotFound() : new Deno.errors.PermissionDenied();
    },
    script(path) {
      const entry = table[path];
      if (typeof entry !== "string") throw new ScriptError(`${path}: Cannot be read`);
      return { files: [{ path, code: entry, imports: {} }], hash: entry };
    },
  };
}

/** The files of every test here. */
export const place: ConfigPlace = {
  workingDirectory: "/srv",
  folder: "/etc/fleet",
  files: tableFiles({
    "/srv/lib.so": "",
    "/srv/module.ts": "",
    "/etc/fleet/beside.so": "",
    "/srv/both.so": "",
    "/etc/fleet/both.so": "",
    "/srv/locked.ts": { kind: "unreadable" },
    "/srv/folder": { kind: "directory" },
    "/srv/ca.pem": "ca",
    "/srv/cert.pem": "cert",
    "/srv/key.pem": "key",
    "/etc/fleet/ca2.pem": "ca",
    "/srv/locked.pem": { kind: "unreadable" },
    "/srv/password": "from file\n",
    "/srv/api_key": "0123456789abcdef\n",
    "/srv/long_key": `${"k".repeat(1100)}\n`,
    "/srv/bus.desc": "",
    "/srv/password2": "two\r\n\n",
  }),
};

/** The least document of dialect A, with `more` on top. */
export function documented(more: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    company_name: "company",
    mqtt_address: "localhost",
    mqtt_port: 1883,
    common_modules: { "7": { lib_path: "lib.so" } },
    cars: { car_1: {} },
    ...more,
  };
}

/** The least document of dialect B, with `more` in `external_communication`. */
export function external(more: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    company_name: "company",
    external_communication: {
      protocol: "MQTT",
      server_address: "localhost",
      server_port: 1883,
      timeout_ms: 2500,
      ...more,
    },
    common_modules: { "7": { lib_path: "lib.so" } },
    cars: { car_1: {} },
  };
}

/** The least document of dialect C, with `more` on top. */
export function singleCar(more: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    company_name: "company",
    car_name: "car_1",
    mqtt_address: "localhost",
    mqtt_port: 1883,
    modules: { "7": { lib_path: "lib.so" } },
    ...more,
  };
}

/** Dialect A with this as the config of its module. */
export function withModuleConfig(config: unknown): Record<string, unknown> {
  return documented({ common_modules: { "7": { lib_path: "lib.so", config } } });
}

/** Loads a document, as JSON would bring it. */
export function load(document: unknown, overrides?: Overrides): LoadedConfig {
  return parseConfig(JSON.parse(JSON.stringify(document)), place, overrides);
}

/** Loads a document that is wrong. */
export function failure(document: unknown, overrides?: Overrides): ConfigError {
  try {
    load(document, overrides);
  } catch (error) {
    assert.ok(error instanceof ConfigError, `not a ConfigError: ${error}`);
    return error;
  }
  throw new assert.AssertionError({ message: "Expected a ConfigError: the document loads" });
}

/** Findings as lines. */
export function lines(problems: readonly Problem[]): string[] {
  return problems.map(({ path, message }) => `${path}: ${message}`);
}
