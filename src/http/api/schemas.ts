// Schemas of the JSON answers of methods, from which the types, OpenRPC, OpenAPI and docs/api.md are
// derived. Those of JSON-RPC itself are in rpc_schemas.ts, those of events in event_schemas.ts.
//
// Times (`at`, `...At`, `since`) are milliseconds since the epoch, durations (`...Ms`)
// milliseconds.
import * as z from "zod";
import { externalSchema } from "../../config/mod.ts";
import { CAUSE_CODES, HEALTH_STATES, SPAN_NAMES } from "../../observe/mod.ts";
import { STATE_NAMES } from "../../session/mod.ts";
import { LOG_LEVELS } from "../../log/mod.ts";

/** A moment. */
export const time = () => z.number().describe("milliseconds since the epoch");
const count = () => z.int().min(0);
const names = () => z.array(z.string()).readonly();
const counts = () => z.partialRecord(z.string(), count()).readonly();
const list = <S extends z.ZodType>(entry: S) => z.array(entry).readonly();
const level = () => z.enum(LOG_LEVELS);

/** What every error but those of JSON-RPC looks like (RFC 9457); its status is 4xx or 5xx. */
export const Problem = z.object({
  type: z.literal("about:blank"),
  title: z.string().describe("the status in words"),
  status: z.int().min(400).max(599),
  detail: z.string().describe("for people"),
  code: z.enum([
    "bad_request",
    "unauthorized",
    "forbidden",
    "not_found",
    "method_not_allowed",
    "too_large",
    "unsupported_media_type",
    "unusable_config",
    "too_many_requests",
    "busy",
    "unavailable",
    "timeout",
    "internal",
  ]).describe("for programs"),
  report: z.lazy(() => ReloadReport).optional()
    .describe("of a reload, with the code unusable_config"),
}).meta({ id: "Problem" });
export type Problem = z.infer<typeof Problem>;

/** Names no version: it is answered without a key. */
export const Health = z.object({
  status: z.literal("ok"),
  uptimeMs: z.number(),
  eventLoopLagMs: z.object({ last: z.number(), max: z.number() })
    .describe("Lag of the event loop: in the last half second, and the maximum in the last minute"),
}).meta({ id: "Health" });
export type Health = z.infer<typeof Health>;

/** Names no cars: it is answered without a key. */
export const Readiness = z.object({
  ready: z.boolean(),
  reasons: names().describe("What more than half of the cars lack, a sentence each"),
  degraded: names().describe("What fewer cars lack: no reason to take the server out of service"),
}).meta({ id: "Readiness" });
export type Readiness = z.infer<typeof Readiness>;

export const CarRates = z.object({
  statuses: count().describe("statuses that were answered"),
  commands: count(),
  responseMeanMs: z.number().nullable()
    .describe("from the arrival of a status to its answer; null when none was answered"),
  responseMaxMs: z.number().nullable(),
}).meta({ id: "CarRates", description: "Counts of one second" });
export type CarRates = z.infer<typeof CarRates>;

export const CauseView = z.object({
  code: z.enum(CAUSE_CODES).describe("for programs"),
  severity: z.enum(["down", "degraded", "waiting"]),
  since: time(),
  text: z.string().describe("what is wrong, in a sentence"),
  advice: z.string().describe("what it means and what to do"),
  module: z.int().nullable().describe("the module concerned, if it is one"),
  attempts: count().nullable()
    .describe("attempts that have failed; null where nothing is attempted"),
  nextAttemptAt: time().nullable().describe("null while an attempt is in progress"),
}).meta({ id: "CauseView", description: "Why a car is not healthy" });
export type CauseView = z.infer<typeof CauseView>;

export const HealthView = z.object({
  state: z.enum(HEALTH_STATES),
  since: time(),
  causes: list(CauseView).describe("the worst first; empty when all is well"),
}).meta({ id: "HealthView", description: "What a car is for an operator" });
export type HealthView = z.infer<typeof HealthView>;

