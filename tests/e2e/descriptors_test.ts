// A server that runs out of file descriptors: said before it happens, and over when there are some.
import assert from "node:assert/strict";
import { idleConnections } from "../adversary/http_client.ts";
import { waitFor } from "../support/wait.ts";
import { program } from "./server_process.ts";
import { Stage } from "./stage.ts";

const HTTP = { port: 0, api_key: "0123456789abcdef" };

/** How long one answer is waited for, in milliseconds. */
const PROBE_MS = 1000;

async function isAlive(url: string): Promise<boolean> {
  try {
    // A connection that is not accepted is no failure in itself.
    const answer = await fetch(`${url}/healthz`, { signal: AbortSignal.timeout(PROBE_MS) });
    return (await answer.json()).status === "ok";
  } catch {
    return false;
  }
}

/** Sets the soft limit of open files of a running process; returns the one before. */
async function limitFiles(pid: number, limit: number): Promise<number> {
  const prlimit = async (...args: string[]) => {
    const { success, stdout } = await new Deno.Command("prlimit", {
      args: ["--pid", `${pid}`, ...args],
    }).output();
    assert.ok(success);
    return new TextDecoder().decode(stdout);
  };
  const before = await prlimit("--nofile", "--noheadings", "--raw", "--output", "SOFT");
  await prlimit(`--nofile=${limit}:`);
  return Number(before);
}

Deno.test("A server whose file descriptors ran out answers HTTP again, and stops in order", async () => {
  await using stage = await Stage.set();
  const server = await stage.serve({ cars: { car_a: {} }, more: { http: HTTP } });
  const url = await server.operatorsUrl();
  assert.ok(await isAlive(url));
  const { pid } = server;
  // Each of the three descriptors of a connection is the one that is missing.
  for (const spare of [3, 4, 5]) {
    const open = [...Deno.readDirSync(`/proc/${pid}/fd`)].length;
    const before = await limitFiles(pid, open + spare);
    const port = Number(new URL(url).port);
    const attack = await idleConnections({ port, connections: 20 });
    await waitFor(async () => !await isAlive(url), "want of descriptors");
    await limitFiles(pid, before);
    await attack[Symbol.asyncDispose]();
    await waitFor(() => isAlive(url), `HTTP after ${spare} descriptors`);
  }
  await server.line(/WARNING.*Too many open files/);
  assert.equal((await server.stop()).code, 0);
});

Deno.test("A server says at its start that the limit of open files is too low", async () => {
  await using stage = await Stage.set();
  const [command, args] = program();
  const shell = ["-c", 'ulimit -n 110 && exec "$0" "$@"', command, ...args];
  const options = { command: ["bash", shell] } as const;
  const server = await stage.serve({ cars: { car_a: {} }, more: { http: HTTP }, options });
  await server.line(
    /WARNING.*\bOpen files: about 118 needed for 1 cars and 1 module hosts, 110 available\. Raise the /,
  );
  const url = await server.operatorsUrl();
  await using attack = await idleConnections({
    port: Number(new URL(url).port),
    connections: 100,
  });
  await waitFor(() => (attack.counts.closed ?? 0) > 0, "connections to be turned away");
  assert.equal((await server.stop()).code, 0);
});
