// The metrics of a Module Gateway. Labels are bounded: endpoints and modules of the configuration,
// and closed sets.
import type {
  CallCounts,
  GatewayFunction,
  GatewayOutcome,
  HostedModuleSnapshot,
} from "../module/mod.ts";
import type { EndpointSnapshot, ModuleGatewaySnapshot } from "../module_gateway/mod.ts";
import { CALL_BOUNDS } from "./metric_families.ts";
import type { Family } from "./metric_family.ts";
import type { SourceView } from "../config_source/mod.ts";
import { SINK_FAMILIES, type WatchedSink } from "./sink_families.ts";
import { SOURCE_FAMILIES } from "./source_families.ts";

/** Prefix of every name. */
export const GATEWAY_PREFIX = "module_gateway_";

/** The data for one scrape. */
export interface GatewayScrape {
  /** Null while there is none. */
  readonly gateway: ModuleGatewaySnapshot | null;
  readonly modules: readonly Pick<
    HostedModuleSnapshot,
    "module" | "waitingCalls" | "lostHosts" | "isSlow" | "hosts"
  >[];
  readonly calls: readonly CallCounts<GatewayFunction, GatewayOutcome>[];
  readonly sinks: readonly WatchedSink[];
  /** Absent: the configuration is the local file. */
  readonly configSource?: SourceView | undefined;
  readonly lagMs: { readonly last: number; readonly max: number };
  readonly process: { readonly residentBytes: number; readonly startedAt: number };
}

type GatewayFamily = Family<GatewayScrape>;
type Type = GatewayFamily["type"];

function one(
  name: string,
  type: Type,
  help: string,
  value: (gateway: ModuleGatewaySnapshot) => number,
): GatewayFamily {
  return {
    name,
    type,
    help,
    samples: ({ gateway }) => gateway === null ? [] : [{ labels: {}, value: value(gateway) }],
  };
}

/** One series for each entry of a record whose keys are a closed set. */
function each(
  name: string,
  label: string,
  help: string,
  counts: (gateway: ModuleGatewaySnapshot) => Readonly<Record<string, number | undefined>>,
): GatewayFamily {
  return {
    name,
    type: "counter",
    help,
    samples: ({ gateway }) =>
      gateway === null ? [] : Object.entries(counts(gateway)).map(([key, value = 0]) => ({
        labels: { [label]: key.replaceAll(" ", "_") },
        value,
      })),
  };
}

function perEndpoint(
  name: string,
  type: Type,
  help: string,
  value: (endpoint: EndpointSnapshot) => number,
): GatewayFamily {
  return {
    name,
    type,
    help,
    // Its address may hold characters that would have to be escaped.
    samples: ({ gateway }) =>
      (gateway?.endpoints ?? []).map((endpoint, index) => ({
        labels: { endpoint: index + 1 },
        value: value(endpoint),
      })),
  };
}

function perModule(
  name: string,
  type: Type,
  help: string,
  value: (module: GatewayScrape["modules"][number]) => number,
): GatewayFamily {
  return {
    name,
    type,
    help,
    samples: ({ modules }) =>
      modules.map((module) => ({ labels: { module: module.module }, value: value(module) })),
  };
}

