// Checks the command line of `simulate` as a whole, and reports every problem at once.
import { isSecure, overTls, parseAddress } from "../net/mod.ts";
import { ConfigError, configSource, loadConfig, problemText, systemFiles } from "../config/mod.ts";
import type { GatewayBroker, GatewayVersion } from "../gateway/mod.ts";
import { EXAMPLE_MODULE, makeDevices, type Misbehavior } from "../simulator/mod.ts";
import type { Device } from "../protocol/mod.ts";
import { OptionReader, type RawOptions } from "./option_reader.ts";

/** A car to be simulated. */
export interface SimulatedCar {
  readonly name: string;
  readonly devices: readonly Device[];
}

/** A checked command line. */
export interface SimulateOptions {
  readonly company: string;
  readonly cars: readonly SimulatedCar[];
  readonly broker: GatewayBroker;
  /** Statuses per second and car; 0: as fast as the window allows. */
  readonly rate: number;
  /** A car with this many unanswered statuses sends no more. */
  readonly window: number;
  /** Size of a status in bytes. */
  readonly payload: number;
  readonly misbehavior: Misbehavior;
  /** 0: never. */
  readonly reconnectEveryMs: number;
  readonly gateway: GatewayVersion;
  readonly firstConnectionFails: boolean;
  /** Absent: until asked to stop. */
  readonly seconds?: number;
  readonly seed: number;
  /** Whether the summary is one JSON object. */
  readonly json: boolean;
}

/** The command line is invalid; {@linkcode SimulateUsageError.problems} has every reason. */
export class SimulateUsageError extends Error {
  override readonly name = "SimulateUsageError";
  readonly problems: readonly string[];

  constructor(problems: readonly string[], options?: ErrorOptions) {
    super(`Cannot simulate: ${problems.join("; ")}`, options);
    this.problems = problems;
  }
}

const MAX_CARS = 10_000;
const MAX_DEVICES = 1_000;
const MAX_PAYLOAD = 10 * 1024 * 1024;
const MAX_WINDOW = 100_000;
/** Of `--window`. */
export const DEFAULT_WINDOW = 10;

/**
 * Checks a command line, and reads the configuration it names.
 *
 * @throws {SimulateUsageError} with every problem at once
 */
export async function parseSimulateOptions(raw: RawOptions): Promise<SimulateOptions> {
  const reader = new OptionReader(raw);
  const config = await readConfig(reader);
  const modules = reader.numbers("modules", { min: 1, max: 2_147_483_647 });
  const types = reader.numbers("deviceTypes", { min: 0, max: 4_294_967_295 }) ?? [0];
  const devices = reader.number("devices", { min: 1, max: MAX_DEVICES, integer: true });
  const count = reader.number("cars", { min: 1, max: MAX_CARS, integer: true });
  if (config !== undefined) reader.refuse(["company", "carPrefix"], "--config");
  const known = config?.cars ?? namedCars(count ?? 1, reader.text("carPrefix") ?? "car_");
  if (config !== undefined && count !== undefined && count > known.length) {
    reader.problem("cars", `at most the ${known.length} cars of the configuration`, `${count}`);
  }
  const cars = known.slice(0, count).map((car) => {
    const numbers = modules ?? car.modules;
    return { name: car.name, devices: makeDevices(devices ?? numbers.length, numbers, types) };
  });
  const share = (name: string) => reader.number(name, { min: 0, max: 1 }) ?? 0;
  const misbehavior = {
    drop: share("drop"),
    reorder: share("reorder"),
    duplicate: share("duplicate"),
  };
  const sum = misbehavior.drop + misbehavior.reorder + misbehavior.duplicate;
  if (sum > 1) reader.problem("drop", "probabilities of at most 1 together", `${sum}`);
  const reconnectSeconds = reader.number("reconnectEvery", { min: 0, max: 86_400 }) ?? 0;
  const seconds = reader.number("seconds", { min: 0, max: 2_000_000 });
  const options = {
    company: config?.company ?? reader.name("company") ?? "acme",
    cars,
    broker: await readBroker(reader, config?.broker),
    rate: reader.number("rate", { min: 0, max: 100_000 }) ?? 1,
    window: reader.number("window", { min: 1, max: MAX_WINDOW, integer: true }) ?? DEFAULT_WINDOW,
    payload: reader.number("payload", { min: 0, max: MAX_PAYLOAD, integer: true }) ?? 64,
    misbehavior,
    reconnectEveryMs: reconnectSeconds * 1000,
    // The option takes no other.
    gateway: reader.text("gateway") as GatewayVersion,
    firstConnectionFails: reader.flag("firstConnectionFails"),
    ...(seconds === undefined ? {} : { seconds }),
    seed: reader.number("seed", { min: 0, max: 4_294_967_295, integer: true }) ?? 1,
    json: raw["json"] === true,
  };
  if (reader.problems.length > 0) throw new SimulateUsageError(reader.problems);
  return options;
}

