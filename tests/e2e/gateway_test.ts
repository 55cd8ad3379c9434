// `external-server gateway`: the reference gateway's configuration, signals, reloads, and what ends
// a start.
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { keyHash } from "../../src/config/mod.ts";
import { GatewayView } from "../../src/http/gateway/schemas.ts";
import { NotAuthorized } from "../../src/internal_client/mod.ts";
import { buildFixtures } from "../fixtures/build.ts";
import { Mosquitto, mosquittoTest } from "../support/mosquitto.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { CAR, gatewayDocument, GatewayProcess, say } from "./gateway_process.ts";
import { childrenOf, isAlive } from "./processes.ts";
import { COMPANY, ProgramProcess } from "./server_process.ts";
import { Stage } from "./stage.ts";

/** Nobody listens there. */
const NO_BROKER = 9;

/** A configuration without a cloud, with more keys for the internal server. */
async function documentWith(
  more: Record<string, unknown>,
  others: Record<string, unknown> = {},
): Promise<Record<string, unknown>> {
  const document = await gatewayDocument(NO_BROKER, others);
  const server = document["internal-server-settings"] as object;
  return { ...document, "internal-server-settings": { ...server, ...more } };
}

mosquittoTest("a gateway takes a device's statuses to a server [CONFIG-GATEWAY]", async () => {
  await using cloud = await Stage.set();
  await using folder = await TempFolder.make();
  await cloud.serve({ cars: { [CAR]: {} } });
  const file = { level: "INFO", use: true, path: folder.path };
  const logging = { console: { level: "INFO", use: true }, file };
  await using gateway = await GatewayProcess.start(
    await gatewayDocument(cloud.broker.port, { logging }),
  );
  const client = await gateway.device();
  assert.match(await say(client, "pressed"), /^generate_command\[pressed\]/);
  await waitFor(
    async () => (await cloud.record.deviceCalls("forward_status", CAR)).length > 0,
    "the status at the server",
  );
  await client.close();
  const hosts = await childrenOf(gateway.pid);
  assert.ok(hosts.length > 0);
  assert.deepEqual({ ...await gateway.stop() }, { success: true, code: 0, signal: null });
  assert.match(gateway.text, /Stopping on SIGTERM/);
  for (const host of hosts) {
    await waitFor(async () => !await isAlive(host), `module host ${host} to end`);
  }
  const log = await Deno.readTextFile(folder.file("ModuleGateway.log"));
  assert.match(log, /Serving devices of 1 module on 0\.0\.0\.0:\d+/);
  assert.match(log, /Stopped\n$/);
});

Deno.test("with a history, what the cloud cannot be told is kept on the disk [GATEWAY-HISTORY]", async () => {
  await using folder = await TempFolder.make();
  const document = await gatewayDocument(NO_BROKER);
  const cloud = document["external-connection"] as object;
  const history = { directory: folder.file("history") };
  await using gateway = await GatewayProcess.start({
    ...document,
    "external-connection": { ...cloud, history },
  });
  await using client = await gateway.device();
  await say(client, "pressed");
  const kept = `${history.directory}/broker-127.0.0.1%3A${NO_BROKER}/0000000001.ndjson`;
  await waitFor(async () => {
    const text = await Deno.readTextFile(kept).catch(() => "");
    return text.includes(btoa("pressed"));
  }, "the status on the disk");
});

Deno.test("a module that hangs does not keep a gateway from ending", async () => {
  await using gateway = await GatewayProcess.start(await documentWith({}));
  await using client = await gateway.device();
  const unanswered = assert.rejects(say(client, "hang"));
  await gateway.line(/Device 1000\/0\/front .*connected/);
  assert.equal((await gateway.stop()).code, 0);
  await client.close();
  await unanswered;
});

