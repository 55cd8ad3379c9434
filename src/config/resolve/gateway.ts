// Resolves the configuration of a Module Gateway, or lists all its problems.
import { resolve } from "node:path";
import { brokerAddress, isLoopback } from "../../net/mod.ts";
import { isDeviceKey } from "../../protocol/mod.ts";
import { isScriptPath } from "../../script/mod.ts";
import { DOCUMENT_PATH, joinPath, quote } from "../../text/mod.ts";
import { type GatewayInput, readGatewayDocument } from "../dialects/gateway.ts";
import { type NumberTexts, USUAL_TEXTS } from "../dialects/number_texts.ts";
import { isObject, readAlong, refuseProto } from "../dialects/read.ts";
import { ConfigError, Faults, type Problem } from "../errors.ts";
import { type ConfigPlace, findFile } from "../files.ts";
import { GATEWAY, INTERNAL_SERVER } from "../keys/gateway_keys.ts";
import { objectOf, resolvedOf } from "../keys/key.ts";
import { resolveBroker } from "./broker.ts";
import type {
  EndpointConfig,
  GatewayConfig,
  GatewayModuleConfig,
  InternalServerConfig,
} from "./gateway_config.ts";
import { resolveEventLog } from "./event_log.ts";
import { resolveConfigSource } from "./config_source.ts";
import { resolveHttp, resolveTls } from "./http.ts";
import { resolveLogging } from "./logging.ts";
import { resolveSinks } from "./sinks.ts";
import { scriptAt } from "./modules.ts";
import { judgePulled } from "./pulled.ts";

/** The file that the reference gateway writes, and how it rotates it. */
const LOG_FILE = { name: "ModuleGateway.log", maxBytes: 50 * 1024 * 1024, keep: 5 };

/** What the command line adds. */
export interface GatewayOverrides {
  /** `--port`: replaces the port for devices. */
  readonly port?: number | undefined;
}

/** A usable configuration. */
export interface LoadedGatewayConfig {
  readonly config: GatewayConfig;
  /** Suspicious findings that do not prevent a start. */
  readonly warnings: readonly Problem[];
  readonly dialect: "gateway";
}

/**
 * Resolves a parsed JSON document.
 *
 * @throws {ConfigError} with every problem at once; never another error
 */
export function parseGatewayConfig(
  document: unknown,
  place: ConfigPlace,
  overrides: GatewayOverrides = {},
  source = DOCUMENT_PATH,
  numbers: NumberTexts = USUAL_TEXTS,
): LoadedGatewayConfig {
  const faults = new Faults();
  refuseProto(document, DOCUMENT_PATH, faults);
  if (isObject(document) && Object.hasOwn(document, "company_name")) {
    const found = "that of a server";
    faults.problem(DOCUMENT_PATH, `Expected the configuration of a Module Gateway: found ${found}`);
    throw new ConfigError(source, faults.problems, []);
  }
  if (place.isPulled) judgePulled(document, faults);
  const input = readGatewayDocument(document, numbers, faults);
  const config = input && resolveGateway(input, place, overrides, faults);
  if (config === undefined || faults.problems.length > 0) {
    throw new ConfigError(source, faults.problems, faults.warnings);
  }
  return { config, warnings: faults.warnings, dialect: "gateway" };
}

function resolveGateway(
  input: GatewayInput,
  place: ConfigPlace,
  overrides: GatewayOverrides,
  faults: Faults,
): GatewayConfig | undefined {
  const cloud = input["external-connection"];
  const endpoints = resolveEndpoints(cloud?.endpoints ?? [], place, faults);
  if (cloud?.endpoints?.length === 0) {
    faults.problem("external-connection.endpoints", "Expected at least one endpoint: found none");
  }
  const modules = resolveModules(input, endpoints, place, faults);
  const moduleLimits = resolvedOf(GATEWAY["module-limits"], input["module-limits"]);
  const internalServer = resolveInternalServer(input, place, overrides, faults);
  const logging = resolveLogging(
    {
      logging: input.logging,
      log_file_max_size_bytes: LOG_FILE.maxBytes,
      log_files_to_keep: LOG_FILE.keep,
    },
    place.workingDirectory,
    faults,
  );
  const http = resolveHttp(input, place, faults);
  const eventLog = resolveEventLog(input, {}, place);
  if (eventLog?.durability === "each") {
    const expected = 'the string "batch", as a gateway answers devices at once';
    faults.problem("event_log.durability", `Expected ${expected}: found "each"`);
  }
  const sinks = resolveSinks(input, eventLog, place, faults);
  const { state_dir: stateDir } = input;
  const configSource = resolveConfigSource(input.config_source, place, faults);
  const { directory, "max-bytes": maxBytes } = cloud?.history ?? {};
  const history = directory === undefined || maxBytes === undefined
    ? undefined
    : { directory: resolve(place.workingDirectory, directory), maxBytes };
  if (input["module-binary-path"]) {
    const text = "Key has no effect: every module runs in processes of its own";
    faults.warning("module-binary-path", text);
  }
  const { company, "vehicle-name": car } = cloud ?? {};
  if (
    company === undefined || car === undefined || internalServer === undefined ||
    moduleLimits === undefined
  ) return undefined;
  return {
    company,
    car,
    internalServer,
    modules,
    moduleLimits,
    endpoints,
    ...(history === undefined ? {} : { history }),
    logging: { ...logging, file: { ...logging.file, name: LOG_FILE.name } },
    ...(http === undefined ? {} : { http }),
    ...(eventLog === undefined ? {} : { eventLog }),
    ...(sinks === undefined ? {} : { sinks }),
    ...(stateDir === undefined ? {} : { stateDir: resolve(place.workingDirectory, stateDir) }),
    ...(configSource === undefined ? {} : { configSource }),
  };
}