/** One cause of trouble, however many cars and sessions it hits. */
export const IncidentView = z.object({
  id: z.int().min(1),
  code: z.enum(CAUSE_CODES),
  severity: z.enum(["down", "degraded", "waiting"]),
  text: z.string().describe("what happened to the first car, or to the one that caused it"),
  advice: z.string().describe("what it means and what to do"),
  beganAt: time(),
  endedAt: time().nullable().describe("null while it goes on"),
  switchedOff: z.boolean().describe(
    "whether it is over because its gateway had been silent for health.switched_off_ms, not because it is back",
  ),
  quietSince: time().nullable()
    .describe("since when no car suffers from it: it ends soon unless one does again"),
  culprit: z.object({ car: z.string(), module: z.int() }).nullable()
    .describe("the module that took the other cars along"),
  cars: names().describe("cars that it has hit; at most 100 when it is over"),
  carCount: count(),
  times: count().describe("how often cars were hit, each time counted"),
  acknowledged: z.object({ name: z.string(), note: z.string(), at: time() }).nullable(),
}).meta({ id: "IncidentView", description: "Something that went wrong, with one cause" });
export type IncidentView = z.infer<typeof IncidentView>;

/** The last incident of one car. */
export const CarIncident = IncidentView.pick({
  id: true,
  code: true,
  beganAt: true,
  endedAt: true,
}).extend({ text: z.string().describe("what happened to this car") })
  .meta({ id: "CarIncident" });
export type CarIncident = z.infer<typeof CarIncident>;

export const PauseView = z.object({
  by: z.string().describe("name of the operator's key"),
  at: time(),
  reason: z.string().describe("in the operator's words; may be empty"),
  kept: z.boolean().describe("whether it survives a restart of the server"),
}).meta({ id: "PauseView", description: "Who paused a car, when and why" });
export type PauseView = z.infer<typeof PauseView>;

const latitude = () => z.number().min(-90).max(90).describe("degrees, WGS 84");
const longitude = () => z.number().min(-180).max(180).describe("degrees, WGS 84");

export const PositionView = z.object({
  latitude: latitude(),
  longitude: longitude(),
  at: time().describe("when the car told it"),
  device: z.string().describe("the device that told it: module/type/role"),
}).meta({ id: "PositionView", description: "Where a car is, as one of its statuses says" });
export type PositionView = z.infer<typeof PositionView>;

export const TrackView = z.object({
  car: z.string(),
  points: list(z.array(z.number()).length(2).readonly())
    .describe("latitude and longitude, the oldest first, at most 30, at most one in 10 s"),
}).meta({ id: "TrackView", description: "Where a car has been lately" });
export type TrackView = z.infer<typeof TrackView>;

export const CarSummary = z.object({
  car: z.string(),
  state: z.enum(STATE_NAMES),
  since: time(),
  health: HealthView,
  lastMessageAt: time().nullable()
    .describe("when the gateway was last heard; null: not since the server started"),
  position: PositionView.nullable()
    .describe("the last known one; null: no status had any, see `map` of the configuration"),
  paused: z.boolean().describe("by an operator: no gateway is answered until it is resumed"),
  pause: PauseView.nullable().describe("null while it is not paused"),
  brokerConnected: z.boolean(),
  sessionId: z.string().nullable().describe("null while no gateway has a session"),
  connectedDevices: count(),
  modules: list(z.int()).describe("numbers of its modules"),
  rates: CarRates.describe("of the last whole second"),
  lastIncident: CarIncident.nullable()
    .describe("null when none is remembered"),
}).meta({ id: "CarSummary", description: "A car as a row" });
export type CarSummary = z.infer<typeof CarSummary>;

export const Fleet = z.object({
  company: z.string(),
  instance: z.string().nullable()
    .describe("the server among those of its cluster; null: it has all cars to itself"),
  version: z.string(),
  at: time(),
  startedAt: time(),
  health: z.record(z.enum(HEALTH_STATES), count()).describe("cars by health"),
  openIncidents: list(IncidentView).describe("newest first, at most 100"),
  map: z.object({
    tiles: z.string().describe("address of map tiles; empty: none"),
    attribution: z.string().describe("whom the map names as their source"),
  }).describe("what positions are shown on"),
  cars: list(CarSummary).describe("in the order of the configuration"),
});
export type Fleet = z.infer<typeof Fleet>;

export const CarList = Fleet.extend({
  total: count().describe("cars that pass the filters, on all pages"),
  next: z.string().nullable().describe("`after` of the next page; null on the last one"),
}).meta({ id: "CarList", description: "A page of the cars that pass the filters" });
export type CarList = z.infer<typeof CarList>;

const deviceId = () => z.string().describe("module/type/role, unique within the car");

export const PayloadView = z.object({
  kind: z.enum(["json", "text", "hex", "empty"])
    .describe("json and text are UTF-8, hex is two digits per byte, empty has no text"),
  text: z.string(),
  bytes: count().describe("the whole size; text shows at most the first 1,024 bytes"),
  truncated: z.boolean(),
}).meta({ id: "PayloadView", description: "The data of a status or command, made readable" });
export type PayloadView = z.infer<typeof PayloadView>;

