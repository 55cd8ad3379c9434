// What a library does to its process reaches no further than its host.
import assert from "node:assert/strict";
import { ModuleLoadError } from "../../src/module/errors.ts";
import { CONTEXTS_PER_HOST } from "../../src/module/host_contexts.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { fixtures, forward, isAlive, openContext, specOf, startHost } from "./support.ts";

/** Process group, session and terminal of a process; the terminal is 0 when it has none. */
async function belonging(pid: number): Promise<{ group: number; session: number; tty: number }> {
  const stat = await Deno.readTextFile(`/proc/${pid}/stat`);
  const [, , group, session, tty] = stat.slice(stat.lastIndexOf(")") + 2).split(" ").map(Number);
  return { group: group ?? NaN, session: session ?? NaN, tty: tty ?? NaN };
}

/** The process a library has forked. */
function forkedPid(path: string): Promise<number> {
  return waitFor(async () => Number(await Deno.readTextFile(path).catch(() => "")), "the fork");
}

Deno.test("A host leads a process group of its own in the session of the server, without a terminal", async () => {
  await using test = await startHost();
  const { pid } = test.host;
  const { session } = await belonging(Deno.pid);
  assert.deepEqual(await belonging(pid), { group: pid, session, tty: 0 });
});

Deno.test("A library that signals its process group reaches no other process", async () => {
  await using test = await startHost();
  // A signal to a group shared with this process would end the tests.
  assert.equal((await belonging(test.host.pid)).group, test.host.pid);
  let reached = 0;
  const count = () => void reached++;
  Deno.addSignalListener("SIGTERM", count);
  try {
    const { context } = await openContext(
      test.host,
      specOf("car_a", { crash_in: "forward_status", crash_how: "kill_group" }),
    );
    assert.equal(await forward(context), "ok");
    assert.equal(await forward(context), "ok");
  } finally {
    Deno.removeSignalListener("SIGTERM", count);
  }
  assert.equal(reached, 0);
});

Deno.test("A library that stops its process group is found by the watchdog", async () => {
  await using test = await startHost({ moduleCallTimeoutMs: 2000 });
  assert.equal((await belonging(test.host.pid)).group, test.host.pid);
  const { context, lost } = await openContext(
    test.host,
    specOf("car_a", { crash_in: "forward_status", crash_how: "stop_group" }),
  );
  assert.equal(await forward(context), "host_lost");
  assert.match((await waitFor(lost, "the loss")).reason, /did not answer/);
});

const ENDS = {
  "stopped in order": (host) => host.stop(),
  "killed by the server": (host) => host.kill("the test wants it"),
  "killed from outside": (host) => Deno.kill(host.pid, "SIGKILL"),
} as const satisfies Record<
  string,
  (host: Awaited<ReturnType<typeof startHost>>["host"]) => unknown
>;

for (const [how, end] of Object.entries(ENDS)) {
  for (const crash_how of ["fork", "fork_exec"]) {
    Deno.test(`What a library has started ends with its host (${crash_how}, ${how})`, async () => {
      await using folder = await TempFolder.make();
      const child_pid = folder.file("pid");
      await using test = await startHost();
      const forks = { crash_in: "init", crash_how, child_ms: 600_000, child_pid };
      await openContext(test.host, specOf("car_a", forks));
      const pid = await forkedPid(child_pid);
      assert.ok(isAlive(pid));
      await end(test.host);
      await waitFor(test.host.exited, "the host to end");
      await waitFor(() => !isAlive(pid), "the forked process to end");
    });
  }
}

