// The port for operators of a running server, with a real broker, a real module and a gateway; and
// that there is nothing of it when it is off.
import assert from "node:assert/strict";
import type { CarDetail } from "../../src/http/api/schemas.ts";
import { device } from "../car/support.ts";
import { buildFixtures } from "../fixtures/build.ts";
import { Mosquitto } from "../support/mosquitto.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { program, ServerProcess } from "./server_process.ts";
import { PATIENT, Stage } from "./stage.ts";

const PROJECT = new URL("../../deno.json", import.meta.url);
const KEY = "0123456789abcdef";
const CAR = "car_a";
const DEVICE = device(1000, "front");

async function get(url: string): Promise<Response> {
  return await waitFor(fetch(url, { headers: { "x-api-key": KEY } }), url);
}

async function call(url: string, method: string, params: unknown = {}) {
  const answer = await waitFor(
    fetch(`${url}/rpc`, {
      method: "POST",
      headers: { "x-api-key": KEY, "content-type": "application/json" },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
    }),
    method,
  );
  return (await answer.json()).result;
}

Deno.test("A server shows operators its cars, and does what they say", async () => {
  await using stage = await Stage.set();
  const http = { port: 0, api_key: KEY };
  const server = await stage.serve({ cars: { [CAR]: {} }, more: { http } });
  const url = await server.operatorsUrl();
  const ready = await get(`${url}/readyz`);
  assert.deepEqual([ready.status, await ready.json()], [200, {
    ready: true,
    reasons: [],
    degraded: [],
  }]);

  stage.gateway(CAR, { devices: [DEVICE], rate: 20, clocks: PATIENT });
  const car = async () => await (await get(`${url}/api/v1/cars/${CAR}`)).json() as CarDetail;
  const running = await waitFor(async () => {
    const found = await car();
    return found.state === "RUNNING" && found.rates.statuses > 0 ? found : undefined;
  }, "statuses of a running car");
  assert.ok(running);
  assert.equal(running.devices[0]?.connected, true);
  assert.ok((running.rates.responseMeanMs ?? 0) > 0);
  assert.ok((running.moduleContexts[0]?.hostPid ?? 0) > 1);

  const page = await get(`${url}/`);
  assert.match(await page.text(), /<html/);
  const metrics = await (await get(`${url}/metrics`)).text();
  const sample = (name: string) =>
    Number(new RegExp(`^external_server_${name} (.*)$`, "m").exec(metrics)?.[1]);
  assert.ok(sample(`statuses_answered_total{car="${CAR}"}`) > 0);
  assert.ok(sample(`mqtt_received_bytes_total{car="${CAR}"}`) > 0);
  assert.ok(
    sample('module_calls_total{module="1000",function="forward_status",result="ok"}') > 0,
  );

  await call(url, "car.restart", { car: CAR });
  const restarted = await waitFor(async () => {
    const found = await car();
    return found.state === "RUNNING" && found.sessionId !== running.sessionId ? found : undefined;
  }, "the next session");
  // What was intended is an event.
  assert.deepEqual(restarted?.incidents, []);
  assert.ok(restarted?.events.some(({ text }) => text.startsWith("Session ended: stopped")));
  const report = await call(url, "config.reload");
  assert.deepEqual([report.applied, report.untouched], [true, 1]);

  const stopped = await server.stop();
  assert.equal(stopped.code, 0);
  assert.ok(!server.text.includes(KEY));
});

Deno.test("A server listens nowhere while HTTP is off", async () => {
  await using stage = await Stage.set();
  const server = await stage.serve({ cars: { [CAR]: {} } });
  assert.deepEqual(await listening(server.pid), []);
  assert.doesNotMatch(server.text, /operators/);
});

Deno.test("A server needs nothing of what HTTP and telemetry are made from while they are off", async () => {
  await using folder = await TempFolder.make();
  const { imports } = JSON.parse(await Deno.readTextFile(PROJECT));
  assert.ok("hono" in imports);
  // Whoever imports it fails.
  for (const name of Object.keys(imports)) {
    if (/^hono|opentelemetry/.test(name)) imports[name] = "./gone.js";
  }
  const file = `${folder.path}/deno.json`;
  await Deno.writeTextFile(file, JSON.stringify({ imports }));
  const [, args] = program();
  const other = args.map((one, index) => args[index - 1] === "--config" ? file : one);
  const [run = "", ...rest] = other;
  const command = [Deno.execPath(), [run, "--no-lock", ...rest]] as const;
  const { module } = await buildFixtures();
  const cars = { [CAR]: { "1000": { lib_path: module } } };
  await using broker = await Mosquitto.start();
  await using off = await ServerProcess.start({ port: broker.port, cars }, { command });
  await off.line(/State \w+ is now CONNECTED/);
  assert.equal((await off.stop()).code, 0);

  const more = { http: { port: 0 } };
  await using on = await ServerProcess.launch({ port: broker.port, cars, more }, { command });
  await on.line(/gone\.js|"hono\//);
});

Deno.test("A server that cannot listen for operators does not start", async () => {
  await using stage = await Stage.set();
  const { port } = stage.broker;
  const server = stage.serve({ cars: { [CAR]: {} }, more: { http: { port } } });
  await assert.rejects(
    server.then(() => {}),
    /Cannot listen for HTTP on "127.0.0.1:\d+": the port is in use/,
  );
});

/** TCP ports the process listens on. */
async function listening(pid: number): Promise<string[]> {
  const inodes = new Set<string>();
  for await (const { name } of Deno.readDir(`/proc/${pid}/fd`)) {
    const target = await Deno.readLink(`/proc/${pid}/fd/${name}`).catch(() => "");
    const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1];
    if (inode !== undefined) inodes.add(inode);
  }
  assert.ok(inodes.size > 0, "the process has sockets");
  const found: string[] = [];
  for (const table of ["tcp", "tcp6"]) {
    for (const line of (await Deno.readTextFile(`/proc/${pid}/net/${table}`)).split("\n")) {
      const [, local = "", , state, , , , , , inode = ""] = line.trim().split(/\s+/);
      if (state === "0A" && inodes.has(inode)) found.push(local);
    }
  }
  return found;
}