export const StatusView = z.object({
  at: time(),
  device: deviceId(),
  state: z.enum(["CONNECTING", "RUNNING", "ERROR", "DISCONNECT", "UNKNOWN"]),
  counter: count(),
  data: PayloadView,
  errorMessage: PayloadView.nullable(),
  responseMs: z.number().nullable()
    .describe("from its arrival to its answer; null while there is none"),
}).meta({ id: "StatusView" });
export type StatusView = z.infer<typeof StatusView>;

export const DeviceView = z.object({
  id: deviceId(),
  module: z.int(),
  type: count(),
  role: z.string(),
  name: z.string(),
  connected: z.boolean(),
  connectedSince: time().nullable(),
  lastStatusAt: time().nullable(),
  lastStatusCounter: count().nullable(),
  lastStatus: StatusView.nullable().describe(
    "however long ago, perhaps of an earlier session; null when it has sent none, or statuses of " +
      "other devices have taken its place: those of a car take at most 128 KiB",
  ),
  problem: z.string().nullable().describe("why it is not connected and what to do"),
}).meta({ id: "DeviceView", description: "A device its gateway has listed" });
export type DeviceView = z.infer<typeof DeviceView>;

export const ModuleView = z.object({
  module: z.int(),
  libPath: z.string(),
  host: count().nullable()
    .describe("number of the module host; null while the context is missing"),
  hostPid: z.int().nullable(),
  openCalls: count().describe("calls in progress or queued"),
}).meta({ id: "ModuleView", description: "A module of the car and where it runs" });
export type ModuleView = z.infer<typeof ModuleView>;

export const CommandView = z.object({
  at: time(),
  device: deviceId(),
  counter: count(),
  data: PayloadView,
  response: z.enum([
    "OK",
    "DEVICE_NOT_CONNECTED",
    "DEVICE_NOT_SUPPORTED",
    "INVALID_COMMAND",
    "UNKNOWN",
  ]).nullable().describe("the gateway's answer; null while there is none"),
  responseMs: z.number().nullable(),
}).meta({ id: "CommandView" });
export type CommandView = z.infer<typeof CommandView>;

export const EventView = z.object({
  at: time(),
  level: level(),
  text: z.string(),
  device: deviceId().nullable(),
}).meta({ id: "EventView", description: "Something that happened to a car, in words" });
export type EventView = z.infer<typeof EventView>;

export const ListedEventView = EventView.extend({
  id: z.string().describe("unique; of the event log: company/car/start of the server/number"),
  car: z.string().nullable().describe("null: it is about the server"),
  kind: z.string().nullable().describe("such as status.accepted; null without an event log"),
  session: z.string().nullable(),
  counter: count().nullable().describe("of a status or command"),
  payload: PayloadView.nullable().describe("what a device or module sent"),
}).meta({ id: "ListedEventView", description: "Something that happened to a car or the server" });
export type ListedEventView = z.infer<typeof ListedEventView>;

export const EventPage = z.object({
  source: z.enum(["log", "memory"]).describe("memory: there is no event log"),
  events: list(ListedEventView).describe("newest first"),
  next: z.string().nullable().describe(
    "`cursor` of the page with older ones; null: there are none. A page may have few events, or " +
      "none, and still have a next one: what one request searches is bounded",
  ),
  searchedTo: time().nullable().describe("the log was searched back to this time"),
  reachesBackTo: time().nullable().describe("time of the oldest event that is known at all"),
}).meta({ id: "EventPage", description: "A page of what happened" });
export type EventPage = z.infer<typeof EventPage>;

export const HistoryView = z.object({
  span: z.enum(SPAN_NAMES),
  stepMs: z.number().describe("the length of a point, in milliseconds"),
  at: time().describe("now"),
  points: list(CarRates.extend({
    at: time().describe("its beginning"),
    health: z.enum(HEALTH_STATES).nullable().describe("the worst in it; null for the fleet"),
    troubled: count().nullable()
      .describe("the most cars that were down or degraded at once; null for one car"),
  })).describe("the oldest first; times in which the server did not run are missing"),
}).meta({ id: "HistoryView", description: "Rates, response times and states over time" });
export type HistoryView = z.infer<typeof HistoryView>;