Deno.test("A process that has left its host's group does not hold up the host's end", async () => {
  await using folder = await TempFolder.make();
  const child_pid = folder.file("pid");
  await using test = await startHost();
  const forks = { crash_in: "init", crash_how: "fork_daemon", child_ms: 600_000, child_pid };
  await openContext(test.host, specOf("car_a", forks));
  const pid = await forkedPid(child_pid);
  await waitFor(async () => (await belonging(pid)).session === pid, "a session of its own");
  try {
    await waitFor(test.host.stop(), "the host to stop", 20_000);
    // It has the other end of the host's outputs all the time.
    assert.ok(isAlive(pid));
  } finally {
    Deno.kill(pid, "SIGKILL");
  }
});

Deno.test("A host that is gone leaves no descriptor behind", async () => {
  const count = () => [...Deno.readDirSync("/proc/self/fd")].length;
  // The first one brings what the runtime keeps for all.
  await (await startHost()).host.stop();
  const before = count();
  const hosts = await Promise.all(Array.from({ length: 4 }, () => startHost()));
  assert.ok(count() >= before + 4 * 4);
  await Promise.all(hosts.map(({ host }) => host.stop()));
  await waitFor(() => count() <= before, "the descriptors to be closed");
});

for (const how of ["settings", "nice_group"]) {
  Deno.test(`A library that changes its process's settings (${how}) changes no other's`, async () => {
    const before = await settingsOf(Deno.pid);
    await using test = await startHost();
    // A priority for a group shared with this process would stay with the tests.
    assert.equal((await belonging(test.host.pid)).group, test.host.pid);
    const { context } = await openContext(
      test.host,
      specOf("car_a", { crash_in: "init", crash_how: how }),
    );
    assert.equal(await forward(context), "ok");
    assert.deepEqual(await settingsOf(Deno.pid), before);
    await using other = await startHost();
    const { context: neighbor } = await openContext(other.host, specOf("car_b"));
    assert.equal(await forward(neighbor), "ok");
    // The host with the changed settings can still be stopped cleanly.
    await waitFor(test.host.stop(), "the host to stop", 20_000);
    assert.ok(!isAlive(test.host.pid));
  });
}

Deno.test("A host whose descriptors a library has used up takes no more contexts, another one does", async () => {
  const blocked: number[] = [];
  await using test = await startHost({ onBlocked: (count) => blocked.push(count) });
  await openContext(test.host, specOf("car_a", { crash_in: "init", crash_how: "settings" }));
  assert.ok(test.host.freePlaces > 0);
  const other = specOf("car_b", {}, { libPath: fixtures.module2, module: 2 });
  await assert.rejects(openContext(test.host, other), (error) => {
    assert.ok(error instanceof ModuleLoadError);
    // Not "library": that one could never be loaded, and a start or a reload would be refused.
    assert.equal(error.kind, "host");
    assert.match(error.message, /car "car_b".*Too many open files/);
    return true;
  });
  assert.equal(test.host.freePlaces, 0);
  assert.deepEqual(blocked, [CONTEXTS_PER_HOST]);
  await using second = await startHost();
  await openContext(second.host, other);
});

/** What a process passes on to those it starts. */
async function settingsOf(pid: number): Promise<unknown> {
  const [stat, status, limits, directory] = await Promise.all([
    Deno.readTextFile(`/proc/${pid}/stat`),
    Deno.readTextFile(`/proc/${pid}/status`),
    Deno.readTextFile(`/proc/${pid}/limits`),
    Deno.readLink(`/proc/${pid}/cwd`),
  ]);
  const nice = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[16];
  return { nice, umask: /^Umask:.*$/m.exec(status)?.[0], limits, directory };
}

Deno.test("The kernel ends a host rather than the server when memory runs out", async () => {
  await using test = await startHost();
  const score = async (pid: number) =>
    Number(await Deno.readTextFile(`/proc/${pid}/oom_score_adj`));
  const own = await score(Deno.pid);
  assert.equal(await score(test.host.pid), Math.min(1000, own + 500));
});

Deno.test("A library that reads standard input finds it empty", async () => {
  await using test = await startHost();
  assert.equal(await Deno.readLink(`/proc/${test.host.pid}/fd/0`), "/dev/null");
});