type CloudInput = NonNullable<GatewayInput["external-connection"]>;
type EndpointInput = NonNullable<CloudInput["endpoints"]>[number];

function resolveEndpoints(
  inputs: readonly EndpointInput[],
  place: ConfigPlace,
  faults: Faults,
): EndpointConfig[] {
  const served = new Map<number, string>();
  const brokers = new Map<string, string>();
  return inputs.flatMap((input, index): EndpointConfig[] => {
    const path = `external-connection.endpoints.${index}`;
    if (input === undefined) return [];
    const broker = resolveEndpointBroker(input, path, place, faults);
    const modules = (input.modules ?? []).filter((number) => number !== undefined);
    if (input.modules?.length === 0) {
      faults.warning(
        joinPath(path, "modules"),
        "The endpoint has no modules: nothing is sent there",
      );
    }
    for (const number of modules) {
      const other = served.get(number);
      if (other === undefined) served.set(number, joinPath(path, "modules"));
      else {
        const expected = `each module at one endpoint: found ${number} in ${other}, too`;
        faults.problem(joinPath(path, "modules"), `Expected ${expected}`);
      }
    }
    if (broker === undefined) return [];
    const address = brokerAddress(broker);
    const other = brokers.get(address);
    brokers.set(address, path);
    if (other !== undefined) {
      // Topics do not name the endpoint, and both would have the same client id.
      const expected = `each broker once: found ${quote(address)} in ${other}, too`;
      faults.problem(joinPath(path, "server-ip"), `Expected ${expected}`);
    }
    return [{ name: `${index + 1} ${address}`, broker, modules }];
  });
}

function resolveEndpointBroker(
  input: NonNullable<EndpointInput>,
  path: string,
  place: ConfigPlace,
  faults: Faults,
) {
  const type = input["protocol-type"];
  if (type !== undefined && type.toUpperCase() !== "MQTT") {
    const expected = 'the string "MQTT", as this gateway has no other way to the cloud';
    faults.problem(joinPath(path, "protocol-type"), `Expected ${expected}: found ${quote(type)}`);
  }
  const settings = input["mqtt-settings"] ?? {};
  const at = (key: string) => joinPath(joinPath(path, "mqtt-settings"), key);
  const host = input["server-ip"];
  const isOn = settings.ssl === true;
  const file = (name: string | undefined) => isOn && name !== "" ? name : undefined;
  return resolveBroker(
    {
      address: isOn && host !== undefined && !host.includes("://")
        ? `mqtts://${bracketed(host)}`
        : host,
      port: input.port,
      sessionMs: undefined,
      username: settings.username,
      password: settings.password,
      passwordFile: settings["password-file"],
      tls: {
        ca: file(settings["ca-file"]),
        cert: file(settings["client-cert"]),
        key: file(settings["client-key"]),
      },
      paths: {
        address: joinPath(path, "server-ip"),
        port: joinPath(path, "port"),
        username: at("username"),
        password: at("password"),
        passwordFile: at("password-file"),
        ca: at("ca-file"),
        cert: at("client-cert"),
        key: at("client-key"),
      },
    },
    {},
    place,
    faults,
  );
}

function bracketed(host: string): string {
  return host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;
}

