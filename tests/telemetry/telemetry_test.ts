// Telemetry over real HTTP, to a collector of the test's own.
import assert from "node:assert/strict";
import { hostname } from "node:os";
import { Telemetry } from "../../src/telemetry/telemetry.ts";
import type { Clock } from "../../src/time/clock.ts";
import { VERSION } from "../../src/version.ts";
import { FRONT } from "../car/support.ts";
import { Fixture, type FixtureOptions, TestGateway } from "../http/fixture.ts";
import { ListLog } from "../support/list_log.ts";
import { settled, VirtualClock } from "../support/virtual_clock.ts";
import { waitFor } from "../support/wait.ts";
import { attributesOf, Collector, type SpanData } from "./collector.ts";

/** A server whose car_a has a session, and its telemetry. */
async function traced(
  collector: Pick<Collector, "url">,
  different: object = {},
  { clock, cars }: { clock?: Clock; cars?: FixtureOptions["cars"] } = {},
) {
  const log = new ListLog();
  const look: { fixture?: Fixture } = {};
  const telemetry = new Telemetry({
    config: {
      endpoint: collector.url,
      authorization: "Bearer collector",
      metricsIntervalMs: 3_600_000,
      traceRatio: 1,
      ...different,
    },
    company: "company",
    log,
    look: () => look.fixture?.server.snapshot(),
    ...(clock && { clock }),
  });
  const { subscribers } = telemetry;
  const fixture = look.fixture = (await Fixture.start({ subscribers, ...(cars && { cars }) })).up();
  telemetry.metrics.health = fixture.operators.watch;
  fixture.operators.metrics.telemetryFailures = telemetry.metrics.telemetryFailures;
  telemetry.start();
  const gateway = await new TestGateway(fixture, "car_a").run([FRONT]);
  return { fixture, telemetry, gateway, log };
}

const nanos = ({ startTimeUnixNano, endTimeUnixNano }: SpanData) =>
  [BigInt(startTimeUnixNano), BigInt(endTimeUnixNano)] as const;

/** Every child lies within its parent. */
function assertNested(parent: SpanData, child: SpanData): void {
  assert.deepEqual([child.traceId, child.parentSpanId], [parent.traceId, parent.spanId]);
  const [[from, to], [begin, end]] = [nanos(parent), nanos(child)];
  assert.ok(from <= begin && begin <= end && end <= to, `${child.name} in ${parent.name}`);
}

Deno.test("Telemetry sends the trace of a status, from its arrival to the response", async () => {
  await using collector = new Collector();
  const { fixture, telemetry, gateway } = await traced(collector);
  await using _ = fixture;
  gateway.status(FRONT, "a");
  await settled();
  await telemetry.stop();
  const status = collector.spans.findLast(({ name }) => name === "status");
  assert.ok(status);
  assert.equal(status.parentSpanId, undefined);
  assert.deepEqual(attributesOf(status), {
    "external_server.car": "car_a",
    "external_server.device": "7/1/front",
    "external_server.module": "7",
    "external_server.session": "s1",
    "external_server.counter": "1",
  });
  const forwarded = collector.spans.find(({ parentSpanId }) => parentSpanId === status.spanId);
  assert.ok(forwarded);
  assert.equal(forwarded.name, "forward_status");
  assertNested(status, forwarded);
  assert.equal(status.status.code, 0);
  const resource = attributesOf(collector.resources[0] ?? { attributes: [] });
  assert.equal(resource["service.name"], "external-server");
  assert.equal(resource["service.version"], VERSION);
  assert.equal(resource["host.name"], hostname());
  assert.equal(resource["external_server.company"], "company");
  assert.deepEqual([...collector.authorizations], ["Bearer collector"]);
});

Deno.test("Telemetry sends the trace of a command, from the module to its acknowledgement", async () => {
  await using collector = new Collector();
  const { fixture, telemetry, gateway } = await traced(collector);
  await using _ = fixture;
  const { listener } = fixture.hosts.context("car_a");
  for (const data of ["go", "no", "so"]) {
    listener.onCommand({ device: FRONT, data: new TextEncoder().encode(data) });
  }
  await settled();
  gateway.respond(1);
  gateway.respond(2, 3);
  await settled();
  fixture.transport("car_a").down();
  await telemetry.stop();
  const commands = collector.spans.filter(({ name }) => name === "command");
  assert.deepEqual(
    commands.map((span) => [attributesOf(span), span.status.message ?? null]),
    [
      ["1", null],
      ["2", "The gateway refused: INVALID_COMMAND"],
      ["3", "The session ended: broker_lost"],
    ].map(([counter, message]) => [{
      "external_server.car": "car_a",
      "external_server.device": "7/1/front",
      "external_server.module": "7",
      "external_server.from_module": "7",
      "external_server.counter": counter,
    }, message]),
  );
  for (const command of commands) {
    const children = collector.spans.filter(({ parentSpanId }) => parentSpanId === command.spanId);
    assert.deepEqual(children.map(({ name }) => name), ["wait", "answer of the gateway"]);
    for (const child of children) assertNested(command, child);
  }
});

