// What the doctor finds of sinks: whether they are reached, let the server in, and take what it sends.
import assert from "node:assert/strict";
import type { SinkConfig } from "../../src/config/resolve/config.ts";
import { checkSinks } from "../../src/doctor/sinks.ts";
import { freePort, Mosquitto, mosquittoTest } from "../support/mosquitto.ts";
import { Nats, natsTest } from "../support/nats.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { linesOf, NEVER } from "./support.ts";

const COMMON = { batchEvents: 10, batchMs: 10, bytesPerSecond: 0, maxInFlight: 10, resendMs: 0 };

async function find(...sinks: readonly SinkConfig[]) {
  const found = checkSinks({ company: "acme", sinks }, NEVER);
  return (await waitFor(found, "the sinks' checks")).flatMap(({ list }) => list);
}

Deno.test("checkSinks() posts a batch without events to a webhook, and says what it answers", async () => {
  await using folder = await TempFolder.make();
  const secretFile = await folder.write("secret", "a-secret-that-is-long-enough");
  const got: string[] = [];
  const statuses = [204, 401, 500];
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request) => {
      got.push(await request.text());
      return new Response(null, { status: statuses.shift() ?? 500 });
    },
  );
  const origin = `http://127.0.0.1:${server.addr.port}`;
  const sink = {
    ...COMMON,
    kind: "webhook",
    name: "hook",
    url: `${origin}/x`,
    secretFile,
  } as const;
  const format = "json";
  assert.deepEqual(linesOf(await find({ ...sink, format })), [
    `ok hook: ${origin}: It takes batches: one without events was posted`,
  ]);
  assert.deepEqual(got, ["[]"]);
  const [refused] = await find({ ...sink, format });
  assert.equal(refused?.message, `${origin}: it answered with 401`);
  assert.match(refused?.advice ?? "", /secret_file/);
  assert.deepEqual(linesOf(await find({ ...sink, format })), [
    `failed hook: ${origin}: it answered with 500`,
  ]);
  const [unread] = await find({ ...sink, format, secretFile: folder.file("none") });
  assert.equal(unread?.status, "failed");
});

Deno.test("checkSinks() writes where a file sink would", async () => {
  await using folder = await TempFolder.make();
  const file = await folder.write("file", "");
  const sink = {
    ...COMMON,
    kind: "file",
    name: "archive",
    format: "ndjson",
    maxBytes: 1000,
    keep: 0,
  } as const;
  const directory = folder.file("new");
  assert.deepEqual(linesOf(await find({ ...sink, directory })), [
    `ok ${directory}: Does not exist yet, can be created in "${folder.path}"`,
  ]);
  const [blocked] = await find({ ...sink, directory: `${file}/below` });
  assert.equal(blocked?.status, "failed");
  assert.match(blocked?.message ?? "", /^Cannot write files in /);
});

mosquittoTest("checkSinks() publishes to a broker, and says what it refuses", async () => {
  await using folder = await TempFolder.make();
  const acl = await folder.write("acl", "topic write ok/#\n");
  await using broker = await Mosquitto.start({ lines: [`acl_file ${acl}`] });
  const address = `mqtt://127.0.0.1:${broker.port}`;
  const sink = { ...COMMON, kind: "mqtt", address } as const;
  const away = `mqtt://127.0.0.1:${freePort()}`;
  const findings = await find(
    { ...sink, name: "good", topic: "ok/{car}" },
    { ...sink, name: "bad", topic: "other/{car}" },
    { ...sink, name: "away", topic: "ok/{car}", address: away },
  );
  assert.deepEqual(linesOf(findings), [
    `ok good: ${address}: May publish, an empty message was sent to "ok/-"`,
    `failed bad: ${address}: the broker refuses a message to "other/-": not authorized`,
    `failed away: ${away}: connection refused`,
  ]);
  assert.match(findings[2]?.advice ?? "", /^Start the broker/);
});

natsTest("checkSinks() tries a stream, and keeps nothing there", async () => {
  await using nats = await Nats.start();
  const stream = { name: "ok", subjects: ["ok.>"] };
  await nats.manage((manager) => manager.streams.add(stream));
  const address = `nats://127.0.0.1:${nats.port}`;
  const sink = { ...COMMON, kind: "nats", address } as const;
  const findings = await find(
    { ...sink, name: "good", subject: "ok.{car}" },
    { ...sink, name: "bad", subject: "other.{car}" },
  );
  assert.deepEqual(linesOf(findings), [
    `ok good: ${address}: May publish: a stream takes "ok.-"; nothing was kept there`,
    `failed bad: ${address}: no stream takes a message to "other.-"`,
  ]);
  const { state } = await nats.manage((manager) => manager.streams.info("ok"));
  assert.equal(state.messages, 0);
});