Deno.test("a reload changes rules at once, and no device notices", async () => {
  await using gateway = await GatewayProcess.start(await documentWith({}));
  await using client = await gateway.device();
  await say(client, "a");
  const tokens = { "1000/0/other": keyHash("secret") };
  assert.match(
    await gateway.reload(await documentWith({ tokens, takeover: "probe" })),
    /reloaded: .*tokens nothing -> 1000\/0\/other; .*takeover strict -> probe$/,
  );
  await say(client, "b");
  assert.equal(client.statistics.reconnects, 0);
  const intruder = gateway.device({ role: "other", token: "wrong" });
  await assert.rejects(intruder, NotAuthorized);
  await using other = await gateway.device({ role: "other", token: "secret" });
  await say(other, "c");
  assert.match(await gateway.reload(await documentWith({ tokens, takeover: "probe" })), /nothing/);
});

Deno.test("a reload replaces a module's library, and no device notices", async () => {
  await using gateway = await GatewayProcess.start(await documentWith({}));
  await using client = await gateway.device();
  await say(client, "a");
  const before = await childrenOf(gateway.pid);
  const { gateway: library } = await buildFixtures();
  const copy = gateway.folder.file("copy.so");
  await Deno.copyFile(library, copy);
  const changed = await documentWith({}, { "module-paths": { "1000": copy } });
  assert.match(await gateway.reload(changed), /modules 1000 started$/);
  assert.match(await say(client, "b"), /^generate_command\[b\]/);
  assert.equal(client.statistics.reconnects, 0);
  for (const host of before) {
    await waitFor(async () => !await isAlive(host), `module host ${host} to end`);
  }
  // The same name, another file.
  await Deno.remove(copy);
  await Deno.copyFile(library, copy);
  assert.match(await gateway.reload(changed), /reloaded: modules 1000 started$/);
  assert.match(await say(client, "c"), /^generate_command\[c\]/);
  assert.equal(client.statistics.reconnects, 0);
});

Deno.test("a reload with other limits replaces modules, and a slow one is named", async () => {
  await using gateway = await GatewayProcess.start(await documentWith({}));
  await using client = await gateway.device();
  await say(client, "a");
  const limits = { "slow-call-ms": 10, "max-hosts": 2 };
  const changed = await documentWith({}, { "module-limits": limits });
  assert.match(await gateway.reload(changed), /modules 1000 started/);
  assert.match(await say(client, "sleep 60"), /^generate_command\[sleep 60\]/);
  await gateway.line(/Module 1000 is slow: \w+ took \d+ ms, slow-call-ms is 10/);
  assert.equal(client.statistics.reconnects, 0);
});

Deno.test("a reload with another endpoint or listener lets devices connect again", async () => {
  await using gateway = await GatewayProcess.start(await documentWith({}));
  await using client = await gateway.device({ reconnect: "forever" });
  await say(client, "a");
  const port = await gateway.port();
  const said = await gateway.reload(await documentWith({ port }));
  assert.match(said, /port 0 -> \d+; devices and sessions connect again$/, gateway.text);
  await waitFor(async () => await say(client, "b").then(() => true, () => false), "the device");
  assert.equal(client.statistics.reconnects, 1);
});

Deno.test("a configuration that cannot be used changes nothing", async () => {
  await using gateway = await GatewayProcess.start(await documentWith({}));
  await using client = await gateway.device({ reconnect: "forever" });
  await say(client, "a");
  const taken = Deno.listen({ hostname: "0.0.0.0", port: 0 });
  using _ = taken;
  const { gatewayMissing } = await buildFixtures();
  const bad = [
    [await documentWith({ takeover: "perhaps" }), /takeover: Expected one of "strict", "probe"/],
    [
      await documentWith({}, { "module-paths": { "1000": gatewayMissing } }),
      /aggregate_status/,
    ],
    [await documentWith({ port: (taken.addr as Deno.NetAddr).port }), /Cannot listen for devices/],
  ] as const;
  for (const [document, reason] of bad) {
    assert.match(await gateway.reload(document), /not reloaded, nothing has changed: 1 problem/);
    await gateway.line(reason);
    await waitFor(async () => await say(client, "b").then(() => true, () => false), "the device");
  }
});

