// The methods of a Module Gateway's API, each described once, as those of a server.
import * as z from "zod";
import { effectiveGatewayDocument, type GatewayConfig } from "../../config/mod.ts";
import { LOG_LEVELS, type LogLevel } from "../../log/mod.ts";
import type { HostedModuleSnapshot } from "../../module/mod.ts";
import type { ModuleGatewaySnapshot } from "../../module_gateway/mod.ts";
import { AuditedAction } from "../access/audit.ts";
import { openRpcDocument } from "../api/describe.ts";
import { RPC_ERRORS } from "../api/json_rpc.ts";
import { callerOf, defineFor, type Method } from "../api/method.ts";
import { payloadView } from "../api/payload_view.ts";
import { OpenRpc } from "../api/schemas.ts";
import { configSourceMethods, type ConfigSourceSource } from "../api/config_source.ts";
import { sinkMethods, type SinkSource } from "../api/sinks.ts";
import type { AppSource } from "../app.ts";
import { RpcError } from "../errors.ts";
import { VERSION } from "../../version.ts";
import { GatewayConfigView, GatewayReload, GatewayView } from "./schemas.ts";

/** The gateway as its operators see it. */
export interface OperatedGateway {
  readonly config: GatewayConfig;
  /** Null while there is none. */
  snapshot(): ModuleGatewaySnapshot | null;
  moduleSnapshots(): readonly HostedModuleSnapshot[];
}

export interface GatewaySource extends AppSource, SinkSource, ConfigSourceSource {
  readonly gateway: OperatedGateway;
  /** Reloads the configuration. */
  readonly reload: () => Promise<GatewayReload>;
  readonly setLogLevel: (level: LogLevel | undefined) => void;
  readonly startedAt: number;
}

const define = defineFor<GatewaySource>();

/** Every method, in the order of the documents. */
export const GATEWAY_METHODS: readonly Method<GatewaySource>[] = [
  define({
    name: "gateway.get",
    summary: "Devices, sessions with the cloud, and modules",
    scope: "read",
    rest: { verb: "GET", path: "/api/v1/gateway" },
    result: GatewayView,
    run: (_, source) => gatewayView(source),
  }),
  ...sinkMethods<GatewaySource>(),
  define({
    name: "config.reload",
    summary: "Read the configuration again; one that cannot be used changes nothing",
    scope: "admin",
    rest: { verb: "POST", path: "/api/v1/config/reload" },
    result: GatewayReload,
    run: async (_, { reload }) => {
      const report = await reload();
      if (report.applied) return report;
      const message = `The configuration cannot be used: ${report.problems.join("; ")}`;
      throw new RpcError(RPC_ERRORS.UNAVAILABLE, message);
    },
  }),
  define({
    name: "config.get",
    summary: "The effective configuration, secrets masked",
    scope: "read",
    rest: { verb: "GET", path: "/api/v1/config" },
    result: GatewayConfigView,
    run: (_, { gateway }) =>
      effectiveGatewayDocument(gateway.config) as z.input<typeof GatewayConfigView>,
  }),
  ...configSourceMethods<GatewaySource>(),
  define({
    name: "log.set_level",
    summary: "Change what is logged until the gateway ends",
    scope: "admin",
    rest: { verb: "PUT", path: "/api/v1/log/level" },
    params: z.strictObject({
      level: z.enum(LOG_LEVELS).nullable().describe("null: as configured"),
    }),
    result: z.object({ level: z.enum(LOG_LEVELS).nullable() }),
    run: ({ level }, { setLogLevel }) => {
      setLogLevel(level ?? undefined);
      return { level };
    },
  }),
  define({
    name: "audit.list",
    summary: "What operators have done, the newest first",
    scope: "read",
    rest: { verb: "GET", path: "/api/v1/audit" },
    params: z.strictObject({
      limit: z.int().min(1).max(500).optional().describe("Absent: 100"),
      before: z.int().min(1).optional().describe("Only actions with a smaller id: the next page"),
    }),
    result: z.array(AuditedAction).readonly(),
    run: ({ limit = 100, before }, { audit }) => audit.list(limit, before),
  }),
  define({
    name: "rpc.discover",
    summary: "The OpenRPC document",
    scope: "read",
    rest: { verb: "GET", path: "/api/v1/openrpc.json" },
    result: OpenRpc,
    run: () => openRpcDocument(GATEWAY_METHODS),
  }),
];

export const callGatewayMethod = callerOf(GATEWAY_METHODS);

/** More of a payload is not shown, in bytes. */
const SHOWN_BYTES = 1024;

function gatewayView({ gateway, clock, startedAt, sinks }: GatewaySource): GatewayView {
  const { company, car } = gateway.config;
  const snapshot = gateway.snapshot();
  return {
    version: VERSION,
    company,
    car,
    at: Math.floor(clock.now()),
    startedAt,
    connections: snapshot?.internalServer.connections ?? 0,
    closed: { ...snapshot?.internalServer.closed },
    slowAnswers: { ...snapshot?.internalServer.slowAnswers },
    dropped: snapshot?.counts.dropped ?? {},
    devices: (snapshot?.devices ?? []).map((device) => ({
      id: device.key,
      name: device.device.deviceName,
      priority: device.device.priority,
      lastStatus: shown(device.status),
      lastStatusAt: device.statusAt,
      lastCommand: shown(device.command),
      lastCommandAt: device.commandAt,
      waitingCommands: device.waitingCommands,
      waitingCalls: device.waitingJobs,
    })),
    endpoints: snapshot?.endpoints ?? [],
    modules: gateway.moduleSnapshots().map((module) => ({
      module: module.module,
      path: module.libPath,
      hosts: module.hosts.length,
      waitingCalls: module.waitingCalls,
      slow: module.isSlow,
      lostHosts: module.lostHosts,
      lastLoss: module.lastLoss,
    })),
    sinks: sinks().map((sink) => sink.snapshot()),
  };
}

function shown(data: Uint8Array) {
  return payloadView({ data: data.subarray(0, SHOWN_BYTES), bytes: data.length });
}
