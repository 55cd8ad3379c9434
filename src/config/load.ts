// Resolves a configuration of any dialect, or lists all its problems.
import { resolve } from "node:path";
import { resolveBroker } from "./resolve/broker.ts";
import { type CommonInput, type Dialect, readDialect } from "./dialects/dialect.ts";
import { describeFileError, DOCUMENT_PATH } from "../text/mod.ts";
import { ConfigError, Faults, type Problem } from "./errors.ts";
import { type ConfigPlace, systemFiles, withFiles } from "./files.ts";
import { checkSinkChannels } from "./resolve/channels.ts";
import { resolveCluster } from "./resolve/cluster.ts";
import { judgePulled } from "./resolve/pulled.ts";
import { resolveConfigSource } from "./resolve/config_source.ts";
import { resolveEventLog } from "./resolve/event_log.ts";
import { resolveHttp } from "./resolve/http.ts";
import { resolveSinks } from "./resolve/sinks.ts";
import { resolveOpenTelemetry, resolveWebhook } from "./resolve/outbound.ts";
import { readJson } from "./dialects/json.ts";
import { resolvedOf } from "./keys/key.ts";
import { COMMON } from "./keys/keys.ts";
import { resolveLogging } from "./resolve/logging.ts";
import type { ServerConfig, Timeouts } from "./resolve/config.ts";
import type { GatewayConfig } from "./resolve/gateway_config.ts";
import { resolveFleet } from "./resolve/modules.ts";
import { type NumberTexts, USUAL_TEXTS } from "./dialects/number_texts.ts";
import type { Overrides } from "./overrides.ts";
import { refuseProto } from "./dialects/read.ts";
import { isGatewayDocument } from "./dialects/gateway.ts";
import {
  type GatewayOverrides,
  type LoadedGatewayConfig,
  parseGatewayConfig,
} from "./resolve/gateway.ts";
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
export function loadConfig(
  from: string | ConfigSource,
  overrides: Overrides = {},
): Promise<LoadedConfig> {
  return loadWith(
    from,
    (document, place, name, numbers) => parseConfig(document, place, overrides, name, numbers),
  );
}

/**
 * Reads the configuration of a Module Gateway [CONFIG-GATEWAY]; otherwise like
 * {@linkcode loadConfig}.
 */
export function loadGatewayConfig(
  from: string | ConfigSource,
  overrides: GatewayOverrides = {},
): Promise<LoadedGatewayConfig> {
  return loadWith(
    from,
    (document, place, name, numbers) =>
      parseGatewayConfig(document, place, overrides, name, numbers),
  );
}

/** Reads a configuration of a server or a Module Gateway, whichever the document is. */
export function loadAnyConfig(
  from: string | ConfigSource,
  overrides: Overrides = {},
): Promise<LoadedConfig | LoadedGatewayConfig> {
  return loadWith<LoadedConfig | LoadedGatewayConfig>(
    from,
    (document, place, name, numbers) =>
      isGatewayDocument(document)
        ? parseGatewayConfig(document, place, {}, name, numbers)
        : parseConfig(document, place, overrides, name, numbers),
  );
}

/** Whether it is the configuration of a Module Gateway. */
export function isForGateway(
  loaded: LoadedConfig | LoadedGatewayConfig,
): loaded is LoadedGatewayConfig {
  return loaded.dialect === "gateway";
}

type Parse<T> = (
  document: unknown,
  place: ConfigPlace,
  name: string,
  numbers: NumberTexts,
) => T;

async function loadWith<
  T extends {
    readonly config: ServerConfig | GatewayConfig;
    readonly warnings: readonly Problem[];
  },
>(
  from: string | ConfigSource,
  parse: Parse<T>,
): Promise<T> {
  const source = typeof from === "string" ? configSource(from) : from;
  const { name, folder, files = systemFiles, isPulled = false } = source;
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
      const place = { workingDirectory: Deno.cwd(), folder, files: seen, isPulled };
      return parse(json.document, place, name, json.numbers);
    });
    const { problems, warnings } = "sinks" in loaded.config
      ? await checkSinkChannels(loaded.config)
      : { problems: [], warnings: [] };
    const all = [...loaded.warnings, ...warnings];
    if (problems.length > 0) throw new ConfigError(name, problems, all);
    return { ...loaded, warnings: [...duplicates, ...all] };
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
  if (isGatewayDocument(document)) {
    const found = 'that of a Module Gateway, which "external-server gateway" runs';
    faults.problem(DOCUMENT_PATH, `Expected the configuration of a server: found ${found}`);
    throw new ConfigError(source, faults.problems, []);
  }
  if (place.isPulled) judgePulled(document, faults);
  const input = readDialect(document, numbers, faults);
  if (input === undefined) throw new ConfigError(source, faults.problems, faults.warnings);
  const broker = resolveBroker(input.broker, overrides, place, faults);
  const cars = resolveFleet(input.fleet, place, faults);
  const logging = resolveLogging(input.common, place.workingDirectory, faults);
  const http = resolveHttp(input.common, place, faults);
  const opentelemetry = resolveOpenTelemetry(input.common, place, faults);
  const webhook = resolveWebhook(input.common, place, faults);
  const eventLog = resolveEventLog(input.common, overrides, place);
  const cluster = resolveCluster(input.common, overrides, place, faults);
  const sinks = resolveSinks(input.common, eventLog, place, faults);
  const configSource = resolveConfigSource(input.common.config_source, place, faults);
  const timeouts = resolveTimeouts(input.common, input.broker.sessionMs);
  const stateDir = input.common.state_dir;
  const limits = resolvedOf(COMMON.limits, input.common.limits);
  const health = resolvedOf(COMMON.health, input.common.health);
  const map = resolvedOf(COMMON.map, input.common.map);
  const { company_name: company, send_invalid_command: sendInvalidCommand } = input.common;
  if (
    faults.problems.length > 0 || broker === undefined || company === undefined ||
    sendInvalidCommand === undefined || timeouts === undefined || limits === undefined ||
    health === undefined || map === undefined
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
      map,
      sendInvalidCommand,
      logging,
      ...(http === undefined ? {} : { http }),
      ...(opentelemetry === undefined ? {} : { opentelemetry }),
      ...(webhook === undefined ? {} : { webhook }),
      ...(cluster === undefined ? {} : { cluster }),
      ...(eventLog === undefined ? {} : { eventLog }),
      ...(sinks === undefined ? {} : { sinks }),
      ...(configSource === undefined ? {} : { configSource }),
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
