// Every metric: name, help, type and source of each number. All are read on demand from counters
// that exist anyway.
//
// Names follow Prometheus' guidelines: base units, `_total` for counters. Labels are bounded: cars
// and modules of the configuration, and closed sets.
import { STATE_NAMES } from "../session/mod.ts";
import { CALL_OUTCOMES } from "../protocol/mod.ts";
import { CLUSTER_FAMILIES } from "./cluster_families.ts";
import { HEALTH_STATES } from "./health/health.ts";
import type { ServerSnapshot } from "../server/mod.ts";
import {
  type Family,
  one,
  perCar,
  perCarAndReason,
  perCarUnlessZero,
  perWatchedCar,
} from "./metric_family.ts";
import { SOURCE_FAMILIES } from "./source_families.ts";
import { SINK_FAMILIES } from "./sink_families.ts";

/** Bounds of call durations, in seconds: every other of the powers of two that are counted. */
export const CALL_BOUNDS = Array.from(
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
  perWatchedCar(
    "car_health",
    "Health of the car: 0 healthy, 1 paused, 2 waiting, 3 degraded, 4 down",
    (car, watch) => {
      const rank = HEALTH_STATES.indexOf(watch.healthOf(car).state);
      return [{ labels: { car }, value: HEALTH_STATES.length - 1 - rank }];
    },
  ),
  perWatchedCar(
    "car_causes",
    "Why cars are not healthy: 1 for each cause that a car has at the moment",
    (car, watch) => {
      const causes = new Set(watch.healthOf(car).causes.map(({ code }) => code));
      return [...causes].map((cause) => ({ labels: { car, cause }, value: 1 }));
    },
  ),
  perWatchedCar(
    "last_message_age_seconds",
    "Time since the car's gateway was last heard; absent before its first message",
    (car, watch) => {
      const ageMs = watch.lastMessageAgeMs(car);
      return ageMs === null ? [] : [{ labels: { car }, value: Math.round(ageMs / 100) / 10 }];
    },
  ),
  {
    name: "open_incidents",
    type: "gauge",
    help: "Incidents that go on",
    samples: ({ watch }) => watch ? [{ labels: {}, value: watch.incidents.open }] : [],
  },
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
    samples: ({ responses }) => [{ labels: {}, value: responses }],
  },
  perCar(
    "statuses_response_seconds_total",
    "counter",
    "Times from the arrival of a status to its response, added up",
    ({ car }, { responseSeconds }) => responseSeconds(car),
  ),
  perCar(
    "module_calls_failed_total",
    "counter",
    "Calls of modules that returned anything but OK, or nothing in time",
    ({ statistics }) => statistics.moduleCallsFailed,
  ),
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
    ({ statistics }) => statistics.droppedByReason,
  ),
  perCarUnlessZero(
    "waiting_statuses",
    "gauge",
    "Statuses received but not answered yet",
    ({ queues }) => queues.statuses,
  ),
  perCarUnlessZero(
    "waiting_commands",
    "gauge",
    "Commands waiting to be published",
    ({ queues }) => queues.commands,
  ),
  perCarUnlessZero(
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
    samples: ({ calls }) =>
      calls.filter(({ byDuration }) => byDuration.some((count) => count > 0)).map((call) => ({
        labels: { module: call.module, function: call.functionName },
        value: { bounds: CALL_BOUNDS, counts: call.byDuration, sum: call.totalMs / 1000 },
      })),
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
  perCarUnlessZero(
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
  {
    name: "webhook_messages_total",
    type: "counter",
    help: "Messages to the webhook that wait no longer, by result",
    samples: ({ webhook }) =>
      webhook === undefined ? [] : [
        { labels: { result: "taken" }, value: webhook.taken },
        { labels: { result: "given_up" }, value: webhook.givenUp },
        { labels: { result: "dropped" }, value: webhook.dropped },
      ],
  },
  {
    name: "webhook_attempts_failed_total",
    type: "counter",
    help: "Attempts to post a message to the webhook that have failed",
    samples: ({ webhook }) => webhook ? [{ labels: {}, value: webhook.failedAttempts }] : [],
  },
  {
    name: "webhook_waiting_messages",
    type: "gauge",
    help: "Messages that wait until the webhook takes them",
    samples: ({ webhook }) => webhook ? [{ labels: {}, value: webhook.waiting }] : [],
  },
  {
    name: "telemetry_requests_failed_total",
    type: "counter",
    help: "Requests that the OpenTelemetry collector has not taken, by signal",
    samples: ({ telemetryFailures }) =>
      Object.entries(telemetryFailures ?? {}).map(([signal, value]) => ({
        labels: { signal },
        value,
      })),
  },
  ...SINK_FAMILIES,
  ...SOURCE_FAMILIES,
  ...CLUSTER_FAMILIES,
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
