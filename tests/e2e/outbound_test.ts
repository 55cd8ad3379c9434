// What a server sends to others by itself, from the source or as the compiled program: telemetry to a
// collector, incidents to a webhook. Neither needs the port for operators.
import assert from "node:assert/strict";
import { device } from "../car/support.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { attributesOf, Collector } from "../telemetry/collector.ts";
import { Receiver } from "../webhook/receiver.ts";
import { PATIENT, Stage } from "./stage.ts";

const CAR = "car_a";
const DEVICE = device(1000, "front");
const SECRET = "a-secret-that-is-long-enough";

Deno.test("A server sends metrics and traces to a collector, without a port for operators", async () => {
  await using stage = await Stage.set();
  await using collector = new Collector();
  const opentelemetry = { endpoint: `${collector.url}/`, metrics_interval: 0.2, trace_ratio: 1 };
  const server = await stage.serve({ cars: { [CAR]: {} }, more: { opentelemetry } });
  stage.gateway(CAR, { devices: [DEVICE], rate: 20, clocks: PATIENT });
  const valueOf = (wanted: string) =>
    collector.metrics.find(({ name }) => name === `external_server_${wanted}`)?.sum?.dataPoints[0]
      ?.asDouble ?? 0;
  await waitFor(() => valueOf("statuses_answered_total") > 5, "metrics of statuses");
  assert.equal((await server.stop()).code, 0);
  const forwarded = collector.spans.find(({ name }) => name === "forward_status");
  const status = collector.spans.find(({ spanId }) => spanId === forwarded?.parentSpanId);
  assert.equal(status?.name, "status");
  assert.equal(attributesOf(status)["external_server.car"], CAR);
});

for (const http of [undefined, { port: 0 }]) {
  const how = http === undefined ? "without" : "with";
  Deno.test(`A server posts an incident ${how} a port for operators, and its end`, async () => {
    await using stage = await Stage.set();
    await using receiver = new Receiver(SECRET);
    const webhook = { url: receiver.url, secret: SECRET };
    const more = { webhook, mqtt_timeout: 1, health: { settle_ms: 100 }, ...(http && { http }) };
    const server = await stage.serve({ cars: { [CAR]: {} }, more });
    const gateway = await stage.scripted(CAR, { devices: [DEVICE] });
    await gateway.connectSequence();
    // It falls silent, then comes back.
    const began = await receiver.inbox.next("the begin of the incident");
    assert.equal(began.body.type, "incident.began");
    assert.deepEqual(began.body.data.cars, [CAR]);
    stage.gateway(CAR, { devices: [DEVICE], rate: 20 });
    const ended = await receiver.inbox.next("its end");
    assert.deepEqual([ended.body.type, ended.body.data.id], [
      "incident.ended",
      began.body.data.id,
    ]);
    assert.ok(ended.body.data.seconds > 0);
    if (http !== undefined) {
      const url = `${await server.operatorsUrl()}/metrics`;
      const line = 'external_server_webhook_messages_total{result="taken"} 2\n';
      // It is counted when the answer to the post has arrived.
      await waitFor(async () => (await (await fetch(url)).text()).includes(line), "the count");
    }
    assert.equal((await server.stop()).code, 0);
  });
}

Deno.test("A server that is killed during an incident posts its end when it runs again, and no other", async () => {
  await using stage = await Stage.set();
  await using receiver = new Receiver(SECRET);
  await using folder = await TempFolder.make();
  const webhook = { url: receiver.url, secret: SECRET };
  const health = { settle_ms: 100 };
  const more = { webhook, mqtt_timeout: 1, health, state_dir: folder.path };
  const first = await stage.serve({ cars: { [CAR]: {} }, more });
  const gateway = await stage.scripted(CAR, { devices: [DEVICE] });
  await gateway.connectSequence();
  const began = await receiver.inbox.next("the begin of the incident");
  await waitFor(async () => {
    const text = await Deno.readTextFile(folder.file("incidents.json")).catch(() => "");
    return text.includes('"session_timeout"');
  }, "the incident to be kept");
  first.signal("SIGKILL");
  await first.ended();

  const second = await stage.serve({ cars: { [CAR]: {} }, more });
  await second.line(/Incidents from before the restart that go on: 1$/);
  stage.gateway(CAR, { devices: [DEVICE], rate: 20 });
  const ended = await receiver.inbox.next("its end");
  assert.deepEqual(
    [ended.body.type, ended.body.data.id, ended.body.data.beganAt],
    ["incident.ended", began.body.data.id, began.body.data.beganAt],
  );
  assert.equal((await second.stop()).code, 0, second.text);
});
