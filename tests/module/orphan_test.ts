// No host outlives its server, however either ends.
import assert from "node:assert/strict";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { fixtures, isAlive, recorded } from "./support.ts";

const PROGRAM = new URL("orphan_parent.ts", import.meta.url).pathname;

/** Starts the program; resolves when its host is in its call. */
async function startParent(
  how: string,
  record: string,
  env: Record<string, string> = {},
  forked = "",
) {
  const parent = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--no-check", "-A", PROGRAM].concat(
      [fixtures.module, how, record, forked],
    ),
    stdout: "piped",
    stderr: "inherit",
    env,
  }).spawn();
  const reader = parent.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const { value = "" } = await waitFor(reader.read(), "the host's process id");
  const begun = async () => (await recorded(record, "forward_status")).length > 0;
  await waitFor(begun, "the call to begin");
  return {
    hostPid: Number(value),
    async kill(signal: Deno.Signal): Promise<void> {
      parent.kill(signal);
      await waitFor(parent.status, "the parent to end");
      await reader.cancel();
    },
  };
}

async function hasTcpSocket(pid: number): Promise<boolean> {
  const table = await Deno.readTextFile("/proc/net/tcp");
  for await (const { name } of Deno.readDir(`/proc/${pid}/fd`)) {
    const target = await Deno.readLink(`/proc/${pid}/fd/${name}`).catch(() => "");
    const inode = target.match(/^socket:\[(\d+)\]$/)?.[1];
    if (inode !== undefined && table.includes(` ${inode} `)) return true;
  }
  return false;
}

const LIBRARIES = {
  "": "an idle module",
  hang: "a module in an endless hang",
  loop: "a module in an endless loop",
  settings: "a module that wants no signal on its parent's death",
} as const;

for (const [how, what] of Object.entries(LIBRARIES)) {
  Deno.test(`A server killed with SIGKILL leaves no host behind (${what})`, async () => {
    await using folder = await TempFolder.make();
    const parent = await startParent(how, folder.file("record"));
    assert.ok(isAlive(parent.hostPid));
    await parent.kill("SIGKILL");
    await waitFor(() => !isAlive(parent.hostPid), "the host to be gone", 20_000);
  });
}

for (const how of ["", "close_pipes"]) {
  const what = how === "" ? "" : ", even one that has closed its pipes";
  Deno.test(`A server killed while its host is stopped leaves no host behind${what}`, async () => {
    await using folder = await TempFolder.make();
    const parent = await startParent(how, folder.file("record"));
    Deno.kill(parent.hostPid, "SIGSTOP");
    await parent.kill("SIGKILL");
    await waitFor(() => !isAlive(parent.hostPid), "the host to be gone", 20_000);
  });
}

for (const stopped of [false, true]) {
  const what = stopped ? "a host that is stopped" : "its host";
  Deno.test(`A server killed with SIGKILL leaves nothing of what a library has forked (${what})`, async () => {
    await using folder = await TempFolder.make();
    const forked = folder.file("forked");
    const parent = await startParent("fork", folder.file("record"), {}, forked);
    const pid = await waitFor(
      async () => Number(await Deno.readTextFile(forked).catch(() => "")),
      "the fork",
    );
    assert.ok(isAlive(pid));
    if (stopped) Deno.kill(parent.hostPid, "SIGSTOP");
    await parent.kill("SIGKILL");
    await waitFor(() => !isAlive(parent.hostPid), "the host to be gone", 20_000);
    await waitFor(() => !isAlive(pid), "the forked process to be gone", 20_000);
  });
}

Deno.test("A server without a folder to write to reaches its host over loopback", async () => {
  await using folder = await TempFolder.make();
  const parent = await startParent("", folder.file("record"), { TMPDIR: "/nonexistent" });
  assert.ok(await hasTcpSocket(parent.hostPid));
  await parent.kill("SIGKILL");
  await waitFor(() => !isAlive(parent.hostPid), "the host to be gone", 20_000);
});
