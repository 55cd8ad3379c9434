// The metrics: name, help, type and source of each number. All are read on demand from counters
// that exist anyway.
//
// Names follow Prometheus' guidelines: base units, `_total` for counters. Labels are bounded: cars
// and modules of the configuration, and closed sets.
import type { CarSnapshot } from "../car/mod.ts";
import {
  DROPPED_REASONS,
  FAILURE_REASONS,
  NOT_FORWARDED_REASONS,
  STATE_NAMES,
} from "../session/mod.ts";
import type { CallCounts } from "../module/mod.ts";
import { CALL_OUTCOMES } from "../protocol/mod.ts";
import type { Buckets } from "./buckets.ts";
import type { ServerSnapshot } from "../server/mod.ts";

/** The data for one scrape. */
export interface Scrape {
  readonly server: ServerSnapshot;
  readonly calls: readonly CallCounts[];
  /** Response times of a car, in seconds. */
  readonly responses: (car: string) => Buckets;
  readonly lagMs: { readonly last: number; readonly max: number };
  readonly process: { readonly residentBytes: number; readonly startedAt: number };
}

/** One line of the exposition. */
export interface Sample {
  /** Overrides the name of the family. */
  readonly metricName?: string;
  /** Of letters, digits, underscores and dots, as names of cars are: nothing is escaped. */
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

/** One metric with all its label values. */
export interface Family {
  /** Without the prefix. */
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  /** Read one after the other, with other work in between. */
  readonly samples: (scrape: Scrape, name: string) => Iterable<Sample>;
}

function one(
  name: string,
  type: Family["type"],
  help: string,
  value: (scrape: Scrape) => number,
): Family {
  return { name, type, help, samples: (scrape) => [{ labels: {}, value: value(scrape) }] };
}

function perCar(
  name: string,
  type: Family["type"],
  help: string,
  value: (car: CarSnapshot) => number,
): Family {
  return {
    name,
    type,
    help,
    samples: ({ server }) =>
      server.cars.values().map((car) => ({ labels: { car: car.car }, value: value(car) })),
  };
}

/** Every reason exists from the start, so that the first increase is visible as one. */
function perCarAndReason(
  name: string,
  help: string,
  reasons: readonly string[],
  counts: (car: CarSnapshot) => Readonly<Partial<Record<string, number>>>,
): Family {
  return {
    name,
    type: "counter",
    help,
    samples: ({ server }) =>
      server.cars.values().flatMap((car) => {
        const found = counts(car);
        return reasons.map((reason) => ({
          labels: { car: car.car, reason },
          value: found[reason] ?? 0,
        }));
      }),
  };
}

/**
 * The lines of one histogram: buckets that add up, sum and count.
 *
 * @param bounds of each bucket; one without is part of the next
 */
function histogram(
  name: string,
  labels: Sample["labels"],
  bounds: readonly (number | undefined)[],
  counts: readonly number[],
  sum: number,
): Sample[] {
  let total = 0;
  const lines: Sample[] = [];
  const addBucket = (le: number | "+Inf") =>
    lines.push({ metricName: `${name}_bucket`, labels: { ...labels, le }, value: total });
  for (const [index, count] of counts.entries()) {
    total += count;
    const bound = bounds[index];
    if (bound !== undefined) addBucket(bound);
  }
  addBucket("+Inf");
  lines.push({ metricName: `${name}_sum`, labels, value: sum });
  lines.push({ metricName: `${name}_count`, labels, value: total });
  return lines;
}

/** Bounds of call durations, in seconds: every other of the powers of two that are counted. */
const CALL_BOUNDS = Array.from(
  { length: 27 },
  (_, bits) => bits >= 4 && bits % 2 === 0 ? 2 ** bits / 1e6 : undefined,
);

/** All metrics, in the order in which they are written. */
export const FAMILIES: readonly Family[] = [
  {
    name: "cars",
    type: "gauge",
    help: "Cars of the configuration by state",
    samples: ({ server }) =>
      STATE_NAMES.map((state) => ({
        labels: { state },
        value: server.cars.filter((car) => car.state === state).length,
      })),
  },
  one(
    "cars_paused",
    "gauge",
    "Cars paused by an operator",
    ({ server }) => server.cars.filter(({ paused }) => paused).length,
  ),
  perCar(
    "car_running",
    "gauge",
    "Whether the car is in normal communication (1) or not (0)",
    ({ state }) => state === "RUNNING" ? 1 : 0,
  ),
  perCar("connected_devices", "gauge", "Devices connected", ({ devices }) => devices.length),
  perCar(
    "sessions_started_total",
    "counter",
    "Connect sequences completed",
    ({ statistics }) => statistics.sessionsStarted,
  ),
  perCarAndReason(
    "sessions_failed_total",
    "Sessions and connect sequences that ended, by reason",
    FAILURE_REASONS,
    ({ statistics }) => statistics.failuresByReason,
  ),
  perCar(
    "statuses_received_total",
    "counter",
    "Statuses received",
    ({ statistics }) => statistics.statusesReceived,
  ),
  perCar(
    "statuses_forwarded_total",
    "counter",
    "Statuses forwarded to modules",
    ({ statistics }) => statistics.statusesForwarded,
  ),
  perCarAndReason(
    "statuses_not_forwarded_total",
    "Statuses answered but not forwarded, by reason",
    NOT_FORWARDED_REASONS,
    ({ statistics }) => statistics.notForwardedByReason,
  ),
  perCar(
    "statuses_answered_total",
    "counter",
    "Statuses answered",
    ({ statistics }) => statistics.statusesAnswered,
  ),
  {
    name: "status_response_seconds",
    type: "histogram",
    help: "Time from the arrival of a status to its response",
    samples: ({ server, responses }, name) =>
      server.cars.values().flatMap(({ car }) => {
        const { bounds, counts, sum } = responses(car);
        return histogram(name, { car }, bounds, counts, sum);
      }),
  },
  perCar(
    "messages_rejected_total",
    "counter",
    "Messages discarded because they were too large or malformed",
    ({ statistics }) => statistics.messagesRejected,
  ),
  perCar(
    "commands_sent_total",
    "counter",
    "Commands published",
    ({ statistics }) => statistics.commandsSent,
  ),
  perCar(
    "commands_acknowledged_total",
    "counter",
    "Commands answered with OK",
    ({ statistics }) => statistics.commandsAcknowledged,
  ),
  perCar(
    "commands_refused_total",
    "counter",
    "Commands answered with anything but OK",
    ({ statistics }) => statistics.commandsRefused,
  ),
  perCar(
    "commands_unanswered_total",
    "counter",
    "Commands whose session ended before they were answered",
    ({ statistics }) => statistics.commandsUnanswered,
  ),
  perCarAndReason(
    "commands_dropped_total",
    "Commands dropped before they were published, by reason",
    DROPPED_REASONS,
    ({ statistics }) => statistics.droppedByReason,
  ),
  perCar(
    "waiting_statuses",
    "gauge",
    "Statuses received but not answered yet",
    ({ queues }) => queues.statuses,
  ),
  perCar(
    "waiting_commands",
    "gauge",
    "Commands waiting to be published",
    ({ queues }) => queues.commands,
  ),
  perCar(
    "unanswered_commands",
    "gauge",
    "Commands published but not answered yet",
    ({ queues }) => queues.unansweredCommands,
  ),
  {
    name: "module_calls_total",
    type: "counter",
    help: "Calls of modules by function and result",
    samples: ({ calls }) =>
      calls.flatMap(({ module, functionName, byOutcome }) =>
        CALL_OUTCOMES.map((result) => ({
          labels: { module, function: functionName, result },
          value: byOutcome[result],
        }))
      ),
  },
  {
    name: "module_call_seconds",
    type: "histogram",
    help: "Time that calls of modules spent in their library",
    samples: ({ calls }, name) =>
      calls.flatMap((call) => {
        const labels = { module: call.module, function: call.functionName };
        return histogram(name, labels, CALL_BOUNDS, call.byDuration, call.totalMs / 1000);
      }),
  },
  {
    name: "open_module_calls",
    type: "gauge",
    help: "Calls of modules in progress or queued",
    samples: ({ server, calls }) => {
      const open = new Map(calls.map(({ module }) => [module, 0]));
      for (const { module, openCalls } of server.hosts.flatMap(contexts)) {
        open.set(module, (open.get(module) ?? 0) + openCalls);
      }
      return [...open].map(([module, value]) => ({ labels: { module }, value }));
    },
  },
  one(
    "module_hosts",
    "gauge",
    "Module host processes",
    ({ server }) => server.hosts.length,
  ),
  one(
    "module_host_restarts_total",
    "counter",
    "Module hosts lost and replaced",
    ({ server }) => server.hostsLost,
  ),
  one(
    "module_hosts_resident_memory_bytes",
    "gauge",
    "Resident memory of all module hosts",
    ({ server }) => server.hosts.reduce((sum, host) => sum + (host.facts?.residentBytes ?? 0), 0),
  ),
  perCar(
    "mqtt_connected",
    "gauge",
    "Whether the car is connected to the broker (1) or not (0)",
    ({ brokerConnected }) => brokerConnected ? 1 : 0,
  ),
  perCar(
    "mqtt_connects_total",
    "counter",
    "Connections to the broker that were established",
    ({ transport }) => transport?.connects ?? 0,
  ),
  perCar(
    "mqtt_disconnects_total",
    "counter",
    "Connections to the broker that were lost",
    ({ transport }) => transport?.disconnects ?? 0,
  ),
  perCar(
    "mqtt_received_bytes_total",
    "counter",
    "Bytes received from the broker",
    ({ transport }) => transport?.bytesIn ?? 0,
  ),
  perCar(
    "mqtt_sent_bytes_total",
    "counter",
    "Bytes sent to the broker",
    ({ transport }) => transport?.bytesOut ?? 0,
  ),
  one(
    "event_loop_lag_seconds",
    "gauge",
    "Lag of the event loop at the last sample",
    ({ lagMs }) => lagMs.last / 1000,
  ),
  one(
    "event_loop_lag_max_seconds",
    "gauge",
    "Maximum lag of the event loop in the last minute",
    ({ lagMs }) => lagMs.max / 1000,
  ),
  one(
    "resident_memory_bytes",
    "gauge",
    "Resident memory of the server without its module hosts",
    ({ process }) => process.residentBytes,
  ),
  one(
    "start_time_seconds",
    "gauge",
    "Start time of the server, in seconds since the epoch",
    ({ process }) => process.startedAt / 1000,
  ),
];

function contexts(host: ServerSnapshot["hosts"][number]) {
  return host.facts?.contexts ?? [];
}
