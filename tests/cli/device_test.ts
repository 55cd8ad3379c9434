// `device`: lines in, lines out, and an exit status for each way to fail.
import assert from "node:assert/strict";
import { DeviceConnectResponseType as Type } from "../../src/protocol/mod.ts";
import { keyHash } from "../../src/config/mod.ts";
import { ScriptedGateway } from "../internal_client/scripted_gateway.ts";
import { program } from "../e2e/server_process.ts";
import { Stage } from "../internal_server/scripted_device.ts";
import { Certificates } from "../support/certificates.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";

const DEVICE = ["--module", "1000", "--type", "0", "--role", "button"];

/** Runs the command with these lines; returns what it printed and how it ended. */
async function device(
  port: number,
  input: string,
  ...more: string[]
): Promise<{ code: number; out: string; err: string }> {
  const [command, args] = program();
  const child = new Deno.Command(command, {
    args: [...args, "device", "--port", `${port}`, ...DEVICE, ...more],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input)).catch(() => {});
  await writer.close().catch(() => {});
  const { code, stdout, stderr } = await waitFor(child.output(), "the command to end");
  return { code, out: new TextDecoder().decode(stdout), err: new TextDecoder().decode(stderr) };
}

Deno.test("device sends its lines as statuses and prints the commands", async () => {
  await using gateway = await ScriptedGateway.start();
  const running = device(gateway.port, '{"pressed":true}\n{"pressed":false}\n');
  const peer = await gateway.peer();
  assert.deepEqual(await peer.accept(), {
    module: 1000,
    deviceType: 0,
    deviceRole: "button",
    deviceName: "button",
    priority: 0,
  });
  assert.equal(await peer.answer('{"lit":true}'), '{"pressed":true}');
  assert.equal(await peer.answer('{"lit":false}'), '{"pressed":false}');
  assert.deepEqual(await running, { code: 0, out: '{"lit":true}\n{"lit":false}\n', err: "" });
});

Deno.test("device shows its token", async () => {
  await using folder = await TempFolder.make();
  const file = await folder.write("token", "secret\n");
  await using stage = await Stage.start("whole", {
    tokens: { "1000/0/button": keyHash("secret") },
  });
  const right = device(stage.port, "on\n", "--token-file", file);
  await stage.admit();
  assert.equal(await stage.answer("go"), "on");
  assert.deepEqual(await right, { code: 0, out: "go\n", err: "" });
  await stage.asked("disconnected");
  const { code, err } = await device(stage.port, "", "--token", "wrong");
  assert.equal(code, 10);
  assert.match(err, /The gateway expects a token/);
});

Deno.test("device speaks TLS with gateways that it trusts", async () => {
  await using certificates = await Certificates.make();
  await using stage = await Stage.start("whole", {}, {
    host: "127.0.0.1",
    port: 0,
    tls: certificates.server,
  });
  const trusting = device(stage.port, "on\n", "--ca", certificates.caFile);
  await stage.admit();
  assert.equal(await stage.answer("go"), "on");
  assert.deepEqual(await trusting, { code: 0, out: "go\n", err: "" });
  assert.equal((await device(stage.port, "", "--tls")).code, 3);
});

Deno.test("device reads a file, and speaks hexadecimal", async () => {
  await using folder = await TempFolder.make();
  const file = await folder.write("statuses", "00 41\n42\n");
  await using gateway = await ScriptedGateway.start();
  const running = device(gateway.port, "", "--hex", "--file", file);
  const peer = await gateway.peer();
  await peer.accept();
  assert.equal(await peer.answer("AB"), "\0A");
  assert.equal(await peer.answer(""), "B");
  assert.deepEqual(await running, { code: 0, out: "4142\n\n", err: "" });
});

Deno.test("device repeats its last status for as long as nothing comes", async () => {
  await using gateway = await ScriptedGateway.start();
  const [command, args] = program();
  const child = new Deno.Command(command, {
    args: [...args, "device", "--port", `${gateway.port}`, ...DEVICE, "--heartbeat", "1"],
    stdin: "piped",
    stdout: "null",
  }).spawn();
  const peer = await gateway.peer();
  await peer.accept();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode("here\n"));
  for (let i = 0; i < 3; i++) assert.equal(await peer.answer(""), "here");
  child.kill("SIGTERM");
  assert.equal((await waitFor(child.status, "the command to end")).code, 0);
  await writer.abort().catch(() => {});
});

Deno.test("device says what went wrong, and its exit status does, too", async () => {
  const refusals = [
    [Type.ALREADY_CONNECTED, 6],
    [Type.MODULE_NOT_SUPPORTED, 7],
    [Type.DEVICE_NOT_SUPPORTED, 8],
    [Type.HIGHER_PRIORITY_ALREADY_CONNECTED, 9],
    [77, 5],
  ] as const;
  const gateway = await ScriptedGateway.start();
  for (const [type, status] of refusals) {
    const running = device(gateway.port, "x\n");
    await (await gateway.peer()).accept(type);
    const { code, err } = await running;
    assert.equal(code, status, err);
    assert.match(err, /^error: .+\n$/);
  }
  const { port } = gateway;
  const silent = device(port, "x\n", "--timeout", "50");
  await gateway.peer();
  assert.equal((await silent).code, 4);
  await gateway[Symbol.asyncDispose]();
  assert.equal((await device(port, "x\n")).code, 3);
});

Deno.test("device refuses options, files and lines that it cannot use", async () => {
  await using gateway = await ScriptedGateway.start();
  const { port } = gateway;
  const cases: readonly [string[], number, RegExp][] = [
    [["--priority", "x"], 2, /--priority: Expected a whole number.*found "x"/],
    [["--module", "2147483648"], 2, /--module: Expected a whole number.*found "2147483648"/],
    [["--timeout", "0"], 2, /--timeout/],
    [["--reconnect", "never"], 2, /--reconnect/],
    [["--file", "/no/such/file"], 1, /"\/no\/such\/file"/],
  ];
  for (const [args, status, message] of cases) {
    const { code, err } = await device(port, "x\n", ...args);
    assert.equal(code, status, err);
    assert.match(err, message);
  }
  const running = device(port, "0\n", "--hex");
  await (await gateway.peer()).accept();
  const { code, err } = await running;
  assert.equal(code, 2);
  assert.match(err, /Line 1: Expected hexadecimal digits in pairs: found "0"/);
});

Deno.test({
  name: "device says that a command cannot be printed, and not that statuses cannot be read",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using folder = await TempFolder.make();
    const file = await folder.write("statuses", "on\n");
    await using gateway = await ScriptedGateway.start();
    const [command, args] = program();
    const options = ["device", "--port", `${gateway.port}`, ...DEVICE, "--file", file];
    const child = new Deno.Command("sh", {
      args: ["-c", 'exec "$@" >/dev/full', "sh", command, ...args, ...options],
      stdin: "null",
      stderr: "piped",
    }).spawn();
    const peer = await gateway.peer();
    await peer.accept();
    assert.equal(await peer.answer("go"), "on");
    const { code, stderr } = await waitFor(child.output(), "the command to end");
    assert.equal(code, 1);
    assert.match(new TextDecoder().decode(stderr), /^error: Cannot print a command: No space left/);
  },
});
