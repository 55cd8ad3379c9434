// What an attack costs: the same cars without it and under it, and the end of the server meanwhile.
import { waitFor } from "../../tests/support/wait.ts";
import type { Pace } from "../load/load_car.ts";
import { type Figure, figure } from "./figure.ts";
import { privateBytes } from "./process_tree.ts";
import { pause, type Sample, type Stage } from "./stage.ts";

const MIB = 1024 * 1024;
/** How long what was sent may take to be answered once no more is sent, in milliseconds. */
const DRAIN_MS = 20_000;
const WARM_UP_MS = 1_000;
/** A server that has not ended by then is killed, in milliseconds. */
const STOP_MS = 60_000;

/** The first car is the attacker's. */
export const CARS = { side: "server", cars: 11, firstCar: 2 } as const;

/** How the others are measured. */
export interface Watch {
  readonly pace: Pace;
  readonly seconds: number;
}

/** How they are measured unless a row says otherwise. */
export const WATCH: Watch = { pace: { rate: 20, window: 1_000, bytes: 64 }, seconds: 6 };

/** An attack, measured; the samples are of the others. */
export interface Attacked {
  readonly calm: Sample;
  readonly attacked: Sample;
  /** Private memory of the server and its hosts, in MiB. */
  readonly memory: { readonly before: number; readonly after: number };
}

/** Measures the others with and without an attack, which `begin` starts and goes on. */
export async function measureAttack(
  stage: Stage,
  { pace, seconds }: Watch,
  begin: () => Promise<unknown>,
): Promise<Attacked> {
  const watch = async () => {
    await stage.ask({ ask: "load", ...pace });
    await pause(WARM_UP_MS);
    return await stage.observe(seconds, DRAIN_MS);
  };
  await stage.measure(pace, 2);
  const calm = await watch();
  const before = memoryMib(stage);
  await begin();
  const attacked = await watch();
  return { calm, attacked, memory: { before, after: memoryMib(stage) } };
}

/** Unanswered statuses, and sessions that ended. */
export function failuresOf({ report }: Sample): number {
  return report.inFlight + report.lost + report.ended;
}

/** Private memory of the server and its hosts, in MiB. */
export function memoryMib(stage: Stage): number {
  return privateBytes(stage.pids) / MIB;
}

/** Tells the server to stop, whatever goes on; in seconds, with a status other than 0 as endless. */
export async function secondsToStop(stage: Stage): Promise<number> {
  const { server } = stage.side;
  const startedAt = performance.now();
  server?.signal("SIGTERM");
  try {
    const status = await waitFor(server?.ended(STOP_MS) ?? Promise.reject(), "the end", STOP_MS);
    return status.code === 0 ? (performance.now() - startedAt) / 1_000 : Infinity;
  } catch {
    server?.signal("SIGKILL");
    return Infinity;
  }
}

/** What the others notice; none of them may lose anything. */
export function othersFigure(
  row: string,
  what: string,
  runs: readonly Attacked[],
  limit: number,
): Figure {
  const failed = runs.reduce((sum, { attacked }) => sum + failuresOf(attacked), 0);
  return figure({
    row,
    what: `${what}: p99 of 10 others, ${failed} failures`,
    unit: "ms",
    server: runs.map(({ attacked }) => attacked.p99Ms),
    reference: runs.map(({ calm }) => calm.p99Ms),
    reach: `<= ${limit} x without, none fails`,
    reached: (_, ratio) => ratio <= limit && failed === 0,
    samples: runs.map(({ attacked }) => attacked),
  });
}

/** How much of a core the server's own process takes. */
export function coreFigure(row: string, runs: readonly Attacked[], limit: number): Figure {
  return figure({
    row,
    what: "the same: the server's own process, share of a core",
    unit: "",
    server: runs.map(({ attacked }) => attacked.coreShare),
    reference: runs.map(({ calm }) => calm.coreShare),
    reach: `<= ${limit}`,
    reached: (share) => share <= limit,
    samples: runs.map(({ attacked }) => attacked),
  });
}

/** By how much memory grew. */
export function memoryFigure(row: string, runs: readonly Attacked[], limitMib: number): Figure {
  return figure({
    row,
    what: "the same: private memory, hosts included, after and before",
    unit: "MiB",
    server: runs.map(({ memory }) => memory.after),
    reference: runs.map(({ memory }) => memory.before),
    reach: `<= ${limitMib} MiB more`,
    reached: (after, ratio) => after - after / ratio <= limitMib,
  });
}

/** How long the end takes while the attack goes on. */
export function stopFigure(row: string, seconds: readonly number[]): Figure {
  return figure({
    row,
    what: "the same: from SIGTERM to exit with status 0, meanwhile",
    unit: "s",
    server: seconds,
    reach: "<= 10 s",
    reached: (value) => value <= 10,
  });
}