export const QueueView = z.object({
  statuses: count().describe("statuses received but not answered yet"),
  commands: count().describe("commands waiting to be published"),
  unansweredCommands: count().describe("commands published but not answered yet"),
}).meta({ id: "QueueView" });
export type QueueView = z.infer<typeof QueueView>;

const CarCounts = z.object({
  sessionsStarted: count(),
  sessionsFailed: count(),
  statusesReceived: count(),
  statusesForwarded: count(),
  statusesNotForwarded: count(),
  statusesAnswered: count(),
  commandsSent: count(),
  commandsAcknowledged: count(),
  commandsRefused: count(),
  commandsUnanswered: count(),
  commandsDropped: count(),
  moduleCallsFailed: count(),
  messagesRejected: count(),
  failuresByReason: counts(),
  notForwardedByReason: counts(),
  droppedByReason: counts(),
}).meta({ id: "CarCounts", description: "Since the server started" });

export const CarDetail = CarSummary.extend({
  devices: list(DeviceView).describe("of the session, connected ones first"),
  moduleContexts: list(ModuleView),
  lastMessageAgeMs: z.number().nullable(),
  incidents: list(IncidentView).describe("newest first, at most 10"),
  statuses: list(StatusView).describe("newest first, at most 20"),
  commands: list(CommandView).describe("newest first, at most 20"),
  events: list(EventView).describe("newest first, at most 50"),
  queues: QueueView,
  counts: CarCounts,
  history: list(CarRates).describe("one entry per second, oldest first, at most 60"),
}).meta({ id: "CarDetail" });
export type CarDetail = z.infer<typeof CarDetail>;

const SettingChange = z.object({
  key: z.string(),
  from: z.string(),
  to: z.string(),
  takes: z.enum(["at_once", "new_hosts", "new_connections", "reconnect", "restart"]),
}).meta({ id: "SettingChange", description: "A changed setting; secrets are masked" });

export const ReloadReport = z.object({
  applied: z.boolean().describe("false: nothing has changed"),
  added: names(),
  removed: names(),
  changed: list(z.object({
    car: z.string(),
    modules: list(z.object({
      module: z.int(),
      what: z.enum(["added", "removed", "changed"]),
      keys: names(),
    })),
  })).describe("cars whose modules were replaced; their sessions ended as module_lost"),
  untouched: count().describe("cars that keep their session"),
  reconnecting: count().describe("cars that reconnect to the broker (broker_lost)"),
  settings: list(SettingChange),
  needsRestart: list(SettingChange),
  warnings: names(),
  problems: names(),
}).meta({ id: "ReloadReport" });

export const OperatedCars = z.object({
  cars: list(z.object({
    car: z.string(),
    result: z.enum(["done", "unchanged", "no_such_car"])
      .describe(
        "unchanged: it was paused, or was not paused, already; a paused car is not restarted",
      ),
  })).describe("in the order of the request"),
  kept: z.boolean().describe("whether the server will know of it after a restart"),
}).meta({ id: "OperatedCars", description: "What came of an action on several cars" });
export type OperatedCars = z.infer<typeof OperatedCars>;

export const CallCounts = z.object({
  module: z.int(),
  functionName: z.string(),
  byOutcome: counts(),
  totalMs: z.number().describe("time spent inside the library"),
  maxMs: z.number(),
  byDuration: list(count()).describe(
    "entry n counts calls of at least 2^(n-1) and less than 2^n microseconds, entry 0 shorter ones",
  ),
}).meta({ id: "CallCounts", description: "Calls of one function of one module" });

/** The configuration as a document of the newest dialect. */
export const EffectiveConfig = externalSchema().meta({ id: "EffectiveConfig" });

const JsonSchema = z.record(z.string(), z.unknown()).meta({ id: "JsonSchema" });

export const OpenRpc = z.object({
  openrpc: z.string(),
  info: z.object({ title: z.string(), version: z.string(), description: z.string() }),
  methods: list(z.object({
    name: z.string(),
    summary: z.string(),
    "x-scope": z.string(),
    paramStructure: z.string(),
    params: list(z.object({
      name: z.string(),
      required: z.boolean(),
      description: z.string().optional(),
      schema: JsonSchema,
    })),
    result: z.object({ name: z.string(), schema: JsonSchema }),
    errors: list(z.object({ code: z.int(), message: z.string() })),
  })),
  components: z.object({ schemas: z.record(z.string(), JsonSchema) }),
}).meta({ id: "OpenRpc", description: "A document as in OpenRPC 1.3.2" });
