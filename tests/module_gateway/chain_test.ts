// The whole chain: device, gateway, broker, server, native module, and back; and what breaks it.
import assert from "node:assert/strict";
import { InternalClient } from "../../src/internal_client/mod.ts";
import { buildExampleModule } from "../../examples/module/build.ts";
import { ServerProcess } from "../e2e/server_process.ts";
import { Stage as Cloud, subscribed } from "../e2e/stage.ts";
import { freePort, Mosquitto, mosquittoTest } from "../support/mosquitto.ts";
import { waitFor } from "../support/wait.ts";
import type { Device } from "../../src/protocol/mod.ts";
import { endpoint, ExampleModule, modulesOf, say, ScriptedModule, Stage } from "./support.ts";

const BUTTON: Device = {
  module: 1000,
  deviceType: 0,
  deviceRole: "front",
  deviceName: "Front button",
  priority: 0,
};
const LED: Device = { ...BUTTON, deviceType: 1, deviceRole: "roof", deviceName: "Roof LED" };
const CAR = "car_1";

/** A device that says nothing for long is neither reported nor dead, however slow the machine is. */
const handler = { reportMs: 600_000 };

/** Statuses that the server's module was given of a device, without those that it had already. */
async function heard({ record }: Cloud, device: Device): Promise<string[]> {
  const calls = await record.deviceCalls("forward_status", CAR);
  return calls.filter((call) => call.fullDevice.includes(`/${device.deviceRole}/`))
    .map(({ data }) => data)
    .filter((data, index, all) => data !== all[index - 1]);
}

/** Error messages that the server's module was given, the newest of each session. */
async function errors({ record }: Cloud): Promise<string[]> {
  return (await record.deviceCalls("forward_error_message", CAR)).map(({ data }) => data);
}

mosquittoTest("from a button through the cloud to an LED, and back", async () => {
  await using broker = await Mosquitto.start();
  await using library = await buildExampleModule();
  await using server = await ServerProcess.start({
    port: broker.port,
    cars: { [CAR]: { 1000: { lib_path: library.path } } },
  });
  await subscribed(server, CAR);
  await using stage = await Stage.start({
    modules: modulesOf(new ExampleModule()),
    endpoints: [endpoint(broker.port)],
    handler,
  });
  const led = await stage.device(LED);
  assert.equal(await say(led, '{"lit": false}'), "default");
  const button = await stage.device(BUTTON);
  await say(button, '{"pressed": true}');
  // The LED is not told before the cloud has said so.
  await waitFor(async () => await say(led, '{"lit": false}') === '{"lit": true}', "light");
  await say(led, '{"lit": true}');
  await say(button, '{"pressed": false}');
  await waitFor(async () => await say(led, '{"lit": true}') === '{"lit": false}', "darkness");
  const [cloud] = stage.gateway.snapshot().endpoints;
  assert.equal(cloud?.counts.violations, 0);
  assert.deepEqual(cloud?.devices.toSorted(), ["1000/0/front", "1000/1/roof"]);
});

mosquittoTest(
  "after an outage of the broker the cloud has the newest status, and the errors of all [ERROR-AGGREGATE]",
  async () => {
    await using cloud = await Cloud.set();
    await cloud.serve({ cars: { [CAR]: {} } });
    const module = new ScriptedModule(1000);
    await using stage = await Stage.start({
      modules: modulesOf(module),
      endpoints: [endpoint(cloud.broker.port)],
      handler,
    });
    const button = await stage.device(BUTTON);
    await say(button, "0");
    await stage.sessions(1);
    await cloud.broker.kill();
    await waitFor(
      () => stage.gateway.snapshot().endpoints[0]?.phase !== "connected",
      "the gateway to notice",
    );
    for (const lost of ["1", "2", "3"]) assert.match(await say(button, lost), / at 0\S*\+\d>$/);
    await cloud.broker.restart();
    await stage.sessions(2);
    await waitFor(async () => (await heard(cloud, BUTTON)).includes("0+1+2+3"), "the newest");
    await waitFor(
      async () => (await errors(cloud)).some((message) => message.includes("0+1+2+3")),
      "the errors",
    );
    // What the first session began with was not sent yet; attempts that failed are told again.
    const told = (await errors(cloud)).at(-1)?.split(", ") ?? [];
    assert.deepEqual([...new Set(told)].filter((one) => one !== "0"), ["0+1", "0+1+2", "0+1+2+3"]);
    await say(button, "4");
    await waitFor(async () => (await heard(cloud, BUTTON)).includes("0+1+2+3+4"), "the next");
    assert.equal(stage.gateway.snapshot().endpoints[0]?.counts.violations, 0);
  },
);

