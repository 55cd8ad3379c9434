// The methods of JSON-RPC: what each takes, and what it does.
import * as z from "zod";
import type { Car } from "../car/car.ts";
import { quote } from "../config/describe.ts";
import { effectiveDocument } from "../config/effective.ts";
import type { CallStatistics } from "../module/statistics.ts";
import { LOG_LEVELS, type LogLevel } from "../config/log_level.ts";
import type { Log } from "../log/log.ts";
import type { ReloadReport } from "../server/reload_report.ts";
import { type CarSummary, RPC_ERRORS, type RpcMethods } from "./api.ts";
import { RpcError } from "./errors.ts";
import { RpcCode } from "./json_rpc.ts";
import { type DescribedMethod, openRpcDocument } from "./openrpc.ts";
import { carDetail, carList, carSummaries, type ViewSource } from "./views.ts";

/** What operators may do to a car. */
export type OperatedCar = Pick<Car, "restart" | "pause" | "resume">;

/** What methods work on. */
export interface MethodSource extends ViewSource {
  readonly fleet: ViewSource["fleet"] & { car(name: string): OperatedCar | undefined };
  /** Reads the configuration again; absent where there is nothing to read again. */
  readonly reload?: (() => Promise<ReloadReport>) | undefined;
  /** As `Logging.setLevel`. */
  readonly setLogLevel: (level: LogLevel | undefined, car?: string) => void;
  readonly statistics: CallStatistics;
  readonly log: Log;
}

type MethodName = keyof RpcMethods;

/** One method. */
export interface Method extends DescribedMethod {
  readonly name: MethodName;
  readonly run: (params: never, source: MethodSource) => unknown;
}

function define<N extends MethodName>(
  name: N,
  summary: string,
  params: z.ZodType<RpcMethods[N]["params"]> & z.ZodObject,
  result: string,
  run: (
    params: RpcMethods[N]["params"],
    source: MethodSource,
  ) => RpcMethods[N]["result"] | Promise<RpcMethods[N]["result"]>,
): Method {
  return { name, summary, params, result, run };
}

const NONE = z.strictObject({}) as z.ZodType<RpcMethods["fleet.list"]["params"]> & z.ZodObject;
const CAR = z.strictObject({ car: z.string().describe("A car of the configuration") });

/** Every method, in the order of the OpenRPC document. */
export const METHODS: readonly Method[] = [
  define("fleet.list", "All cars", NONE, "CarList", (_, source) => carList(source)),
  define("car.get", "One car", CAR, "CarDetail", ({ car }, source) => {
    const detail = carDetail(source, car);
    if (detail === undefined) throw noSuchCar(car);
    return detail;
  }),
  operate("car.restart", "End the session of a car and tell its gateway", (car) => car.restart()),
  operate("car.pause", "End the session and answer no Connect", (car) => car.pause()),
  operate("car.resume", "Answer Connects of a paused car again", (car) => car.resume()),
  define("config.reload", "Read the configuration again", NONE, "ReloadReport", reload),
  define(
    "config.get",
    "The effective configuration, secrets masked",
    NONE,
    "A configuration of the newest dialect",
    (_, { fleet }) => effectiveDocument(fleet.config),
  ),
  define(
    "log.set_level",
    "Change what is logged, for all or for one car, until the server ends",
    z.strictObject({
      level: z.enum(LOG_LEVELS).nullable().describe("null: as configured"),
      car: z.string().optional().describe("Absent: for all"),
    }) as z.ZodType<RpcMethods["log.set_level"]["params"]> & z.ZodObject,
    "What counts now",
    setLevel,
  ),
  define(
    "module.stats",
    "Calls of modules since the server started",
    NONE,
    "A list of CallCounts",
    (_, { statistics }) => statistics.snapshot(),
  ),
  define(
    "rpc.discover",
    "This document",
    NONE,
    "An OpenRPC document",
    () => openRpcDocument(METHODS),
  ),
];

const BY_NAME: ReadonlyMap<string, Method> = new Map(METHODS.map((one) => [one.name, one]));

/**
 * Calls a method by its name.
 *
 * @throws {RpcError} when there is no such method, its parameters are wrong, or it cannot be done.
 */
export async function callMethod(
  name: string,
  params: unknown,
  source: MethodSource,
): Promise<unknown> {
  const method = BY_NAME.get(name);
  if (method === undefined) {
    const message = `Expected a method of this server: found ${quote(name)}`;
    throw new RpcError(RpcCode.METHOD_NOT_FOUND, message);
  }
  const parsed = method.params.safeParse(byName(params, method));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const path = issue?.path.join(".") || "params";
    throw new RpcError(RpcCode.INVALID_PARAMS, `${path}: ${issue?.message ?? "wrong"}`);
  }
  return await method.run(parsed.data as never, source);
}

/** Parameters may come as a list, in their order. */
function byName(params: unknown, { params: schema }: Method): unknown {
  if (!Array.isArray(params)) return params ?? {};
  const names = Object.keys(schema.shape);
  return Object.fromEntries(params.map((value, index) => [names[index] ?? `${index}`, value]));
}

function operate(
  name: "car.restart" | "car.pause" | "car.resume",
  summary: string,
  act: (car: OperatedCar) => void,
): Method {
  return define(name, summary, CAR, "CarSummary", ({ car }, source): CarSummary => {
    const operated = source.fleet.car(car);
    if (operated === undefined) throw noSuchCar(car);
    source.log.forCar(car).info(() => `An operator called ${name}`);
    act(operated);
    const [row] = carSummaries(source, new Set([car]));
    if (row === undefined) throw noSuchCar(car);
    return row;
  });
}

async function reload(_: unknown, { reload, log }: MethodSource): Promise<ReloadReport> {
  if (reload === undefined) {
    throw new RpcError(RPC_ERRORS.UNAVAILABLE, "There is no configuration to read again");
  }
  log.info("An operator called config.reload");
  const report = await reload();
  if (report.applied) return report;
  const message = "The configuration cannot be used, nothing has changed";
  throw new RpcError(RPC_ERRORS.BAD_CONFIG, message, report);
}

function setLevel(
  { level, car }: RpcMethods["log.set_level"]["params"],
  { fleet, setLogLevel, log }: MethodSource,
): RpcMethods["log.set_level"]["result"] {
  if (car !== undefined && fleet.car(car) === undefined) throw noSuchCar(car);
  log.info(() =>
    `An operator set the log level of ${car ?? "all"} to ${level ?? "the configured"}`
  );
  setLogLevel(level ?? undefined, car);
  return { level, car: car ?? null };
}

function noSuchCar(car: string): RpcError {
  const message = `Expected a car of the configuration: found ${quote(car)}`;
  return new RpcError(RPC_ERRORS.NO_SUCH_CAR, message);
}
