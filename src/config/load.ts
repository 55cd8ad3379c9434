// Resolves a configuration of any dialect, or lists all its problems.
import { resolve } from "node:path";
import { resolveBroker } from "./resolve/broker.ts";
import { type CommonInput, type Dialect, readDialect } from "./dialects/dialect.ts";
import { describeFileError, DOCUMENT_PATH, joinPath, quote } from "../text/mod.ts";
import { ConfigError, Faults, type Problem } from "./errors.ts";
import { type ConfigPlace, systemFiles, withFiles } from "./files.ts";
import { resolveEventLog } from "./resolve/event_log.ts";
import { resolveHttp } from "./resolve/http.ts";
import { resolveOpenTelemetry, resolveWebhook } from "./resolve/outbound.ts";
import { readJson } from "./dialects/json.ts";
import { resolvedOf } from "./keys/key.ts";
import { COMMON } from "./keys/keys.ts";
import { resolveLogging } from "./resolve/logging.ts";
import type { ServerConfig, Timeouts } from "./resolve/config.ts";
import { resolveFleet } from "./resolve/modules.ts";
import { type NumberTexts, USUAL_TEXTS } from "./dialects/number_texts.ts";
import type { Overrides } from "./overrides.ts";
import { isObject } from "./dialects/read.ts";
import { type ConfigSource, configSource } from "./source.ts";

/** A usable configuration. */
export interface LoadedConfig {
  readonly config: ServerConfig;
  /** Suspicious findings that do not prevent a start. */
  readonly warnings: readonly Problem[];
  readonly dialect: Dialect;
}

/**
 * Reads a configuration of any dialect [CONFIG-DIALECTS].
 *
 * @param from where it is, or what a command line says of that ({@linkcode configSource})
 * @param overrides what the command line adds
 * @throws {ConfigError} with every problem at once
 */
export async function loadConfig(
  from: string | ConfigSource,
  overrides: Overrides = {},
): Promise<LoadedConfig> {
  const source = typeof from === "string" ? configSource(from) : from;
  const { name, folder, files = systemFiles } = source;
  const fail = (message: string, cause?: unknown) =>
    new ConfigError(name, [{ path: name, message }], [], { cause });
  let text: string;
  try {
    text = await source.read();
  } catch (error) {
    throw fail(`Expected a readable file: ${describeFileError(error)}`, error);
  }
  const json = readJson(text.replace(/^\ufeff/, ""));
  if (!json.ok) throw fail(json.message);
  const duplicates = json.duplicates.map((duplicate) => ({
    path: duplicate.path,
    message: `Key given twice: the last one counts, on line ${duplicate.line}`,
  }));
  try {
    const loaded = await withFiles(files, (seen) => {
      const place = { workingDirectory: Deno.cwd(), folder, files: seen };
      return parseConfig(json.document, place, overrides, name, json.numbers);
    });
    return { ...loaded, warnings: [...duplicates, ...loaded.warnings] };
  } catch (error) {
    if (!(error instanceof ConfigError) || duplicates.length === 0) throw error;
    throw new ConfigError(name, error.problems, [...duplicates, ...error.warnings], {
      cause: error,
    });
  }
}

/**
 * Resolves a parsed JSON document.
 *
 * @param place where the files it names are looked up
 * @param source what the document is called in the error
 * @param numbers how its numbers are written
 * @throws {ConfigError} with every problem at once; never another error
 */
export function parseConfig(
  document: unknown,
  place: ConfigPlace,
  overrides: Overrides = {},
  source = DOCUMENT_PATH,
  numbers: NumberTexts = USUAL_TEXTS,
): LoadedConfig {
  const faults = new Faults();
  refuseProto(document, DOCUMENT_PATH, faults);
  const input = readDialect(document, numbers, faults);
  if (input === undefined) throw new ConfigError(source, faults.problems, faults.warnings);
  const broker = resolveBroker(input.broker, overrides, place, faults);
  const cars = resolveFleet(input.fleet, place, faults);
  const logging = resolveLogging(input.common, place.workingDirectory, faults);
  const http = resolveHttp(input.common, place, faults);
  const opentelemetry = resolveOpenTelemetry(input.common, place, faults);
  const webhook = resolveWebhook(input.common, place, faults);
  const timeouts = resolveTimeouts(input.common, input.broker.sessionMs);
  const eventLog = resolveEventLog(input.common, overrides, place);
  const stateDir = input.common.state_dir;
  const limits = resolvedOf(COMMON.limits, input.common.limits);
  const health = resolvedOf(COMMON.health, input.common.health);
  const { company_name: company, send_invalid_command: sendInvalidCommand } = input.common;
  if (
    faults.problems.length > 0 || broker === undefined || company === undefined ||
    sendInvalidCommand === undefined || timeouts === undefined || limits === undefined ||
    health === undefined
  ) {
    throw new ConfigError(source, faults.problems, faults.warnings);
  }
  return {
    config: {
      company,
      broker,
      timeouts,
      limits,
      health,
      sendInvalidCommand,
      logging,
      ...(http === undefined ? {} : { http }),
      ...(opentelemetry === undefined ? {} : { opentelemetry }),
      ...(webhook === undefined ? {} : { webhook }),
      ...(eventLog === undefined ? {} : { eventLog }),
      ...(stateDir === undefined ? {} : { stateDir: resolve(place.workingDirectory, stateDir) }),
      cars,
    },
    warnings: faults.warnings,
    dialect: input.dialect,
  };
}

/** Undefined when one is invalid, which has been reported. */
function resolveTimeouts(input: CommonInput, sessionMs: number | undefined): Timeouts | undefined {
  const { timeout, module_call_timeout: call } = input;
  const pause = input.sleep_duration_after_connection_refused;
  if (
    sessionMs === undefined || timeout === undefined || call === undefined || pause === undefined
  ) return undefined;
  return {
    sessionMs: atLeastOne(sessionMs),
    responseMs: atLeastOne(timeout * 1000),
    moduleCallMs: atLeastOne(call * 1000),
    refusedPauseMs: Math.round(pause * 1000),
  };
}

/** Timers have whole milliseconds, and 0 would expire at once. */
function atLeastOne(ms: number): number {
  return Math.max(1, Math.round(ms));
}

/** JavaScript objects do not keep this key; as a car's name it would be lost. */
function refuseProto(value: unknown, path: string, faults: Faults): void {
  const open = [{ value, path }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (!isObject(next.value)) continue;
    for (const [key, part] of Object.entries(next.value)) {
      const partPath = joinPath(next.path, key);
      if (key === "__proto__") {
        faults.problem(partPath, `Expected another key: found the key ${quote(key)}`);
      } else open.push({ value: part, path: partPath });
    }
  }
}