interface NamedCar {
  readonly name: string;
  readonly modules: readonly number[];
}

function namedCars(count: number, prefix: string): NamedCar[] {
  return Array.from(
    { length: count },
    (_, i) => ({ name: `${prefix}${i + 1}`, modules: [EXAMPLE_MODULE] }),
  );
}

async function readConfig(
  reader: OptionReader,
): Promise<{ company: string; broker: GatewayBroker; cars: NamedCar[] } | undefined> {
  const file = reader.text("config");
  if (file === undefined) return undefined;
  try {
    const source = configSource(file, {
      ...systemFiles,
      // Only the server needs the libraries: they may be missing where the gateways run.
      kind: (path) => path.endsWith(".so") ? Promise.resolve("file") : systemFiles.kind(path),
    });
    const { config } = await loadConfig(source);
    const cars = config.cars.map(({ name, modules }) => ({
      name,
      modules: modules.map((module) => module.id),
    }));
    return { company: config.company, broker: config.broker, cars };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const problem of error.problems) reader.say(problemText(error.source, problem));
    return undefined;
  }
}

async function readBroker(
  reader: OptionReader,
  configured: GatewayBroker | undefined,
): Promise<GatewayBroker> {
  const address = reader.text("address");
  const parsed = address === undefined ? undefined : parseAddress(address);
  if (parsed?.ok === false) reader.say(`--address: ${parsed.message}`);
  const given = parsed?.ok ? parsed.address : undefined;
  const protocol = given?.protocol ?? configured?.protocol ?? "mqtt";
  const tls = await readTls(reader, configured?.tls, isSecure(protocol));
  const port = reader.number("port", { min: 1, max: 65_535, integer: true }) ?? given?.port ??
    (given === undefined ? configured?.port : undefined);
  const username = reader.text("username") ?? configured?.username;
  const password = reader.text("password") ?? configured?.password;
  return {
    protocol: tls === undefined ? protocol : overTls(protocol),
    host: given?.host ?? configured?.host ?? "127.0.0.1",
    port: port ?? (tls === undefined ? 1883 : 8883),
    path: given?.path ?? configured?.path ?? "",
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(tls === undefined ? {} : { tls }),
  };
}

async function readTls(
  reader: OptionReader,
  configured: GatewayBroker["tls"],
  isSecure: boolean,
): Promise<GatewayBroker["tls"]> {
  const [caFile, certFile, keyFile] = [
    await reader.file("ca"),
    await reader.file("cert"),
    await reader.file("key"),
  ];
  if ((certFile === undefined) !== (keyFile === undefined)) {
    const missing = certFile === undefined ? "cert" : "key";
    reader.problem(missing, "certificate and key together", "only one of them");
  }
  const isAsked = reader.flag("tls") || caFile !== undefined || certFile !== undefined;
  if (!isAsked && !isSecure && configured === undefined) return undefined;
  return {
    ...configured,
    ...(caFile === undefined ? {} : { caFile }),
    ...(certFile === undefined ? {} : { certFile }),
    ...(keyFile === undefined ? {} : { keyFile }),
  };
}
