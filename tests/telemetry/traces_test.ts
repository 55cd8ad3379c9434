// Which turns become traces: a share of them, bounded, none left open when nothing is.
import assert from "node:assert/strict";
import {
  InMemorySpanExporter,
  SimpleSpanProcessor,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import { Traces } from "../../src/telemetry/traces.ts";
import { device, FRONT } from "../car/support.ts";
import { Fixture, TestGateway } from "../http/fixture.ts";
import { settled } from "../support/virtual_clock.ts";

/** A server that is traced; `share` says how much. */
async function tracing(ratio: number, random: () => number = () => 0) {
  const exporter = new InMemorySpanExporter();
  const provider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] });
  const traces = new Traces({ tracer: provider.getTracer("test"), ratio, random });
  const fixture = (await Fixture.start({ subscribers: [traces] })).up();
  const named = (name: string) => exporter.getFinishedSpans().filter((span) => span.name === name);
  return { traces, fixture, named };
}

Deno.test("Traces takes its share, and keeps nothing of the others", async () => {
  let asked = 0;
  const { traces, fixture, named } = await tracing(0.25, () => (asked++ % 4) / 4);
  await using _ = fixture;
  const gateway = await new TestGateway(fixture, "car_a").run([FRONT]);
  for (let index = 1; index < 100; index++) gateway.status(FRONT, "a");
  await settled();
  assert.equal(asked, 100);
  assert.equal(named("status").length, 25);
  assert.equal(traces.open, 0);
});

Deno.test("Traces does not take what the session ignores", async () => {
  const { traces, fixture, named } = await tracing(1);
  await using _ = fixture;
  const gateway = await new TestGateway(fixture, "car_a").run([FRONT]);
  const before = named("status").length;
  new TestGateway(fixture, "car_a").status(FRONT, "of another session");
  await settled();
  assert.deepEqual([named("status").length, traces.open], [before, 0]);
  gateway.status(FRONT, "a");
  await settled();
  assert.equal(named("status").length, before + 1);
});

Deno.test("Traces ends what a session leaves behind, and says why", async () => {
  const { traces, fixture, named } = await tracing(1);
  await using _ = fixture;
  const gateway = await new TestGateway(fixture, "car_a").run([FRONT]);
  fixture.hosts.context("car_a").automatic = false;
  gateway.status(FRONT, "a");
  await settled();
  assert.equal(traces.open, 1);
  fixture.transport("car_a").down();
  await settled();
  assert.equal(traces.open, 0);
  assert.equal(named("status").at(-1)?.status.message, "The session ended: broker_lost");
});

Deno.test("Traces says why a command was dropped", async () => {
  const { traces, fixture, named } = await tracing(1);
  await using _ = fixture;
  await new TestGateway(fixture, "car_a").run([FRONT]);
  const { listener } = fixture.hosts.context("car_a");
  listener.onCommand({ device: device(8, "x"), data: new Uint8Array(1) });
  await settled();
  assert.equal(traces.open, 0);
  assert.equal(named("command")[0]?.status.message, "Dropped: other_module");
});

Deno.test("Traces is bounded for a car whose commands nobody answers", async () => {
  const { traces, fixture } = await tracing(1);
  await using _ = fixture;
  await new TestGateway(fixture, "car_a").run([FRONT]);
  const { listener } = fixture.hosts.context("car_a");
  for (let index = 0; index < 1200; index++) {
    listener.onCommand({ device: FRONT, data: new Uint8Array(1) });
  }
  await settled();
  assert.equal(traces.open, 1000);
  fixture.transport("car_a").down();
  await settled();
  // Of those that were not published, only the newest waits for the next session.
  assert.equal(traces.open, 0);
});