mosquittoTest(
  "a server that comes back finds the gateway's current statuses [GATEWAY-PREPARE]",
  async () => {
    await using cloud = await Cloud.set();
    const server = await cloud.serve({ cars: { [CAR]: {} }, options: { record: false } });
    await using stage = await Stage.start({
      modules: modulesOf(new ScriptedModule(1000)),
      endpoints: [endpoint(cloud.broker.port)],
      handler,
    });
    const button = await stage.device(BUTTON);
    await say(button, "a");
    await say(button, "b");
    await waitFor(async () => (await heard(cloud, BUTTON)).includes("a+b"), "the statuses");
    await stage.sessions(1);
    server.signal("SIGKILL");
    await server.ended();
    const before = (await cloud.record.deviceCalls("forward_status", CAR)).length;
    await cloud.serve({ cars: { [CAR]: {} } });
    await stage.sessions(2);
    await waitFor(
      async () => (await cloud.record.deviceCalls("forward_status", CAR)).length > before,
      "the first status",
    );
    const calls = (await cloud.record.deviceCalls("forward_status", CAR)).slice(before);
    assert.deepEqual(calls.map(({ data }) => data).filter((data) => data !== "a+b"), []);
  },
);

mosquittoTest(
  "a device that goes is disconnected in the cloud, the others stay [HANDLER-DISCONNECT]",
  async () => {
    await using cloud = await Cloud.set();
    await cloud.serve({ cars: { [CAR]: {} } });
    await using stage = await Stage.start({
      modules: modulesOf(new ScriptedModule(1000)),
      endpoints: [endpoint(cloud.broker.port)],
      handler,
    });
    const [button, led] = [await stage.device(BUTTON), await stage.device(LED)];
    await say(button, "a");
    await say(led, "x");
    await waitFor(async () => (await heard(cloud, LED)).includes("x"), "both devices");
    await button.close();
    await waitFor(
      async () => (await cloud.record.deviceCalls("device_disconnected", CAR)).length > 0,
      "the disconnect",
    );
    const [gone] = await cloud.record.deviceCalls("device_disconnected", CAR);
    assert.deepEqual([gone?.device, gone?.disconnectType], ["1000/0/front", 0]);
    await say(led, "y");
    await waitFor(async () => (await heard(cloud, LED)).includes("x+y"), "the other one");
  },
);

mosquittoTest("two endpoints have brokers, sessions and devices of their own", async () => {
  await using cloud = await Cloud.set();
  await using other = await Mosquitto.start();
  await cloud.serve({ cars: { [CAR]: {} } });
  await using stage = await Stage.start({
    modules: modulesOf(new ScriptedModule(1000), new ScriptedModule(2)),
    endpoints: [endpoint(cloud.broker.port), endpoint(other.port, [2], "other")],
    handler,
  });
  const [button, lamp] = [await stage.device(BUTTON), await stage.device({ ...LED, module: 2 })];
  await say(lamp, "x");
  await stage.phase("connect", 1);
  await say(button, "a");
  await waitFor(async () => (await heard(cloud, BUTTON)).includes("a"), "the first endpoint");
  await stage.sessions(1);
  await stage.phase("connect", 1);
  const [first, second] = stage.gateway.snapshot().endpoints;
  assert.deepEqual([first?.devices, second?.devices], [["1000/0/front"], ["2/1/roof"]]);
  assert.deepEqual([first?.counts.sessions, second?.counts.sessions], [1, 0]);
});

mosquittoTest(
  "server, broker and gateway are killed in turn, and all come back by themselves",
  async () => {
    await using cloud = await Cloud.set();
    const serve = () => cloud.serve({ cars: { [CAR]: {} }, options: { record: false } });
    // Not one that the system gives to others while the gateway is away.
    const port = freePort();
    const options = () => ({
      modules: modulesOf(new ScriptedModule(1000)),
      endpoints: [endpoint(cloud.broker.port)],
      handler,
      listen: [{ port, host: "127.0.0.1" }],
    });
    let server = await serve();
    let stage = await Stage.start(options());
    try {
      await using button = await InternalClient.connect({
        module: BUTTON.module,
        type: BUTTON.deviceType,
        role: BUTTON.deviceRole,
        name: BUTTON.deviceName,
        host: "127.0.0.1",
        port,
        reconnect: "forever",
        timeoutMs: 600_000,
      });
      const kills = {
        server: async () => {
          server.signal("SIGKILL");
          await server.ended();
          server = await serve();
        },
        broker: async () => {
          await cloud.broker.kill();
          await cloud.broker.restart();
        },
        gateway: async () => {
          await stage[Symbol.asyncDispose]();
          stage = await Stage.start(options());
        },
      };
      const order = ["server", "broker", "gateway", "broker", "server", "gateway"] as const;
      for (const [index, who] of order.entries()) {
        await say(button, `before ${index}`);
        await kills[who]();
        await say(button, `after ${index}`);
        const isHeard = async () => (await heard(cloud, BUTTON)).at(-1)?.endsWith(`after ${index}`);
        await waitFor(isHeard, `the cloud to hear of the ${who} again`);
      }
    } finally {
      await stage[Symbol.asyncDispose]();
    }
  },
);