/** Every metric. */
export const GATEWAY_FAMILIES: readonly GatewayFamily[] = [
  one("devices", "gauge", "Devices that are connected", (g) => g.internalServer.devices),
  one(
    "device_connections",
    "gauge",
    "Connections of devices, those without a Connect included",
    (g) => g.internalServer.connections,
  ),
  one(
    "device_connections_total",
    "counter",
    "Connections of devices that were accepted",
    (g) => g.internalServer.accepted,
  ),
  each(
    "device_connections_closed_total",
    "reason",
    "Connections of devices that were closed",
    (g) => g.internalServer.closed,
  ),
  one("statuses_total", "counter", "Statuses of devices", (g) => g.internalServer.statuses),
  each(
    "slow_answers_total",
    "module",
    "Devices that were disconnected because their module was slow",
    (g) => g.internalServer.slowAnswers,
  ),
  one(
    "held_bytes",
    "gauge",
    "Bytes of messages that are not whole or not answered",
    (g) => g.internalServer.heldBytes,
  ),
  one("reports_total", "counter", "Reports for the cloud", (g) => g.counts.reports),
  one(
    "device_commands_total",
    "counter",
    "Commands that devices were sent",
    (g) => g.counts.commandsSent,
  ),
  one("devices_dead_total", "counter", "Devices that said nothing for too long", (g) => {
    return g.counts.dead;
  }),
  each("dropped_total", "what", "What was dropped, and why", (g) => g.counts.dropped),
  perEndpoint(
    "session_connected",
    "gauge",
    "Whether the endpoint has a session with the cloud (1) or not (0)",
    ({ phase }) => phase === "connected" ? 1 : 0,
  ),
  perEndpoint(
    "sessions_total",
    "counter",
    "Sessions with the cloud",
    ({ counts }) => counts.sessions,
  ),
  perEndpoint(
    "failed_connect_sequences_total",
    "counter",
    "Connect sequences that failed",
    ({ counts }) => counts.failedSequences,
  ),
  perEndpoint(
    "statuses_sent_total",
    "counter",
    "Statuses that were sent to the cloud",
    ({ counts }) => counts.statusesSent,
  ),
  perEndpoint(
    "statuses_answered_total",
    "counter",
    "Statuses that the cloud has answered",
    ({ counts }) => counts.statusesAnswered,
  ),
  perEndpoint(
    "statuses_folded_total",
    "counter",
    "Statuses that could not be sent, and became part of an error message",
    ({ counts }) => counts.statusesFolded,
  ),
  perEndpoint(
    "cloud_commands_total",
    "counter",
    "Commands of the cloud",
    ({ counts }) => counts.commands,
  ),
  perEndpoint(
    "waiting",
    "gauge",
    "Statuses without an answer, and reports that wait to be sent",
    ({ unanswered, waitingReports }) => unanswered + waitingReports,
  ),
  {
    name: "module_calls_total",
    type: "counter",
    help: "Calls of modules by result",
    samples: ({ calls }) =>
      calls.flatMap(({ module, functionName, byOutcome }) =>
        Object.entries(byOutcome).map(([result, value]) => ({
          labels: { module, function: functionName, result },
          value,
        }))
      ),
  },
  {
    name: "module_call_seconds",
    type: "histogram",
    help: "Time that calls of modules took",
    samples: ({ calls }) =>
      calls.filter(({ byDuration }) => byDuration.some((count) => count > 0)).map((call) => ({
        labels: { module: call.module, function: call.functionName },
        value: { bounds: CALL_BOUNDS, counts: call.byDuration, sum: call.totalMs / 1000 },
      })),
  },
  perModule("module_waiting_calls", "gauge", "Calls that wait for a module host", (module) => {
    return module.waitingCalls;
  }),
  perModule("module_slow", "gauge", "Whether a call was slow within a minute (1)", (module) => {
    return module.isSlow ? 1 : 0;
  }),
  perModule("module_hosts", "gauge", "Module host processes", ({ hosts }) => hosts.length),
  perModule("module_hosts_lost_total", "counter", "Module hosts that were lost", (module) => {
    return module.lostHosts;
  }),
  ...SINK_FAMILIES,
  ...SOURCE_FAMILIES,
  {
    name: "event_loop_lag_seconds",
    type: "gauge",
    help: "Lag of the event loop at the last sample",
    samples: ({ lagMs }) => [{ labels: {}, value: lagMs.last / 1000 }],
  },
  {
    name: "resident_memory_bytes",
    type: "gauge",
    help: "Resident memory of the gateway without its module hosts",
    samples: ({ process }) => [{ labels: {}, value: process.residentBytes }],
  },
  {
    name: "start_time_seconds",
    type: "gauge",
    help: "Start time of the gateway, in seconds since the epoch",
    samples: ({ process }) => [{ labels: {}, value: process.startedAt / 1000 }],
  },
];
