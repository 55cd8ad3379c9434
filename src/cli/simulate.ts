// `simulate`: gateways against any broker, with live rates and a summary.
import { every, systemClock, within } from "../time/mod.ts";
import { Fleet } from "../simulator/mod.ts";
import { whenAborted } from "../app/mod.ts";
import type { Output } from "../text/mod.ts";
import type { SimulateOptions } from "./simulate_input.ts";
import { liveLine, simulateResult, summaryLines } from "./simulate_report.ts";

/** How long to wait for open statuses at the end, in milliseconds. */
const DRAIN_MS = 10_000;
const LIVE_EVERY_MS = 1_000;

/**
 * Runs the gateways for the given time or until `signal` is aborted, waits for open answers (at
 * most 10 s), and prints a summary. Live rates go to standard error, so that a pipe gets only the
 * summary.
 *
 * @returns the exit status: 1 when a status stayed unanswered, the server broke a rule of the
 * protocol, or not one car had a session; else 0
 */
export async function runSimulate(
  options: SimulateOptions,
  output: Output,
  signal: AbortSignal,
): Promise<number> {
  const { cars, seconds: limit, json, ...shared } = options;
  await using fleet = new Fleet({
    gateways: cars.map(({ name: car, devices }) => ({ ...shared, car, devices })),
  });
  const startedAt = systemClock.now();
  const secondsSince = () => (systemClock.now() - startedAt) / 1000;
  fleet.start();
  const endLive = every(LIVE_EVERY_MS, () => output.err(liveLine(fleet, secondsSince())));
  try {
    const asked = whenAborted(signal);
    if (limit === undefined) await asked;
    else await within(asked, limit * 1000, systemClock);
  } finally {
    endLive();
  }
  const seconds = secondsSince();
  await fleet.drain(DRAIN_MS);
  await fleet.stop();
  const result = simulateResult(options, fleet, seconds);
  if (json) output.out(JSON.stringify(result));
  else for (const line of summaryLines(result)) output.out(line);
  for (const { car, kind, detail, phase } of result.firstViolations) {
    output.err(`${car}: the server broke a rule while ${phase}: ${kind}: ${detail}`);
  }
  for (const { reason, cars: without } of result.withoutSession) {
    output.err(`${without} of ${cars.length} cars had no session: ${reason}`, "warning");
  }
  for (const failure of result.failures) output.err(failure, "failed");
  return result.failures.length === 0 ? 0 : 1;
}
