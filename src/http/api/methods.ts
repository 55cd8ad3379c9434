// The methods of the API, each described once: JSON-RPC, the REST routes, OpenRPC, OpenAPI and
// docs/api.md derive from this list.
import * as z from "zod";
import type { Car } from "../../car/mod.ts";
import { quote } from "../../text/mod.ts";
import { effectiveDocument, type ServerConfig } from "../../config/mod.ts";
import { type Log, LOG_LEVELS, type LogLevel } from "../../log/mod.ts";
import type { CallStatistics } from "../../module/mod.ts";
import type { Pauses } from "../../state/mod.ts";
import type { ReloadReport as Report } from "../../server/mod.ts";
import { HEALTH_STATES, SPAN_NAMES } from "../../observe/mod.ts";
import { STATE_NAMES } from "../../session/mod.ts";
import { AuditedAction, type AuditList } from "../access/audit.ts";
import {
  CallCounts,
  CarDetail,
  CarList,
  CarSummary,
  EffectiveConfig,
  HistoryView,
  IncidentView,
  OpenRpc,
  OperatedCars,
  ReloadReport,
  TrackView,
} from "./schemas.ts";
import {
  CAR,
  CAR_AND_REASON,
  type CarAction,
  CARS_AND_REASON,
  operateCars,
  operatedText,
} from "./operate.ts";
import { LIST_EVENTS } from "./list_events.ts";
import type { LoggedEvents } from "./logged_events.ts";
import { openRpcDocument } from "./describe.ts";
import { RpcError } from "../errors.ts";
import { callerOf, defineFor, type Method } from "./method.ts";
import { RPC_ERRORS, RpcCode } from "./json_rpc.ts";
import { clusterMethods, type ClusterSource } from "./cluster.ts";
import { commandMethods, type CommandSource } from "./commands.ts";
import { configSourceMethods, type ConfigSourceSource } from "./config_source.ts";
import { sinkMethods, type SinkSource } from "./sinks.ts";
import {
  carDetail,
  carList,
  carSummaries,
  historyView,
  trackViews,
  type ViewSource,
} from "./views.ts";

export type OperatedCar = Pick<Car, "restart" | "pause" | "resume">;

export interface MethodSource extends ClusterSource, SinkSource, CommandSource, ConfigSourceSource {
  readonly fleet: ViewSource["fleet"] & {
    /** With all cars, also those that other servers serve. */
    readonly configured: ServerConfig;
    car(name: string): OperatedCar | undefined;
  };
  /** Reloads the configuration; absent when it cannot be reloaded. */
  readonly reload?: (() => Promise<Report>) | undefined;
  /** As `Logging.setLevel`. */
  readonly setLogLevel: (level: LogLevel | undefined, car?: string) => void;
  readonly statistics: CallStatistics;
  readonly pauses: Pauses;
  readonly audit: AuditList;
  readonly log: Log;
  /** The event log; absent: there is none. */
  readonly logged?: LoggedEvents | undefined;
}

const define = defineFor<MethodSource>();

const CARS = z.strictObject({
  state: z.array(z.enum(STATE_NAMES)).min(1).optional().describe("Cars in one of these states"),
  q: z.string().max(100).optional().describe("Cars whose name contains this, in any case"),
  health: z.array(z.enum(HEALTH_STATES)).min(1).optional()
    .describe("Cars in one of these states of health"),
  limit: z.int().min(1).max(10_000).optional().describe("Cars on a page; absent: all"),
  after: z.string().optional().describe("The car before the page: `next` of the page before"),
});

