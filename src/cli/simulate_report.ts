// The output of `simulate`: a line per second and the summary, as text and as data.
import { hostPort } from "../net/mod.ts";
import type { Fleet, GatewayStatsJson, Violation } from "../simulator/mod.ts";
import type { SimulateOptions } from "./simulate_input.ts";

const SHOWN_VIOLATIONS = 10;

/** The result of a run; `--json` prints it. */
export interface SimulateResult {
  readonly company: string;
  readonly broker: string;
  readonly seed: number;
  readonly seconds: number;
  readonly cars: number;
  /** Cars that had a session at least once. */
  readonly carsRan: number;
  readonly answeredPerSecond: number;
  readonly stats: GatewayStatsJson;
  readonly firstViolations: readonly Violation[];
  /** Why cars had no session, the most frequent reasons first. */
  readonly withoutSession: readonly { readonly reason: string; readonly cars: number }[];
  /** Why the exit status is not 0; empty when it is. */
  readonly failures: readonly string[];
}

/** The current rates in one line. */
export function liveLine(fleet: Fleet, seconds: number): string {
  const { sentPerSecond, answeredPerSecond, commandsPerSecond } = fleet.rates();
  const { latency, reconnects } = fleet.stats;
  return [
    `${seconds.toFixed(0)} s`,
    `${fleet.running} of ${fleet.gateways.length} cars`,
    `sent ${count(sentPerSecond)}/s`,
    `answered ${count(answeredPerSecond)}/s`,
    `open ${count(fleet.inFlight)}`,
    `p50 ${ms(latency.percentile(0.5))}`,
    `p99 ${ms(latency.percentile(0.99))}`,
    `commands ${count(commandsPerSecond)}/s`,
    `reconnects ${count(reconnects)}`,
  ].join("  ");
}

/** The result of a fleet that was stopped. */
export function simulateResult(
  options: SimulateOptions,
  fleet: Fleet,
  seconds: number,
): SimulateResult {
  const { company, seed, broker: { protocol = "mqtt", host, port, path = "" } } = options;
  const stats = fleet.stats.toJSON();
  return {
    company,
    broker: `${protocol}://${hostPort(host, port)}${path}`,
    seed,
    seconds,
    cars: fleet.gateways.length,
    carsRan: fleet.everRan,
    answeredPerSecond: seconds > 0 ? stats.answered / seconds : 0,
    stats,
    firstViolations: fleet.violations.slice(0, SHOWN_VIOLATIONS),
    withoutSession: reasonsOf(fleet),
    failures: failures(stats, fleet.everRan),
  };
}

const SHOWN_REASONS = 10;

function reasonsOf(fleet: Fleet): SimulateResult["withoutSession"] {
  const reasons = [...fleet.reasonsNotToRun].map(([reason, cars]) => ({ reason, cars }));
  return reasons.sort((one, other) => other.cars - one.cars).slice(0, SHOWN_REASONS);
}

function failures(stats: GatewayStatsJson, carsRan: number): string[] {
  const found: string[] = [];
  if (carsRan === 0) found.push("Failed: no car had a session");
  if (stats.unanswered > 0) found.push(`Failed: statuses left unanswered: ${stats.unanswered}`);
  if (stats.violations > 0) found.push(`Failed: rules of the protocol broken: ${stats.violations}`);
  return found;
}

export function summaryLines(result: SimulateResult): string[] {
  const { stats, cars, carsRan } = result;
  const { latency } = stats;
  const line = (title: string, ...parts: string[]) => `  ${title.padEnd(11)} ${parts.join(", ")}`;
  return [
    `${count(cars)} simulated ${cars === 1 ? "car" : "cars"} of ${result.company} at ` +
    `${result.broker} for ${result.seconds.toFixed(1)} s, seed ${result.seed}`,
    line(
      "statuses",
      `sent ${count(stats.sent)}`,
      `answered ${count(stats.answered)} (${count(result.answeredPerSecond)}/s)`,
      `unanswered ${count(stats.unanswered)}`,
    ),
    line(
      "response",
      `p50 ${ms(latency.p50Ms)}`,
      `p99 ${ms(latency.p99Ms)}`,
      `max ${ms(latency.maxMs)}`,
    ),
    line(
      "losses",
      `dropped on purpose ${count(stats.dropped)}`,
      `given up by a car ${count(stats.abandoned)}`,
    ),
    line(
      "disorder",
      `reordered ${count(stats.reordered)}`,
      `sent twice ${count(stats.duplicated)}`,
    ),
    line(
      "sessions",
      `cars that had one ${count(carsRan)} of ${count(cars)}`,
      `reconnects ${count(stats.reconnects)}`,
      `failed sequences ${count(stats.failedSequences)}`,
      `disconnect notifications ${count(stats.notifications)}`,
      `links lost ${count(stats.linkFailures)}`,
    ),
    line("commands", `received ${count(stats.commands)}`, `answered ${count(stats.responses)}`),
    line(
      "violations",
      `rules broken ${count(stats.violations)}`,
      `messages of other sessions ${count(stats.foreign)}`,
    ),
  ];
}

function count(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

function ms(value: number): string {
  return `${value < 10 ? value.toFixed(2) : value.toFixed(0)} ms`;
}