function resolveModules(
  input: GatewayInput,
  endpoints: readonly EndpointConfig[],
  place: ConfigPlace,
  faults: Faults,
): GatewayModuleConfig[] {
  const modules = new Map<number, GatewayModuleConfig>();
  const permissions = input["module-permissions"] ?? new Map<string, undefined>();
  for (const [key, name] of input["module-paths"] ?? []) {
    const path = joinPath("module-paths", key);
    const number = numberOf(key, path, faults);
    if (name === undefined || number === undefined) continue;
    const found = findFile(name, place);
    if (!found.ok) faults.problem(path, found.message);
    else if (modules.has(number)) {
      faults.problem(path, `Expected each module once: found ${number} twice`);
    } else {
      const script = isScriptPath(found.path) && scriptAt(found.path, path, place, faults);
      modules.set(number, { number, path: found.path, ...(script ? { script } : {}) });
    }
  }
  for (const [key, granted] of permissions) {
    const path = joinPath("module-permissions", key);
    const number = numberOf(key, path, faults);
    const module = number === undefined ? undefined : modules.get(number);
    if (module === undefined) {
      faults.warning(path, "Key has no effect: there is no such module");
    } else if (!isScriptPath(module.path)) {
      faults.warning(path, "Key has no effect: the module is a shared library");
    } else if (granted !== undefined) {
      const known = (list: readonly (string | undefined)[] | undefined) =>
        list?.filter((one) => one !== undefined);
      const paths = (list: readonly (string | undefined)[] | undefined) =>
        known(list)?.map((one) => resolve(place.workingDirectory, one));
      const all = {
        net: known(granted.net),
        read: paths(granted.read),
        write: paths(granted.write),
        env: known(granted.env),
      };
      const given = Object.fromEntries(
        Object.entries(all).filter(([, list]) => list !== undefined),
      );
      modules.set(module.number, { ...module, permissions: given });
    }
  }
  const served = new Set(endpoints.flatMap(({ modules }) => modules));
  for (const number of modules.keys()) {
    if (served.has(number)) continue;
    const text = "The module is not served: no endpoint names it";
    faults.warning(joinPath("module-paths", String(number)), text);
  }
  for (const [index, { modules: numbers }] of endpoints.entries()) {
    for (const number of numbers) {
      if (modules.has(number) || faults.hasProblem(`module-paths.${number}`)) continue;
      const path = `external-connection.endpoints.${index}.modules`;
      faults.problem(path, `Expected modules of "module-paths": found ${number}`);
    }
  }
  return [...modules.values()].sort((a, b) => a.number - b.number);
}

function numberOf(key: string, path: string, faults: Faults): number | undefined {
  const number = /^\d+$/.test(key) ? Number(key) : 0;
  if (number >= 1 && number <= 2_147_483_647) return number;
  const expected = "a module number from 1 to 2147483647";
  faults.problem(path, `Expected ${expected}: found the key ${quote(key)}`);
  return undefined;
}

const SECTION = "internal-server-settings";

function resolveInternalServer(
  input: GatewayInput,
  place: ConfigPlace,
  overrides: GatewayOverrides,
  faults: Faults,
): InternalServerConfig | undefined {
  const given = input[SECTION] ?? withoutSection();
  const { address, takeover, push, "unix-socket": socket } = given;
  const at = (key: string) => joinPath(SECTION, key);
  const port = overrides.port ?? given.port;
  if (port === undefined && !faults.hasProblem(at("port"))) {
    faults.problem(at("port"), "Expected a port, here or with --port: found nothing");
  }
  const tls = resolveTls(given, { cert: "tls-cert", key: "tls-key" }, SECTION, place, faults);
  const tokens = given.tokens === undefined ? undefined : definedOf(given.tokens);
  for (const key of Object.keys(tokens ?? {})) {
    if (isDeviceKey(key)) continue;
    const expected = "module/type/role, as in 1000/0/button";
    faults.problem(joinPath(at("tokens"), key), `Expected ${expected}: found ${quote(key)}`);
  }
  if (tokens !== undefined && given["tls-cert"] === undefined && !isLoopback(address ?? "")) {
    const text = "Tokens are sent over the network in clear text: TLS is off";
    faults.warning(at("tokens"), text);
  }
  const pushOf = definedOf<"always" | "between" | "never">(given["push-of"] ?? new Map());
  for (const key of Object.keys(pushOf)) {
    if (isDeviceKey(`${key}/`) && key.split("/").length === 2) continue;
    const expected = "module/type, as in 1000/0";
    faults.problem(joinPath(at("push-of"), key), `Expected ${expected}: found ${quote(key)}`);
  }
  const limits = resolvedOf(INTERNAL_SERVER.limits, given.limits);
  if (
    port === undefined || address === undefined || takeover === undefined || push === undefined ||
    limits === undefined
  ) return undefined;
  return {
    address,
    port,
    ...(socket === undefined ? {} : { unixSocket: resolve(place.workingDirectory, socket) }),
    ...(tls === undefined ? {} : { tls }),
    takeover,
    push,
    pushOf,
    ...(tokens === undefined ? {} : { tokens }),
    limits,
  };
}

/** The defaults of the section. */
function withoutSection(): NonNullable<GatewayInput[typeof SECTION]> {
  const sink = { numbers: USUAL_TEXTS, faults: new Faults(), onUnknownKey: () => {} };
  return readAlong(objectOf(INTERNAL_SERVER), {}, SECTION, sink) ?? {};
}

/** A record that was read, without what is invalid. */
function definedOf<T extends string>(
  record: ReadonlyMap<string, T | undefined>,
): Record<string, T> {
  const entries = [...record].flatMap(([key, value]) => value === undefined ? [] : [[key, value]]);
  return Object.fromEntries(entries);
}
