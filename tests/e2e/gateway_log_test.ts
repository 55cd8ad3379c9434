// The event log of a gateway, and its sinks: a car that records without a link, and delivers with one.
import assert from "node:assert/strict";
import type { SinkView } from "../../src/http/api/sinks.ts";
import { LogReader } from "../../src/record/log_reader.ts";
import type { LogEvent } from "../../src/record/log_event.ts";
import { mosquittoTest } from "../support/mosquitto.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { CAR, gatewayDocument, GatewayProcess, say } from "./gateway_process.ts";
import { COMPANY, ProgramProcess } from "./server_process.ts";
import { Stage } from "./stage.ts";

/** Nobody listens there. */
const NO_BROKER = 9;

async function eventsIn(directory: string): Promise<readonly LogEvent[]> {
  using reader = new LogReader({ directory });
  return (await reader.read(Infinity)).events;
}

const textOf = (payload: Uint8Array | null) => new TextDecoder().decode(payload ?? undefined);

mosquittoTest("a gateway records what passes through it, on both sides", async () => {
  await using cloud = await Stage.set();
  await using folder = await TempFolder.make();
  await cloud.serve({ cars: { [CAR]: {} } });
  const directory = folder.file("events");
  const more = { event_log: { directory } };
  const document = await gatewayDocument(cloud.broker.port, more);
  await using gateway = await GatewayProcess.start(document);
  const client = await gateway.device();
  await say(client, "pressed");
  await gateway.line(/Session .* is running/);
  await say(client, "released");
  const has = async (kind: string, payload?: string) => {
    const events = await eventsIn(directory).catch(() => []);
    return events.some((event) =>
      event.kind === kind && (payload === undefined || textOf(event.payload) === payload)
    );
  };
  await waitFor(() => has("status.answered"), "an answer of the cloud");
  await client.close();
  await waitFor(() => has("device.left"), "the end of the device");
  assert.equal((await gateway.stop()).code, 0, gateway.text);
  const events = await eventsIn(directory);
  assert.equal(new Set(events.map(({ id }) => id)).size, events.length);
  for (const { id, car } of events) {
    assert.equal(car, CAR);
    assert.ok(id.startsWith(`${COMPANY}/${CAR}/`));
  }
  const first = (kind: string) => {
    const found = events.findIndex((event) => event.kind === kind);
    assert.ok(found >= 0, `no ${kind} among ${events.map((event) => event.kind)}`);
    return found;
  };
  const order = [
    "gateway.started",
    "device.connected",
    "status.accepted",
    "status.reported",
    "session.started",
    "status.answered",
    "device.left",
    "gateway.stopped",
  ].map(first).toSorted((one, other) => one - other);
  assert.deepEqual(order.map((index) => events[index]?.kind).slice(0, 3), [
    "gateway.started",
    "device.connected",
    "status.accepted",
  ]);
  assert.equal(events.at(-1)?.kind, "gateway.stopped");
  const accepted = events.filter(({ kind }) => kind === "status.accepted");
  assert.deepEqual(accepted.map(({ payload }) => textOf(payload)), ["pressed", "released"]);
  const started = events[first("session.started")];
  assert.equal(started?.session, events[first("status.answered")]?.session);
  assert.equal(started?.data["endpoint"], `1 mqtt://127.0.0.1:${cloud.broker.port}`);
  // The same command shows it as that of a server.
  await using shown = new ProgramProcess(["log", directory, "--kind", "status.accepted"]);
  assert.equal((await shown.status).code, 0, shown.text);
  await shown.line(/car_1 {2}status\.accepted .*1000\/0\/front.*pressed/);
  await shown.line(/car_1 {2}status\.accepted .*1000\/0\/front.*released/);
});

Deno.test("a gateway without a link records, and delivers when there is one, over a restart", async () => {
  await using folder = await TempFolder.make();
  const posted: string[] = [];
  const link = { isUp: false };
  await using receiver = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request) => {
      const text = await request.text();
      if (!link.isUp) return new Response(null, { status: 503 });
      posted.push(text);
      return new Response(null, { status: 204 });
    },
  );
  const document = await gatewayDocument(NO_BROKER, {
    event_log: { directory: folder.file("events") },
    state_dir: folder.file("state"),
    http: { port: 0 },
    sinks: {
      hook: {
        kind: "webhook",
        url: `http://127.0.0.1:${receiver.addr.port}/`,
        secret_file: await folder.write("secret", "a-secret-that-is-long-enough\n"),
        events: ["status.accepted"],
        batch_ms: 50,
      },
    },
  });
  const accepted = () =>
    posted.join("").split("\n").slice(0, -1).map((line) => JSON.parse(line).payload.text as string);
  {
    await using gateway = await GatewayProcess.start(document);
    const client = await gateway.device();
    await say(client, "first");
    await say(client, "second");
    const { url, sink } = await sinkOf(gateway);
    await waitFor(async () => (await sink()).state === "failing", "a failure");
    const ready = await (await fetch(`${url}/readyz`)).json();
    assert.ok(ready.degraded.includes("1 of 1 sinks take no events"), JSON.stringify(ready));
    await client.close();
    assert.equal((await gateway.stop()).code, 0, gateway.text);
  }
  assert.deepEqual(posted, []);
  link.isUp = true;
  await using gateway = await GatewayProcess.start(document);
  await using client = await gateway.device();
  await say(client, "third");
  const { url, sink } = await sinkOf(gateway);
  await waitFor(() => accepted().length >= 3, "every status");
  assert.deepEqual(accepted(), ["first", "second", "third"]);
  const drained = await fetch(`${url}/api/v1/sinks/drain`, {
    method: "POST",
    headers: { "content-type": "application/json" },
  });
  assert.deepEqual((await drained.json()).sinks.map((one: { drained: boolean }) => one.drained), [
    true,
  ]);
  assert.deepEqual((await sink()).missed, 0);
  const metrics = await (await fetch(`${url}/metrics`)).text();
  assert.match(metrics, /^module_gateway_sink_failures\{sink="hook"\} 0$/m);
  assert.match(metrics, /^module_gateway_sink_delivered_records_total\{sink="hook"\} [1-9]\d*$/m);
  assert.deepEqual(accepted(), ["first", "second", "third"]);
});

async function sinkOf(gateway: GatewayProcess) {
  const line = await gateway.line(/Listening for operators on http/);
  const [url = ""] = /http:\/\/\S+/.exec(line) ?? [];
  const sink = async (): Promise<SinkView> => {
    const sinks = await (await fetch(`${url}/api/v1/sinks`)).json() as SinkView[];
    assert.equal(sinks.length, 1);
    return sinks[0] as SinkView;
  };
  return { url, sink };
}
