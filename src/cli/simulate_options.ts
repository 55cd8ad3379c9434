// What `simulate` takes, checked as a whole: every problem at once.
import { Command, Option } from "commander";
import { parseAddress } from "../config/address.ts";
import { ConfigError } from "../config/errors.ts";
import { systemFiles } from "../config/files.ts";
import { loadConfig } from "../config/load.ts";
import { makeDevices } from "../simulator/devices.ts";
import type { GatewayBroker } from "../simulator/gateway_link.ts";
import type { Misbehavior } from "../simulator/misbehavior.ts";
import type { Device } from "../protocol/messages.ts";
import type { ProgramContext } from "./context.ts";
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
  /** Statuses a second and car; 0: as fast as the window allows. */
  readonly rate: number;
  /** Unanswered statuses of one car at which it sends no further one. */
  readonly window: number;
  /** Size of a status in bytes. */
  readonly payload: number;
  readonly misbehavior: Misbehavior;
  /** 0: never. */
  readonly reconnectEveryMs: number;
  /** Absent: until asked to stop. */
  readonly seconds?: number;
  readonly seed: number;
  /** Whether the summary is one JSON object. */
  readonly json: boolean;
}

/** The command line cannot be used; every reason is in {@linkcode SimulateUsageError.problems}. */
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
const DEFAULT_WINDOW = 10;

/** Adds what `simulate` takes to a command. */
export function addSimulateOptions(command: Command): Command {
  return command
    .option("--cars <n>", "how many cars (default: 1, or all of the configuration)")
    .option("--rate <n>", "statuses a second and car; 0: as fast as the window allows", "1")
    .option("--window <n>", "unanswered statuses a car may have", `${DEFAULT_WINDOW}`)
    .option("--devices <n>", "devices a car (default: one for each of its modules)")
    .option("--modules <list>", "module numbers of the devices (default: 1000)")
    .option("--device-types <list>", "types of the devices", "0")
    .option("--payload <bytes>", "size of a status", "64")
    .option("--drop <p>", "probability that a message is never sent, 0 to 1", "0")
    .option("--reorder <p>", "probability that a message changes places with the next", "0")
    .option("--duplicate <p>", "probability that a message is sent twice", "0")
    .option(
      "--reconnect-every <seconds>",
      "each car asks for a new session so often; 0: never",
      "0",
    )
    .option("--seconds <n>", "how long (default: until asked to stop)")
    .option("--seed <n>", "the same seed misbehaves in the same way", "1")
    .option("-c, --config <file>", "take company, broker, cars and modules from a configuration")
    .option("--company <name>", 'company of the cars (default: "acme")')
    .option("--car-prefix <text>", 'cars are called PREFIX1 to PREFIXn (default: "car_")')
    .option("--address <host>", 'the broker: a host or an mqtt:// address (default: "127.0.0.1")')
    .option("--port <n>", "its port (default: 1883, 8883 with TLS)")
    .option("--tls", "reach the broker over TLS")
    .option("--ca <file>", "certificates that may sign the broker's, PEM; turns TLS on")
    .option("--cert <file>", "own certificate, PEM; needs --key")
    .option("--key <file>", "private key of the own certificate, PEM; needs --cert")
    .option("--username <name>", "user name for the broker")
    .addOption(
      new Option("--password <text>", "password for the broker").env("SIMULATE_PASSWORD"),
    )
    .option("--json", "print the summary as one JSON object");
}

/** The command itself, without an action. */
export function simulateCommand(): Command {
  return addSimulateOptions(
    new Command("simulate").description("simulated gateways against any broker"),
  );
}

/** Adds what `simulate` takes, and what it does, to a command of the program. */
export function configureSimulate(
  command: Command,
  context: ProgramContext,
  done: (status: number) => void,
): void {
  addSimulateOptions(command).action(async (raw: RawOptions) => {
    let options: SimulateOptions;
    try {
      options = parseSimulateOptions(raw);
    } catch (error) {
      if (!(error instanceof SimulateUsageError)) throw error;
      for (const problem of error.problems) context.output.err(problem);
      return done(1);
    }
    const { runSimulate } = await import("./simulate.ts");
    done(await runSimulate(options, context.output, context.stop));
  });
}

/**
 * Checks a command line, and reads the configuration it names.
 *
 * @throws {SimulateUsageError} with every problem at once
 */
export function parseSimulateOptions(raw: RawOptions): SimulateOptions {
  const reader = new OptionReader(raw);
  const config = readConfig(reader);
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
    broker: readBroker(reader, config?.broker),
    rate: reader.number("rate", { min: 0, max: 100_000 }) ?? 1,
    window: reader.number("window", { min: 1, max: MAX_WINDOW, integer: true }) ?? DEFAULT_WINDOW,
    payload: reader.number("payload", { min: 0, max: MAX_PAYLOAD, integer: true }) ?? 64,
    misbehavior,
    reconnectEveryMs: reconnectSeconds * 1000,
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
  return Array.from({ length: count }, (_, i) => ({ name: `${prefix}${i + 1}`, modules: [1000] }));
}

function readConfig(
  reader: OptionReader,
): { company: string; broker: GatewayBroker; cars: NamedCar[] } | undefined {
  const file = reader.text("config");
  if (file === undefined) return undefined;
  try {
    const { config } = loadConfig(file, {}, {
      ...systemFiles,
      // The modules' libraries are the server's: they need not be where the gateways run.
      kind: (path) => path.endsWith(".so") ? "file" : systemFiles.kind(path),
    });
    const cars = config.cars.map(({ name, modules }) => ({
      name,
      modules: modules.map((module) => module.id),
    }));
    return { company: config.company, broker: config.broker, cars };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const { path, message } of error.problems) reader.say(`${path}: ${message}`);
    return undefined;
  }
}

function readBroker(reader: OptionReader, configured: GatewayBroker | undefined): GatewayBroker {
  const address = reader.text("address");
  const parsed = address === undefined ? undefined : parseAddress(address);
  if (parsed?.ok === false) reader.say(`--address: ${parsed.message}`);
  const given = parsed?.ok ? parsed.address : undefined;
  const protocol = given?.protocol ?? configured?.protocol ?? "mqtt";
  const tls = readTls(reader, configured?.tls, protocol.endsWith("s") && protocol !== "ws");
  const plain = protocol === "ws" || protocol === "wss" ? "ws" : "mqtt";
  const port = reader.number("port", { min: 1, max: 65_535, integer: true }) ?? given?.port ??
    (given === undefined ? configured?.port : undefined);
  const username = reader.text("username") ?? configured?.username;
  const password = reader.text("password") ?? configured?.password;
  return {
    protocol: tls === undefined ? plain : plain === "ws" ? "wss" : "mqtts",
    host: given?.host ?? configured?.host ?? "127.0.0.1",
    port: port ?? (tls === undefined ? 1883 : 8883),
    path: given?.path ?? configured?.path ?? "",
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(tls === undefined ? {} : { tls }),
  };
}

function readTls(
  reader: OptionReader,
  configured: GatewayBroker["tls"],
  isSecure: boolean,
): GatewayBroker["tls"] {
  const [caFile, certFile, keyFile] = [
    reader.file("ca"),
    reader.file("cert"),
    reader.file("key"),
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