/** Every method, in the order of the documents. */
export const METHODS: readonly Method<MethodSource>[] = [
  define({
    name: "fleet.list",
    summary: "All cars, or those that pass the filters, in pages if there is a limit",
    scope: "read",
    rest: { verb: "GET", path: "/api/v1/cars", former: "/api/cars" },
    params: CARS,
    result: CarList,
    run: (query, source) => carList(source, query) ?? noSuchPage(query.after),
  }),
  define({
    name: "car.get",
    summary: "One car",
    scope: "read",
    rest: { verb: "GET", path: "/api/v1/cars/{car}", former: "/api/cars/{car}" },
    params: CAR,
    result: CarDetail,
    run: ({ car }, source) => carDetail(source, car) ?? noSuchCar(car),
  }),
  define({
    name: "track.list",
    summary: "Where the cars that tell their position have been lately",
    scope: "read",
    rest: { verb: "GET", path: "/api/v1/tracks" },
    result: z.array(TrackView).readonly(),
    run: (_, source) => trackViews(source),
  }),
  ...operate(
    "restart",
    "End the session of a car and tell its gateway, which then connects again",
  ),
  ...operate(
    "pause",
    "End the session of a car and answer no Connect until it is resumed",
  ),
  ...operate("resume", "Answer Connects of a paused car again"),
  define({
    name: "audit.list",
    summary: "What operators have done, the newest first",
    scope: "read",
    rest: { verb: "GET", path: "/api/v1/audit" },
    params: z.strictObject({
      limit: z.int().min(1).max(500).optional().describe("Absent: 100"),
      before: z.int().min(1).optional().describe("Only actions with a smaller id: the next page"),
      car: z.string().optional().describe("Only actions that name this car"),
    }),
    result: z.array(AuditedAction).readonly(),
    run: ({ limit = 100, before, car }, { audit }) => audit.list(limit, before, car),
  }),
  LIST_EVENTS,
  define({
    name: "history.get",
    summary: "Rates, response times and states of the last hour or day",
    scope: "read",
    rest: { verb: "GET", path: "/api/v1/history" },
    params: z.strictObject({
      car: z.string().optional().describe("Absent: the whole fleet"),
      span: z.enum(SPAN_NAMES).optional().describe("Absent: hour"),
    }),
    result: HistoryView,
    run: ({ car, span }, source) =>
      historyView(source, span ?? "hour", car) ?? noSuchCar(car ?? ""),
  }),
  define({
    name: "incident.list",
    summary: "What has gone wrong, by its cause, newest first",
    scope: "read",
    rest: { verb: "GET", path: "/api/v1/incidents" },
    params: z.strictObject({
      state: z.enum(["open", "ended"]).optional().describe("Absent: both"),
      car: z.string().optional().describe("Absent: of all cars"),
      limit: z.int().min(1).max(500).optional().describe("Absent: 100"),
    }),
    result: z.array(IncidentView).readonly(),
    run: (filter, { watch }) => watch.incidents.list(filter),
  }),
  define({
    name: "incident.acknowledge",
    summary: "Say that somebody takes care of an incident",
    scope: "operate",
    rest: { verb: "POST", path: "/api/v1/incidents/{id}/acknowledge" },
    params: z.strictObject({
      id: z.int().min(1),
      name: z.string().trim().min(1).max(100).describe("Who"),
      note: z.string().trim().max(1000).optional().describe("What is done about it"),
    }),
    result: IncidentView,
    run: async ({ id, name, note = "" }, { watch, clock }) =>
      await watch.acknowledge(id, { name, note, at: Math.floor(clock.now()) }) ??
        noSuchIncident(id),
  }),
  ...commandMethods<MethodSource>(),
  ...sinkMethods<MethodSource>(),
  ...clusterMethods<MethodSource>(),
  define({
    name: "config.reload",
    summary: "Read the configuration again; one that cannot be used changes nothing",
    scope: "admin",
    rest: { verb: "POST", path: "/api/v1/config/reload" },
    result: ReloadReport,
    run: (_, source) => reload(source),
  }),
  define({
    name: "config.get",
    summary: "The effective configuration in the newest dialect, secrets masked",
    scope: "read",
    rest: { verb: "GET", path: "/api/v1/config" },
    result: EffectiveConfig,
    run: (_, { fleet }) => effectiveDocument(fleet.configured) as z.input<typeof EffectiveConfig>,
  }),
  ...configSourceMethods<MethodSource>(),
  define({
    name: "log.set_level",
    summary: "Change what is logged, for all or for one car, until the server ends",
    scope: "admin",
    rest: { verb: "PUT", path: "/api/v1/log/level" },
    params: z.strictObject({
      level: z.enum(LOG_LEVELS).nullable().describe("null: as configured"),
      car: z.string().optional().describe("Absent: for all"),
    }),
    result: z.object({ level: z.enum(LOG_LEVELS).nullable(), car: z.string().nullable() }),
    run: setLevel,
  }),
  define({
    name: "module.stats",
    summary: "Calls of modules since the server started",
    scope: "read",
    rest: { verb: "GET", path: "/api/v1/modules/calls" },
    result: z.array(CallCounts).readonly(),
    run: (_, { statistics }) => statistics.snapshot(),
  }),
  define({
    name: "rpc.discover",
    summary: "The OpenRPC document",
    scope: "read",
    rest: { verb: "GET", path: "/api/v1/openrpc.json", former: "/openrpc.json" },
    result: OpenRpc,
    run: () => openRpcDocument(METHODS),
  }),
];

/** See {@linkcode callerOf}. */
export const callMethod = callerOf(METHODS);

/** The same for one car and for many. */
function operate(action: CarAction, summary: string): readonly Method<MethodSource>[] {
  return [
    define({
      name: `car.${action}`,
      summary,
      scope: "operate",
      rest: { verb: "POST", path: `/api/v1/cars/{car}/${action}` },
      params: CAR_AND_REASON,
      result: CarSummary,
      run: async ({ car, reason }, source, caller) => {
        const { cars: [operated] } = await operateCars(
          action,
          { cars: [car], reason },
          source,
          caller,
        );
        if (operated?.result === "no_such_car") noSuchCar(car);
        return carSummaries(source, new Set([car]))[0] ?? noSuchCar(car);
      },
    }),
    define({
      name: `fleet.${action}`,
      summary: `${summary}: for several cars`,
      scope: "operate",
      rest: { verb: "POST", path: `/api/v1/fleet/${action}` },
      params: CARS_AND_REASON,
      result: OperatedCars,
      run: (params, source, caller) => operateCars(action, params, source, caller),
      outcome: operatedText,
    }),
  ];
}

async function reload({ reload }: MethodSource): Promise<Report> {
  if (reload === undefined) {
    throw new RpcError(RPC_ERRORS.UNAVAILABLE, "There is no configuration to read again");
  }
  const report = await reload();
  if (report.applied) return report;
  const message = "The configuration cannot be used, nothing has changed";
  throw new RpcError(RPC_ERRORS.BAD_CONFIG, message, report);
}

function setLevel(
  { level, car }: { readonly level: LogLevel | null; readonly car?: string | undefined },
  { fleet, setLogLevel }: MethodSource,
) {
  if (car !== undefined && fleet.car(car) === undefined) noSuchCar(car);
  setLogLevel(level ?? undefined, car);
  return { level, car: car ?? null };
}

function noSuchPage(after = ""): never {
  const message = `after: Expected a car of the configuration: found ${quote(after)}`;
  throw new RpcError(RpcCode.INVALID_PARAMS, message);
}

function noSuchIncident(id: number): never {
  const message = `Expected an incident that is remembered: found ${id}`;
  throw new RpcError(RPC_ERRORS.NO_SUCH_INCIDENT, message);
}

function noSuchCar(car: string): never {
  const message = `Expected a car of the configuration: found ${quote(car)}`;
  throw new RpcError(RPC_ERRORS.NO_SUCH_CAR, message);
}
