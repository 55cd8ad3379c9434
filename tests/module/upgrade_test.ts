// The program is upgraded in its place while a server runs, and module hosts have to be started.
import assert from "node:assert/strict";
import { VERSION } from "../../src/version.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";

const HOST = new URL("../../src/module/host/main.ts", import.meta.url).pathname;
const MAIN = new URL("../../src/main.ts", import.meta.url).pathname;
const PARENT = new URL("upgrade_parent.ts", import.meta.url).pathname;
const RUN = ["run", "--no-prompt", "--no-check", "-A"];

Deno.test("A server whose executable was replaced still starts hosts", async () => {
  await using folder = await TempFolder.make();
  const program = folder.file("deno");
  const replacement = folder.file("replacement");
  for (const path of [program, replacement]) await Deno.copyFile(Deno.execPath(), path);
  const command = new Deno.Command(program, { args: [...RUN, PARENT, replacement] });
  const output = await waitFor(() => outputOf(command), "the host of the new program");
  assert.equal(output?.code, 0, new TextDecoder().decode(output?.stderr));
  assert.equal(new TextDecoder().decode(output?.stdout), `${program}\n`);
});

/** What a server reports that has to start a script as its host. */
async function withScript(script: string, ...args: string[]): Promise<string> {
  await using folder = await TempFolder.make();
  const program = folder.file("deno");
  await Deno.copyFile(Deno.execPath(), program);
  const replacement = await folder.write("script", `#!/bin/sh\n${script}\n`);
  await Deno.chmod(replacement, 0o755);
  const command = new Deno.Command(program, { args: [...RUN, PARENT, replacement, ...args] });
  const output = await waitFor(() => outputOf(command), "the server to give up");
  return new TextDecoder().decode(output?.stderr);
}

Deno.test("A server says what its hosts need when their address space is limited", async () => {
  // The server itself would not even start.
  assert.match(
    await withScript(`ulimit -v 20000000\nexec "${Deno.execPath()}" "$@"`),
    /Cannot start module host: it was ended by SIG\w+: Fatal .*memory.*lift their limit \(ulimit -v/,
  );
});

Deno.test("A host that does not connect in time is ended, before it leads a group, too", async () => {
  assert.match(
    await withScript("exec sleep 600", "300"),
    /Cannot start module host: it is not connected after 300 ms/,
  );
});

/**
 * Undefined while the file counts as being written: a process that another test starts has our files
 * open for a moment.
 */
async function outputOf(command: Deno.Command): Promise<Deno.CommandOutput | undefined> {
  try {
    return await command.output();
  } catch (error) {
    if (/Text file busy/.test(String(error))) return undefined;
    throw error;
  }
}

async function runHost(
  args: string[],
  invitation: string,
): Promise<{ code: number; complaint: string }> {
  await using child = new Deno.Command(Deno.execPath(), {
    args: [...RUN, ...args],
    stdin: "piped",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(`${invitation}\n`));
  await writer.close();
  const { code, stderr } = await waitFor(child.output(), "the host to refuse");
  return { code, complaint: new TextDecoder().decode(stderr) };
}

const INVITATION = JSON.stringify({
  version: "0.0.1",
  address: { transport: "unix", path: "/nonexistent" },
  token: "00",
  parentPid: Deno.pid,
  moduleCallTimeoutMs: 1000,
});

// Deno runs the first, a compiled program the second.
for (const args of [[HOST], [MAIN, "module-host"]]) {
  const name = args.length === 1 ? "the host's entry" : "the hidden command";
  Deno.test(`A host of another version than its server's says so and ends (${name})`, async () => {
    assert.deepEqual(await runHost(args, INVITATION), {
      code: 1,
      complaint: `The program on disk is now version ${VERSION}, the server is 0.0.1: restart it\n`,
    });
  });

  Deno.test(`Hosts refuse to be started by hand (${name})`, async () => {
    assert.deepEqual(await runHost(args, "hello"), {
      code: 2,
      complaint: "module-host is started by the server itself\n",
    });
  });
}
