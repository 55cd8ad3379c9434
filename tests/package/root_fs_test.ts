// The compiled program where there is nothing but a C and C++ runtime: as in its container image.
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { Gateway } from "../../src/simulator/gateway.ts";
import { childrenOf } from "../e2e/processes.ts";
import { COMPANY, configDocument, ProgramProcess } from "../e2e/server_process.ts";
import { Mosquitto, mosquittoTest } from "../support/mosquitto.ts";
import { waitFor } from "../support/wait.ts";
import { NONROOT, reasonNotToEnter, RootFs } from "./root_fs.ts";

const MODULE = "/modules/libcpp_module.so";
const REASON = reasonNotToEnter();

/** Registers a test, or says in its name why it cannot be run here. */
function rootFsTest(name: string, fn: (root: RootFs) => Promise<void>): void {
  if (REASON !== undefined) {
    return void Deno.test({ name: `${name} [skipped: ${REASON}]`, ignore: true, fn() {} });
  }
  mosquittoTest(name, async () => {
    await using root = await RootFs.make();
    await buildModule(root.path(MODULE));
    await fn(root);
  });
}

async function buildModule(output: string): Promise<void> {
  await Deno.mkdir(output.slice(0, output.lastIndexOf("/")), { recursive: true });
  const source = fileURLToPath(new URL("../fixtures/cpp_module.cpp", import.meta.url));
  const args = ["-std=c++17", "-O1", "-fPIC", "-shared", "-pthread", "-o", output, source];
  const { success, stderr } = await new Deno.Command("c++", { args }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
}

/** Writes a configuration into the tree; whatever log goes to files goes to `/log`. */
async function writeConfig(root: RootFs, port: number, logFile: boolean): Promise<void> {
  const logging = {
    console: { level: "DEBUG", use: true },
    ...(logFile ? { file: { level: "INFO", use: true, path: "/log" } } : {}),
  };
  const cars = { car_a: { "1000": { lib_path: MODULE, timeout_ms: 200 } } };
  await root.write(
    "config/config.json",
    JSON.stringify(configDocument({ port, cars, more: { logging } })),
  );
}

/** A session whose module answers with commands and whose statuses are all answered. */
async function serveOneCar(server: ProgramProcess, port: number): Promise<void> {
  await server.line(/\(car_a\)\tState \w+ is now CONNECTED/);
  await server.line(/C\+\+ module with 2 parameters/);
  const broker = { host: "127.0.0.1", port };
  await using gateway = new Gateway({ company: COMPANY, car: "car_a", broker }).start();
  const commands: string[] = [];
  gateway.onCommand = ({ commandData }) =>
    void commands.push(new TextDecoder().decode(commandData));
  await gateway.running();
  const [device] = gateway.devices;
  assert.ok(device);
  for (const number of ["20", "22", "no number"]) await gateway.send(device, number);
  await waitFor(() => commands.includes("42"), "the module's second command");
  await server.line(/not a number: stol/);
  assert.deepEqual(gateway.violations, []);
}

/** Every mount a process could write to. */
async function writableMounts(pid: number): Promise<string[]> {
  const mounts = await Deno.readTextFile(`/proc/${pid}/mountinfo`);
  return mounts.trimEnd().split("\n").map((line) => line.split(" ")).filter(([, , , , , options]) =>
    options?.split(",").includes("rw")
  ).map((fields) => fields[4] ?? "").filter((path) => !/^\/(proc|dev\/\w+)$/.test(path));
}

async function isUnprivileged(pid: number): Promise<void> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  assert.match(status, new RegExp(`^Uid:\\t${NONROOT}\\t${NONROOT}\\t${NONROOT}\\t`, "m"));
  assert.match(status, /^CapEff:\t0+$/m);
}

/** How many connected sockets of a process are TCP. */
async function tcpSockets(pid: number): Promise<number> {
  const inodes = new Set<string>();
  for await (const { name } of Deno.readDir(`/proc/${pid}/fd`)) {
    const target = await Deno.readLink(`/proc/${pid}/fd/${name}`).catch(() => "");
    const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1];
    if (inode !== undefined) inodes.add(inode);
  }
  const table = await Deno.readTextFile(`/proc/${pid}/net/tcp`);
  return table.split("\n").filter((line) => inodes.has(line.trim().split(/\s+/)[9] ?? "")).length;
}

rootFsTest(
  "the program serves a C++ module with nothing writable but log and /tmp",
  async (root) => {
    await using broker = await Mosquitto.start();
    await writeConfig(root, broker.port, true);
    await root.makeWritable("log");
    const command = root.command({ writable: ["log", "tmp"] });
    await using server = new ProgramProcess(["/config/config.json"], { command });
    await serveOneCar(server, broker.port);
    await isUnprivileged(server.pid);
    assert.deepEqual((await writableMounts(server.pid)).sort(), ["/log", "/tmp"]);
    const [host] = await childrenOf(server.pid);
    assert.ok(host);
    assert.equal(await tcpSockets(host), 0, "The module host is reached over a Unix socket");
    assert.equal((await server.stop()).code, 0);
    assert.match(await Deno.readTextFile(root.writable("log/external_server.log")), /Stopped\n$/);
    assert.deepEqual([...Deno.readDirSync(root.writable("tmp"))], [], "Nothing is left in /tmp");
  },
);

rootFsTest("the program serves a C++ module with nothing writable at all", async (root) => {
  await using broker = await Mosquitto.start();
  await writeConfig(root, broker.port, false);
  const command = root.command();
  await using server = new ProgramProcess(["/config/config.json"], { command });
  await serveOneCar(server, broker.port);
  await isUnprivileged(server.pid);
  assert.deepEqual(await writableMounts(server.pid), []);
  const [host] = await childrenOf(server.pid);
  assert.ok(host);
  assert.equal(await tcpSockets(host), 1, "The module host is reached over loopback TCP");
  assert.equal((await server.stop()).code, 0);
  for (const args of [["--version"], ["schema"], ["check", "/config/config.json"]]) {
    await using other = new ProgramProcess(args, { command });
    assert.equal((await other.ended()).code, 0, other.text);
  }
  await using demo = new ProgramProcess(["demo", "--seconds", "2"], { command });
  assert.equal((await demo.ended()).code, 0, demo.text);
  await using native = new ProgramProcess(["demo", "--native"], { command });
  assert.equal((await native.ended()).code, 1);
  assert.match(native.text, /there is no folder to build it in/);
});
