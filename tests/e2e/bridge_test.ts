// The example of a bridge, as it stands there: from the server over the local broker to the second one.
import assert from "node:assert/strict";
import { connect } from "mqtt";
import { Gateway } from "../../src/simulator/gateway.ts";
import { Bridge } from "../support/bridge.ts";
import { mosquittoTest } from "../support/mosquitto.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { ProgramProcess } from "./server_process.ts";

mosquittoTest("examples/bridge takes events to a second broker, over an outage of it", async () => {
  await using folder = await TempFolder.make();
  await using bridge = await Bridge.start({ restart_timeout: "1" });
  const { local, cloud } = bridge;
  const heard: { readonly topic: string; readonly text: string; readonly id: unknown }[] = [];
  const subscribe = async () => {
    // With a session, for which the second broker keeps what it gets before its subscriber is back.
    const client = connect({
      host: "127.0.0.1",
      port: cloud.port,
      protocolVersion: 5,
      clientId: "reader",
      clean: false,
      properties: { sessionExpiryInterval: 3600 },
      reconnectPeriod: 0,
    });
    client.on("message", (topic, payload, { properties }) => {
      heard.push({ topic, text: payload.toString(), id: properties?.userProperties?.id });
    });
    // Its connection is lost with the broker.
    client.on("error", () => {});
    await waitFor(() => client.connected, "the second broker");
    await client.subscribeAsync("telemetry/#", { qos: 1 });
    return client;
  };
  const hasHeard = (data: string) =>
    waitFor(
      () => heard.some(({ text }) => JSON.parse(text).payload?.text === data),
      `${data} at the second broker`,
    );
  const config = await bridge.serverConfig(folder);
  await using server = new ProgramProcess([config]);
  await server.line(/Serving 1 car/);
  await using gateway = new Gateway({
    company: "bringauto",
    car: "car_1",
    broker: { host: "127.0.0.1", port: local.port },
  }).start();
  await gateway.running();
  const [device] = gateway.devices;
  assert.ok(device);
  const first = await subscribe();
  await gateway.send(device, '{"n":1}');
  await hasHeard('{"n":1}');
  await cloud.stop();
  await first.endAsync(true);
  await gateway.send(device, '{"n":2}');
  await cloud.restart();
  const second = await subscribe();
  await gateway.send(device, '{"n":3}');
  await hasHeard('{"n":2}');
  await hasHeard('{"n":3}');
  await second.endAsync();
  for (const { topic, text, id } of heard) {
    const event = JSON.parse(text);
    const { module = "-", role = "-" } = event.device ?? {};
    assert.equal(topic, `telemetry/bringauto/${event.car ?? "-"}/${module}/${role}`);
    assert.equal(id, event.id);
  }
  assert.equal((await server.stop()).code, 0, server.text);
});