Deno.test("Telemetry sends the metrics that Prometheus gets, with the same values", async () => {
  await using collector = new Collector();
  const { fixture, telemetry, gateway } = await traced(collector);
  await using _ = fixture;
  for (let index = 0; index < 5; index++) gateway.status(FRONT, "a");
  await settled();
  await telemetry.stop();
  const ofName = (name: string) =>
    collector.metrics.find((metric) => metric.name === `external_server_${name}`);
  const text = await (await fixture.get("/metrics")).text();
  const types = [...text.matchAll(/^# TYPE (\S+) (\w+)$/gm)].map(([, name, type]) => [name, type]);
  const kinds = collector.metrics.map(({ name, sum, histogram }) => {
    return [name, sum ? "counter" : histogram ? "histogram" : "gauge"];
  });
  const filled = types.filter(([name]) =>
    new RegExp(`^${name}(_count)?(\\{.*\\})? `, "m").test(text)
  );
  assert.deepEqual(kinds, filled);
  assert.deepEqual(ofName("car_health")?.gauge?.dataPoints.map(({ asDouble }) => asDouble), [0, 2]);
  const received = ofName("statuses_received_total");
  assert.equal(received?.sum?.isMonotonic, true);
  const values = received?.sum?.dataPoints.map((point) => [attributesOf(point), point.asDouble]);
  assert.deepEqual(values, [[{ car: "car_a" }, 6], [{ car: "car_b" }, 0]]);
  const [times] = ofName("status_response_seconds")?.histogram?.dataPoints ?? [];
  assert.ok(times);
  assert.equal(times.count, 6);
  assert.equal(times.bucketCounts?.length, (times.explicitBounds?.length ?? 0) + 1);
  assert.equal(times.bucketCounts?.reduce((sum, one) => sum + one, 0), 6);
  assert.equal(ofName("status_response_seconds")?.unit, "s");
  assert.equal(ofName("resident_memory_bytes")?.unit, "By");
});

Deno.test("Telemetry sends the metrics of a large fleet in several requests, each point once", async () => {
  await using collector = new Collector();
  const names = Array.from({ length: 150 }, (_, index) => `car_${index}`);
  const cars = Object.fromEntries([...names, "car_a"].map((name) => [name, {}]));
  const { fixture, telemetry } = await traced(collector, {}, { cars });
  await using _ = fixture;
  await telemetry.stop();
  const sizes = collector.batches.map((metrics) =>
    metrics.flatMap(({ sum, gauge, histogram }) => (sum ?? gauge ?? histogram)?.dataPoints ?? [])
      .length
  );
  assert.ok(sizes.length > 1, `${sizes}`);
  assert.deepEqual(sizes.slice(0, -1), new Array(sizes.length - 1).fill(2000));
  for (const name of ["car_health", "statuses_received_total", "mqtt_sent_bytes_total"]) {
    const found = collector.batches.flat()
      .filter((metric) => metric.name === `external_server_${name}`)
      .flatMap(({ sum, gauge }) => (sum ?? gauge)?.dataPoints ?? [])
      .map((point) => attributesOf(point)["car"]);
    assert.deepEqual(found, [...names, "car_a"], name);
  }
});

Deno.test("Telemetry sends metrics at intervals, and not before those from before are sent", async () => {
  const held = Promise.withResolvers<void>();
  await using collector = new Collector();
  collector.until = held.promise;
  const clock = new VirtualClock();
  const options = { metricsIntervalMs: 5000, traceRatio: 0 };
  const { fixture, telemetry } = await traced(collector, options, { clock });
  await using _ = fixture;
  assert.equal(collector.requests, 0);
  await clock.advance(5000);
  await waitFor(collector.begun.promise, "a request");
  await clock.advance(20_000);
  assert.equal(collector.requests, 1);
  held.resolve();
  await telemetry.stop();
  assert.equal(collector.requests, 2);
  assert.equal(clock.timers, 0);
});

Deno.test("Telemetry sends neither traces nor metrics when they are turned off", async () => {
  await using collector = new Collector();
  const off = { traceRatio: 0, metricsIntervalMs: 0 };
  const { fixture, telemetry, gateway } = await traced(collector, off);
  await using _ = fixture;
  gateway.status(FRONT, "a");
  await settled();
  await telemetry.stop();
  assert.deepEqual([collector.requests, telemetry.subscribers.length], [0, 0]);
});

Deno.test("Telemetry says once that the collector refuses, and cars go on", async () => {
  await using collector = new Collector();
  collector.status = 400;
  const { fixture, telemetry, gateway, log } = await traced(collector);
  await using _ = fixture;
  gateway.status(FRONT, "a");
  await settled();
  await telemetry.stop();
  assert.ok(collector.requests >= 2);
  const { traces, metrics } = telemetry.metrics.telemetryFailures ?? {};
  assert.ok((traces ?? 0) >= 1);
  assert.equal(metrics, 1);
  const said = log.texts("WARNING").sort();
  assert.equal(said.length, 2);
  for (const [index, what] of ["metrics", "traces"].entries()) {
    const line = said[index] ?? "";
    assert.ok(line.startsWith(`Cannot send ${what} to "${collector.url}": `), line);
  }
  assert.equal(fixture.server.snapshot().cars[0]?.state, "RUNNING");
});

Deno.test({
  name: "Telemetry ends in time when there is no collector",
  // What the packages still try then ends with the program, or by itself.
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    const gone = new Collector();
    const { url } = gone;
    await gone[Symbol.asyncDispose]();
    const { fixture, telemetry, gateway } = await traced({ url });
    await using _ = fixture;
    gateway.status(FRONT, "a");
    await settled();
    await telemetry.stop();
    assert.equal(fixture.server.snapshot().cars[0]?.state, "RUNNING");
  },
});