Deno.test("operators see devices, sessions and modules, and reload with a key of scope admin", async () => {
  const key = "0123456789abcdef";
  const http = { port: 0, api_key: key };
  await using gateway = await GatewayProcess.start(await documentWith({}, { http }));
  const line = await gateway.line(/Listening for operators on /);
  const url = line.slice(line.indexOf("http"));
  const headers = { "x-api-key": key };
  await using client = await gateway.device();
  await say(client, "pressed");

  assert.equal((await (await fetch(`${url}/healthz`)).json()).status, "ok");
  const readiness = await fetch(`${url}/readyz`);
  const { ready } = await readiness.json();
  assert.deepEqual([readiness.status, ready], [200, true]);
  for (const path of ["/api/v1/gateway", "/metrics", "/api/v1/config"]) {
    const refused = await fetch(url + path);
    await refused.body?.cancel();
    assert.equal(refused.status, 401, path);
  }

  const answer = await fetch(`${url}/api/v1/gateway`, { headers });
  const seen = GatewayView.parse(await answer.json());
  assert.deepEqual([seen.company, seen.car, seen.connections], [COMPANY, CAR, 1]);
  const [device] = seen.devices;
  assert.deepEqual([device?.id, device?.name], ["1000/0/front", "Front button"]);
  assert.equal(device?.lastStatus.text, "pressed");
  assert.match(device?.lastCommand.text ?? "", /^generate_command/);
  assert.deepEqual(seen.modules.map(({ module, slow }) => [module, slow]), [[1000, false]]);
  assert.match(seen.endpoints[0]?.name ?? "", /^1 mqtt:\/\/127\.0\.0\.1:9$/);

  const metrics = await (await fetch(`${url}/metrics`, { headers })).text();
  assert.match(metrics, /^module_gateway_devices 1$/m);
  assert.match(metrics, /^module_gateway_session_connected\{endpoint="1"\} 0$/m);
  assert.match(
    metrics,
    /^module_gateway_module_calls_total\{module="1000",function="generate_command",result="ok"\} 1$/m,
  );

  const described = await (await fetch(`${url}/api/v1/openapi.json`, { headers })).json();
  assert.equal(described.info.title, "Module Gateway");
  for (const path of Object.keys(described.paths).filter((one) => one !== "/rpc")) {
    const { get } = described.paths[path];
    if (get === undefined) continue;
    const found = await fetch(url + path, { headers });
    await found.body?.cancel();
    assert.equal(found.status, 200, path);
  }

  const effective = await (await fetch(`${url}/api/v1/config`, { headers })).json();
  assert.equal(effective["external-connection"].company, COMPANY);
  assert.doesNotMatch(JSON.stringify(effective), new RegExp(key));
  await gateway.folder.write(
    "gateway.json",
    JSON.stringify(await documentWith({ takeover: "probe" }, { http })),
  );
  const reloaded = await fetch(`${url}/api/v1/config/reload`, {
    method: "POST",
    headers: { ...headers, "content-type": "application/json" },
    body: "{}",
  });
  const report = await reloaded.json();
  assert.equal(report.applied, true);
  assert.deepEqual(report.settings.map((one: { key: string }) => one.key), [
    "internal-server-settings.takeover",
  ]);
  assert.equal(client.statistics.reconnects, 0);
});

