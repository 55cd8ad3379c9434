// A service that tells systemd when it serves, through the real tool and a real socket.
import assert from "node:assert/strict";
import { childrenOf } from "../e2e/processes.ts";
import { ProgramProcess, ServerProcess } from "../e2e/server_process.ts";
import { buildFixtures } from "../fixtures/build.ts";
import { freePort } from "../support/mosquitto.ts";
import { TempFolder } from "../support/temp.ts";

/** What systemd does, in a process of its own: here the runtime has no such sockets. */
const LISTENER = `
  const socket = Deno.listenDatagram({ transport: "unixpacket", path: Deno.args[0] });
  console.log("listening");
  for await (const [bytes] of socket) console.log(new TextDecoder().decode(bytes).trim());
`;

const HAS_TOOL = exists("systemd-notify");

function exists(command: string): boolean {
  try {
    return new Deno.Command(command, { args: ["--version"], stdout: "null" }).outputSync().success;
  } catch {
    return false;
  }
}

async function config() {
  const { module } = await buildFixtures();
  return { port: freePort(), cars: { car_a: { "1000": { lib_path: module } } } };
}

Deno.test({
  name: `start tells systemd that it serves, and that it stops${
    HAS_TOOL ? "" : " [skipped: no systemd-notify]"
  }`,
  ignore: !HAS_TOOL,
  async fn() {
    await using folder = await TempFolder.make();
    const path = folder.file("notify");
    const listener = await folder.write("listener.ts", LISTENER);
    const args = ["run", "-A", "--unstable-net", "--no-config", listener, path];
    await using systemd = new ProgramProcess(args, { command: [Deno.execPath(), []] });
    await systemd.line(/^listening$/);
    await using server = await ServerProcess.launch(await config(), {
      env: { NOTIFY_SOCKET: path },
    });
    await systemd.line(/^READY=1$/);
    await server.line(/Serving 1 car/);
    for (const pid of await childrenOf(server.pid)) {
      const command = await Deno.readTextFile(`/proc/${pid}/cmdline`).catch(() => "");
      // The one that has just told systemd may still be there.
      if (command.includes("systemd-notify")) continue;
      const environment = await Deno.readTextFile(`/proc/${pid}/environ`).catch(() => "");
      assert.ok(!environment.includes("NOTIFY_SOCKET"), "Libraries have nothing to tell systemd");
    }
    assert.ok(!systemd.lines.includes("STOPPING=1"));
    const stopped = server.stop();
    await systemd.line(/^STOPPING=1$/);
    assert.equal((await stopped).code, 0);
    assert.doesNotMatch(server.text, /Cannot tell systemd/);
  },
});

Deno.test("start serves all the same where systemd cannot be told", async () => {
  await using folder = await TempFolder.make();
  const env = { NOTIFY_SOCKET: folder.file("nobody"), PATH: folder.path };
  await using server = await ServerProcess.start(await config(), { env });
  const line = await server.line(/Cannot tell systemd READY=1/);
  assert.match(line, /systemd-notify: no such program\. Use Type=exec in the unit/);
  assert.equal((await server.stop()).code, 0);
});
