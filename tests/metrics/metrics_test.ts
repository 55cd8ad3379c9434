// The metrics: what Prometheus reads, and that it adds up.
import assert from "node:assert/strict";
import { CALL_OUTCOMES } from "../../src/protocol/module_interface.ts";
import { CallStatistics } from "../../src/module/statistics.ts";
import { FAMILIES } from "../../src/observe/metric_families.ts";
import type { Scrape } from "../../src/observe/metric_family.ts";
import { LoopLag } from "../../src/observe/loop_lag.ts";
import { MetricSource } from "../../src/observe/metric_source.ts";
import { Metrics, PREFIX } from "../../src/observe/metrics.ts";
import { Ring } from "../../src/observe/ring.ts";
import { device, FRONT } from "../car/support.ts";
import { Fixture, TestGateway } from "../http/fixture.ts";
import { settled, VirtualClock } from "../support/virtual_clock.ts";

/** Values by name and labels. */
async function scrape(fixture: Fixture): Promise<ReadonlyMap<string, number>> {
  const answer = await fixture.get("/metrics");
  assert.equal(answer.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  const values = new Map<string, number>();
  for (const line of (await answer.text()).split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    const [, name = "", value = ""] = /^(\S+) (\S+)$/.exec(line) ?? [];
    assert.ok(!values.has(name), `twice: ${name}`);
    values.set(name.replace(/^external_server_/, ""), Number(value));
  }
  return values;
}

/** A server without cars. */
const NOTHING: Scrape = new MetricSource().scrape({ cars: [], hosts: [], hostsLost: 0 });

Deno.test("Metrics count sessions, statuses and commands of each car, by reason", async () => {
  await using fixture = (await Fixture.start()).up();
  const gateway = await new TestGateway(fixture, "car_a").run([FRONT]);
  gateway.status(FRONT, "a");
  gateway.status(device(9, "foreign"), "b");
  const { listener } = fixture.hosts.context("car_a");
  for (const data of ["go", "no"]) {
    listener.onCommand({ device: FRONT, data: new TextEncoder().encode(data) });
  }
  await settled();
  gateway.respond(1);
  gateway.respond(2, 3);
  listener.onCommand({ device: device(8, "x"), data: new Uint8Array(1) });
  listener.onCommand({ device: FRONT, data: new Uint8Array(1) });
  await settled();
  const during = await scrape(fixture);
  assert.deepEqual(
    [
      'cars{state="RUNNING"}',
      'cars{state="CONNECTED"}',
      'car_health{car="car_a"}',
      'connected_devices{car="car_a"}',
      'unanswered_commands{car="car_a"}',
      'mqtt_connected{car="car_b"}',
      "module_hosts",
      "module_hosts_resident_memory_bytes",
    ].map((name) => [name, during.get(name)]),
    [
      ['cars{state="RUNNING"}', 1],
      ['cars{state="CONNECTED"}', 1],
      ['car_health{car="car_a"}', 0],
      ['connected_devices{car="car_a"}', 1],
      ['unanswered_commands{car="car_a"}', 1],
      ['mqtt_connected{car="car_b"}', 1],
      ["module_hosts", 1],
      ["module_hosts_resident_memory_bytes", 1_000_000],
    ],
  );
  fixture.transport("car_a").down();
  fixture.hosts.of("car_a").die();
  const after = await scrape(fixture);
  const car = (name: string, more = "") => after.get(`${name}{car="car_a"${more}}`);
  assert.deepEqual({
    started: car("sessions_started_total"),
    lost: car("sessions_failed_total", ',reason="broker_lost"'),
    timedOut: car("sessions_failed_total", ',reason="session_timeout"'),
    received: car("statuses_received_total"),
    forwarded: car("statuses_forwarded_total"),
    foreign: car("statuses_not_forwarded_total", ',reason="unknown_module"'),
    answered: car("statuses_answered_total"),
    sent: car("commands_sent_total"),
    acknowledged: car("commands_acknowledged_total"),
    refused: car("commands_refused_total"),
    unanswered: car("commands_unanswered_total"),
    dropped: car("commands_dropped_total", ',reason="other_module"'),
    restarts: after.get("module_host_restarts_total"),
  }, {
    started: 1,
    lost: 1,
    // Nobody has seen that reason yet.
    timedOut: undefined,
    received: 3,
    forwarded: 2,
    foreign: 1,
    answered: 3,
    // The first one belongs to the connect sequence.
    sent: 4,
    acknowledged: 1,
    refused: 1,
    unanswered: 1,
    dropped: 1,
    restarts: 1,
  });
});

Deno.test("Metrics count what a webhook and a collector have not taken, where there are any", async () => {
  const namesIn = (text: string) => text.match(/^external_server_(webhook|telemetry)_.*$/gm) ?? [];
  const textOf = (scrape: Scrape) => new Metrics(() => scrape, FAMILIES, PREFIX).text();
  assert.deepEqual(namesIn(await textOf(NOTHING)), []);
  const source = new MetricSource();
  source.webhook = {
    counts: { taken: 5, givenUp: 1, dropped: 2, failedAttempts: 7, waiting: 3 },
  };
  source.telemetryFailures = { metrics: 4, traces: 0 };
  const scrape = source.scrape({ cars: [], hosts: [], hostsLost: 0 });
  assert.deepEqual(namesIn(await textOf(scrape)), [
    'external_server_webhook_messages_total{result="taken"} 5',
    'external_server_webhook_messages_total{result="given_up"} 1',
    'external_server_webhook_messages_total{result="dropped"} 2',
    "external_server_webhook_attempts_failed_total 7",
    "external_server_webhook_waiting_messages 3",
    'external_server_telemetry_requests_failed_total{signal="metrics"} 4',
    'external_server_telemetry_requests_failed_total{signal="traces"} 0',
  ]);
});

Deno.test("Metrics show response times as a histogram that adds up", async () => {
  await using fixture = (await Fixture.start()).up();
  const gateway = await new TestGateway(fixture, "car_a").run([FRONT]);
  for (let index = 0; index < 10; index++) gateway.status(FRONT, "");
  await settled();
  const values = await scrape(fixture);
  const name = "status_response_seconds";
  assert.equal(values.get(`${name}_count`), 11);
  assert.equal(values.get(`${name}_bucket{le="+Inf"}`), 11);
  const sum = values.get(`${name}_sum`) ?? 0;
  assert.ok(sum > 0);
  assert.equal(values.get('statuses_response_seconds_total{car="car_a"}'), sum);
  assert.equal(values.get('statuses_response_seconds_total{car="car_b"}'), 0);
  let last = 0;
  for (const [key, value] of values) {
    if (!key.startsWith(`${name}_bucket`)) continue;
    assert.ok(value >= last, key);
    last = value;
  }
});

Deno.test("Metrics count what modules refuse, by car", async () => {
  await using fixture = (await Fixture.start()).up();
  const gateway = await new TestGateway(fixture, "car_a").run([FRONT]);
  fixture.hosts.context("car_a").outcome = () => "not_ok";
  gateway.status(FRONT, "a");
  gateway.status(FRONT, "b");
  await settled();
  const values = await scrape(fixture);
  assert.equal(values.get('module_calls_failed_total{car="car_a"}'), 2);
  assert.equal(values.get('module_calls_failed_total{car="car_b"}'), 0);
});

Deno.test("Metrics of 500 idle cars with sessions take at most 600 KB", async () => {
  const names = Array.from({ length: 500 }, (_, index) => `depot_car_${1000 + index}`);
  const cars = Object.fromEntries(names.map((name) => [name, {}]));
  await using fixture = (await Fixture.start({ cars })).up();
  for (const name of names) await new TestGateway(fixture, name).run([FRONT]);
  const text = await (await fixture.get("/metrics")).text();
  assert.match(text, /external_server_cars\{state="RUNNING"\} 500\n/);
  assert.ok(text.length <= 600_000, `${text.length} bytes`);
});

Deno.test("Metrics show module calls by function and result, and how long they took", async () => {
  const statistics = new CallStatistics();
  const { forward_status: counter } = statistics.ofModule(7);
  for (const [outcome, tookUs] of [[0, 0], [0, 16], [0, 1000], [1, 2_000_000], [7, 0]] as const) {
    counter.add(outcome, tookUs);
  }
  const metrics = new Metrics(
    () => ({ ...NOTHING, calls: statistics.snapshot() }),
    FAMILIES,
    PREFIX,
  );
  const lines = (await metrics.text()).split("\n");
  const value = (name: string, labels: string) => {
    const start = `external_server_${name}{module="7",function="forward_status"${labels}} `;
    return lines.find((line) => line.startsWith(start))?.slice(start.length);
  };
  assert.equal(value("module_calls_total", ',result="ok"'), "3");
  assert.equal(value("module_calls_total", ',result="not_ok"'), "1");
  assert.equal(value("module_calls_total", ',result="host_lost"'), "1");
  // What is lost with a host took no time that is known.
  assert.equal(value("module_call_seconds_count", ""), "4");
  assert.equal(value("module_call_seconds_sum", ""), "2.001016");
  assert.equal(value("module_call_seconds_bucket", ',le="0.000016"'), "1");
  assert.equal(value("module_call_seconds_bucket", ',le="0.000064"'), "2");
  assert.equal(value("module_call_seconds_bucket", ',le="0.001024"'), "3");
  assert.equal(value("module_call_seconds_bucket", ',le="1.048576"'), "3");
  assert.equal(value("module_call_seconds_bucket", ',le="4.194304"'), "4");
});

Deno.test("FAMILIES keep to the guidelines for names, and to labels that are bounded", () => {
  const names = FAMILIES.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
  for (const { name, type, help, samples } of FAMILIES) {
    assert.match(name, /^[a-z]+(_[a-z]+)*$/);
    assert.equal(name.endsWith("_total"), type === "counter", name);
    assert.ok(help.length > 10 && !help.endsWith("."), name);
    assert.ok(!/_(ms|millis|us|minutes|kb|percent)(_|$)/.test(name), name);
    samples(NOTHING);
  }
});

Deno.test("Metrics.text() looks once for all who ask at the same time", async () => {
  let looks = 0;
  const look = () => {
    looks++;
    return NOTHING;
  };
  const metrics = new Metrics(look, FAMILIES, PREFIX);
  const [one, two] = await Promise.all([metrics.text(), metrics.text()]);
  assert.equal(one, two);
  assert.equal(looks, 1);
  await metrics.text();
  assert.equal(looks, 2);
});

Deno.test("LoopLag knows how late its timer came, for a minute", async () => {
  const clock = new VirtualClock();
  let behind = 0;
  const lag = new LoopLag({
    now: () => clock.now() + behind,
    set: (callback, delayMs) => clock.set(callback, delayMs),
    clear: (handle) => clock.clear(handle),
  });
  assert.deepEqual(lag.lagMs, { last: 0, max: 0 });
  lag.start();
  behind = 40;
  await clock.advance(500);
  assert.deepEqual(lag.lagMs, { last: 40, max: 40 });
  await clock.advance(500);
  assert.deepEqual(lag.lagMs, { last: 0, max: 40 });
  for (let look = 0; look < 120; look++) await clock.advance(500);
  assert.deepEqual(lag.lagMs, { last: 0, max: 0 });
  lag.stop();
  assert.equal(clock.timers, 0);
});

Deno.test("Ring keeps the newest, in order", () => {
  const ring = new Ring<number>(3);
  for (let value = 1; value <= 8; value++) {
    ring.push(value);
    assert.deepEqual(ring.oldestFirst(), [value - 2, value - 1, value].filter((one) => one > 0));
  }
  assert.deepEqual(ring.newestFirst(), [8, 7, 6]);
  assert.equal(ring.newestWhere((value) => value < 8), 7);
});

Deno.test("Metrics.text() writes what takes several turns as one piece", async () => {
  const statistics = new CallStatistics();
  for (let module = 1; module <= 50; module++) statistics.ofModule(module).command_ack.add(0, 1);
  const metrics = new Metrics(
    () => ({ ...NOTHING, calls: statistics.snapshot() }),
    FAMILIES,
    PREFIX,
  );
  const lines = (await metrics.text()).split("\n");
  const begin = lines.indexOf("# TYPE external_server_module_calls_total counter") + 1;
  const calls = lines.slice(begin, lines.indexOf("", begin));
  assert.equal(new Set(calls).size, 50 * 5 * CALL_OUTCOMES.length);
  assert.ok(calls.every((line) => line.startsWith("external_server_module_calls_total{module=")));
  assert.equal(lines.filter((line) => line.startsWith("# TYPE ")).length, FAMILIES.length);
  assert.equal(lines.at(-1), "");
});
