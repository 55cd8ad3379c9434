// Schemas of the answers of a Module Gateway.
import * as z from "zod";
import { gatewaySchema } from "../../config/mod.ts";
import { PayloadView } from "../api/schemas.ts";
import { SinkView } from "../api/sinks.ts";

const time = () => z.number().describe("milliseconds since the epoch");
const count = () => z.int().min(0);
const counts = () => z.record(z.string(), count()).readonly();
const list = <S extends z.ZodType>(entry: S) => z.array(entry).readonly();

const GatewayDevice = z.object({
  id: z.string().describe("module/type/role"),
  name: z.string(),
  priority: count(),
  lastStatus: PayloadView.describe("as its module aggregated it"),
  lastStatusAt: time().nullable(),
  lastCommand: PayloadView.describe("what it was sent last"),
  lastCommandAt: time().nullable(),
  waitingCommands: count().describe("commands of the cloud that wait for its next status"),
  waitingCalls: count().describe("what waits for its module"),
}).meta({ id: "GatewayDevice" });

const GatewayEndpoint = z.object({
  name: z.string().describe("its place in the configuration, and the broker's address"),
  modules: list(z.int()),
  phase: z.string().describe("connected: there is a session with the cloud"),
  since: time(),
  sessionId: z.string().nullable(),
  devices: list(z.string()).describe("those that the cloud was told of"),
  unanswered: count().describe("statuses without an answer"),
  waitingReports: count().describe("reports that wait to be sent"),
  waitingErrors: count().describe("statuses that wait to become part of an error message"),
  history: z.object({
    kept: count(),
    offered: count(),
    lostBytes: count(),
    bytes: count().describe("on the disk now"),
  }).nullable().describe(
    "statuses that could not be sent, and are offered later; null: none are kept",
  ),
  lastEnd: z.string().nullable().describe("why the last session or attempt ended"),
  counts: z.object({
    sessions: count(),
    failedSequences: count(),
    statusesSent: count(),
    statusesAnswered: count(),
    statusesFolded: count(),
    commands: count(),
    violations: count(),
  }),
}).meta({ id: "GatewayEndpoint" });

const GatewayModuleView = z.object({
  module: z.int(),
  path: z.string(),
  hosts: count().describe("processes that run it"),
  waitingCalls: count(),
  slow: z.boolean().describe("whether a call was slow within the last minute"),
  lostHosts: count(),
  lastLoss: z.string().nullable().describe("why the last process was lost"),
}).meta({ id: "GatewayModule" });

/** All that a gateway shows. */
export const GatewayView = z.object({
  version: z.string(),
  company: z.string(),
  car: z.string(),
  at: time(),
  startedAt: time(),
  connections: count().describe("of devices, those without a Connect included"),
  closed: counts().describe("connections that were closed, by reason"),
  slowAnswers: counts().describe("devices disconnected because a module was slow, by module"),
  dropped: counts(),
  devices: list(GatewayDevice),
  endpoints: list(GatewayEndpoint),
  modules: list(GatewayModuleView),
  sinks: list(SinkView),
}).meta({ id: "Gateway" });
export type GatewayView = z.input<typeof GatewayView>;

const SettingChange = z.object({
  key: z.string(),
  from: z.string(),
  to: z.string(),
  takes: z.string().describe("when it takes effect"),
});

/** The result of a reload. */
export const GatewayReload = z.object({
  applied: z.boolean().describe("false: nothing has changed"),
  modules: list(z.int()).describe("modules that were started, and have taken over"),
  reconnected: z.boolean().describe("whether devices and sessions have to connect again"),
  settings: list(SettingChange),
  needsRestart: list(SettingChange),
  warnings: list(z.string()),
  problems: list(z.string()),
}).meta({ id: "GatewayReload" });
export type GatewayReload = z.input<typeof GatewayReload>;

/** The effective configuration. */
export const GatewayConfigView = gatewaySchema.meta({ id: "GatewayConfig" });