mosquittoTest("doctor tests what a gateway will need", async () => {
  await using broker = await Mosquitto.start();
  await using folder = await TempFolder.make();
  const examine = async (document: unknown) => {
    const file = await folder.write("gateway.json", JSON.stringify(document));
    await using process = new ProgramProcess(["doctor", file]);
    return { code: (await process.ended()).code, text: process.text };
  };
  const good = await examine(await gatewayDocument(broker.port));
  assert.equal(good.code, 0, good.text);
  assert.match(good.text, /the gateway of acme\/car_1 with 1 module and 1 endpoint/);
  assert.match(good.text, /MQTT 3\.1\.1: CONNECT accepted/);
  assert.match(good.text, /module 1000: Can be loaded/);
  assert.match(good.text, /ok +0\.0\.0\.0:0: The gateway can listen for devices here/);
  const script = fileURLToPath(
    new URL("../../examples/module-ts/gateway_module.ts", import.meta.url),
  );
  const scripted = await gatewayDocument(broker.port, { "module-paths": { "1000": script } });
  const { code, text } = await examine(scripted);
  assert.equal(code, 0, text);
  assert.match(text, /module 1000: Can be loaded/);
  const { gatewayMissing } = await buildFixtures();
  const bad = await examine(
    await gatewayDocument(NO_BROKER, { "module-paths": { "1000": gatewayMissing } }),
  );
  assert.equal(bad.code, 1);
  assert.match(bad.text, /Cannot connect over TCP/);
  assert.match(bad.text, /module 1000: .*aggregate_status/);
  const file = await folder.write("file", "neither a certificate nor a directory");
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr as Deno.NetAddr;
  const places = { port, address: "127.0.0.1", "unix-socket": `${folder.path}/none/devices.sock` };
  const occupied = await examine(await documentWith(places));
  assert.equal(occupied.code, 1);
  assert.match(occupied.text, /skipped +127\.0\.0\.1:\d+: Not tried: something listens here/);
  assert.match(occupied.text, /failed +\S+devices\.sock: Cannot listen for devices on /);
  const { "external-connection": connection, ...others } = await gatewayDocument(broker.port);
  const unusable = await examine({
    ...others,
    "internal-server-settings": { "port": 0, "tls-cert": file, "tls-key": file },
    "external-connection": { ...Object(connection), "history": { "directory": `${file}/history` } },
  });
  assert.equal(unusable.code, 1);
  assert.match(unusable.text, /failed +tls-cert: Cannot use certificate file/);
  assert.match(unusable.text, /failed +\S+\/history: Cannot keep a history/);
});

Deno.test("a gateway that cannot start says why, and ends", async () => {
  const { gatewayMissing, gateway2, notALibrary } = await buildFixtures();
  const taken = Deno.listen({ hostname: "0.0.0.0", port: 0 });
  using _ = taken;
  const port = (taken.addr as Deno.NetAddr).port;
  const cases: readonly (readonly [Record<string, unknown>, RegExp])[] = [
    [await documentWith({ port }), /Cannot listen for devices on "0\.0\.0\.0:\d+"/],
    [await documentWith({}, { "module-paths": { "1000": gatewayMissing } }), /aggregate_status/],
    [await documentWith({}, { "module-paths": { "1000": gateway2 } }), /the library is module 2/],
    [
      await documentWith({}, { "module-paths": { "1000": notALibrary } }),
      /module 1000|Module 1000/,
    ],
    [await documentWith({ port: -1 }), /internal-server-settings\.port: Expected a port/],
  ];
  for (const [document, reason] of cases) {
    await using gateway = await GatewayProcess.launch(document);
    assert.equal((await gateway.ended()).code, 1);
    assert.match(gateway.text, reason);
  }
});

for (
  const [args, reason] of [
    [[], /no configuration file: name one, or use --config-path/],
    [["a.json", "-c", "b.json"], /configuration file given twice: "a\.json" and "b\.json"/],
    [["a.json", "--port", "70000"], /--port: Expected a whole number from 0 to 65535/],
    [["a.json", "--verbose"], /unknown option '--verbose'/],
    [["a.json", "b.json"], /too many arguments/],
  ] as const
) {
  Deno.test(`gateway ${args.join(" ")}: an invalid command line ends the start`, async () => {
    await using process = new ProgramProcess(["gateway", ...args]);
    assert.equal((await process.ended()).code, 2);
    assert.match(process.text, reason);
  });
}
