// `external-server gateway`: the reference gateway's configuration, signals, reloads, and what ends
// a start.
import assert from "node:assert/strict";
import { keyHash } from "../../src/config/mod.ts";
import { NotAuthorized } from "../../src/internal_client/mod.ts";
import { buildFixtures } from "../fixtures/build.ts";
import { mosquittoTest } from "../support/mosquitto.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { CAR, gatewayDocument, GatewayProcess, say } from "./gateway_process.ts";
import { childrenOf, isAlive } from "./processes.ts";
import { ProgramProcess } from "./server_process.ts";
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
