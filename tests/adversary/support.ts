// What the cases have in common: others that go on, and a server that still obeys.
import assert from "node:assert/strict";
import type { Gateway } from "../../src/simulator/gateway.ts";
import { familyMemoryKb } from "../e2e/processes.ts";
import type { ServerProcess } from "../e2e/server_process.ts";
import { waitFor } from "../support/wait.ts";
import type { AttackProcess } from "./attacks.ts";

/** Lines as an operator has them; the fixtures' own level is DEBUG. */
export const AT_INFO = { logging: { console: { level: "INFO", use: true } } };

/** Sends this many statuses, each when the last is answered. */
export async function answered(gateway: Gateway, statuses: number): Promise<void> {
  const [device] = gateway.devices;
  assert.ok(device);
  for (let i = 0; i < statuses; i++) await gateway.send(device, "{}");
}

/** Waits until an attack has come so far. */
export async function until(
  attack: AttackProcess,
  name: string,
  count: number,
): Promise<Record<string, number>> {
  const reached = async () => {
    const counts = await attack.counts();
    return (counts[name] ?? 0) >= count && counts;
  };
  return await waitFor(reached, `${count} ${name} of the attack`) || {};
}

/** Resident memory of a server with its module hosts, in MB. */
export async function memoryMb({ pid }: ServerProcess): Promise<number> {
  return await familyMemoryKb(pid) / 1_000;
}

/** SIGTERM has to end it cleanly, whatever is going on. */
export async function stops(server: ServerProcess): Promise<void> {
  const { code } = await server.stop();
  assert.equal(code, 0, server.text.slice(-2_000));
  assert.doesNotMatch(server.text, /Gave up stopping/);
}

/** The port on which a server listens for operators. */
export async function operatorsPort(server: ServerProcess): Promise<number> {
  return Number(new URL(await server.operatorsUrl()).port);
}

/** Whether a health check is answered with 200. */
export async function isHealthy(port: number): Promise<boolean> {
  try {
    const answer = await waitFor(fetch(`http://127.0.0.1:${port}/healthz`), "the health check");
    await answer.body?.cancel();
    return answer.ok;
  } catch {
    return false;
  }
}
