// The event log of a soak, replayed: without a difference, and how fast.
import { ProgramProcess } from "../../tests/e2e/server_process.ts";
import { LogReader } from "../../src/record/mod.ts";

/** What one read takes, in bytes of records. */
const READ_BYTES = 1024 * 1024;
const REPLAY_MS = 600_000;

/**
 * Replays a log with the program, and counts what is in it.
 *
 * @param servedSeconds how long it took to record
 * @returns whether no car differs
 */
export async function replayRecord(
  directory: string,
  servedSeconds: number,
  print: (text: string) => void,
): Promise<boolean> {
  const kinds = new Map<string, number>();
  using reader = new LogReader({ directory });
  for (let isEnd = false; !isEnd;) {
    const batch = await reader.read(READ_BYTES);
    for (const { kind } of batch.events) kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
    isEnd = batch.isEnd;
  }
  const { records, bytes } = reader.position;
  const startedAt = performance.now();
  await using replayed = new ProgramProcess(["replay", directory]);
  const { code } = await replayed.ended(REPLAY_MS);
  const seconds = (performance.now() - startedAt) / 1_000;
  const statuses = kinds.get("status.accepted") ?? 0;
  print(`\nrecorded: ${records} records of ${(bytes / 1024 / 1024).toFixed(0)} MiB, of which`);
  for (const [kind, count] of [...kinds].sort()) print(`  ${kind.padEnd(20)} ${count}`);
  print(`${(bytes / Math.max(1, statuses)).toFixed(0)} bytes a status, everything else included`);
  for (const line of replayed.lines) print(line);
  const speed = (servedSeconds / seconds).toFixed(0);
  print(`replayed in ${seconds.toFixed(1)} s: ${speed} times as fast as it happened`);
  return code === 0;
}
