// What an attack costs: the same cars without it and under it, and the end of the server meanwhile.
import { waitFor } from "../../tests/support/wait.ts";
import type { Pace } from "../load/load_car.ts";
import { cpuUs, privateBytes } from "./process_tree.ts";
import { pause, type Stage } from "./stage.ts";

const MIB = 1024 * 1024;
/** How long what was sent may take to be answered once no more is sent, in milliseconds. */
const DRAIN_MS = 20_000;
const WARM_UP_MS = 1_000;
/** A server that has not ended by then is killed, in milliseconds. */
const STOP_MS = 60_000;

/** How the others are measured. */
export interface Watch {
  readonly pace: Pace;
  readonly seconds: number;
}

/** What the others saw in one window; late answers count, too. */
export interface Others {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** Statuses nobody answered, and sessions that ended. */
  readonly failed: number;
  /** Of one core, by the server itself without its hosts. */
  readonly coreShare: number;
}

/** An attack, measured. */
export interface Attacked {
  readonly calm: Others;
  readonly attacked: Others;
  /** Private memory of the server and its hosts, in MiB. */
  readonly memory: { readonly before: number; readonly after: number };
}

/** Measures the others with and without an attack, which `begin` starts and goes on. */
export async function measureAttack(
  stage: Stage,
  watch: Watch,
  begin: () => Promise<unknown>,
): Promise<Attacked> {
  await stage.measure(watch.pace, 2);
  const calm = await watchOthers(stage, watch);
  const before = memoryMib(stage);
  await begin();
  const attacked = await watchOthers(stage, watch);
  return { calm, attacked, memory: { before, after: memoryMib(stage) } };
}

async function watchOthers(stage: Stage, { pace, seconds }: Watch): Promise<Others> {
  const pids = [stage.side.pid];
  await stage.ask({ ask: "load", ...pace });
  await pause(WARM_UP_MS);
  await stage.ask({ ask: "reset" });
  const before = { at: performance.now(), us: cpuUs(pids) };
  await pause(seconds * 1_000);
  const coreShare = (cpuUs(pids) - before.us) / (performance.now() - before.at) / 1_000;
  const { latency, inFlight, lost, ended } = await stage.ask({ ask: "drain", timeoutMs: DRAIN_MS });
  const { p50Ms, p99Ms, maxMs } = latency;
  return { p50Ms, p99Ms, maxMs, failed: inFlight + lost + ended, coreShare };
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
