// Server-sent events: what happens is told at once, and nobody is waited for.
import assert from "node:assert/strict";
import { EventStream, MAX_EVENT_CLIENTS } from "../../src/http/event_stream.ts";
import { FleetWatch } from "../../src/observe/fleet_watch.ts";
import { FRONT } from "../car/support.ts";
import { systemClock } from "../../src/time/clock.ts";
import { settled, VirtualClock } from "../support/virtual_clock.ts";
import { waitFor } from "../support/wait.ts";
import { eventOf, Fixture, TestGateway } from "./fixture.ts";

Deno.test("GET /api/events begins with everything, then tells states, failures and rates", async () => {
  await using fixture = (await Fixture.start()).up();
  const events = await fixture.events();
  const first = await events.next("the first event");
  assert.ok(first.type === "fleet");
  assert.deepEqual(first.cars.map(({ car, state }) => [car, state]), [
    ["car_a", "CONNECTED"],
    ["car_b", "CONNECTED"],
  ]);
  const gateway = await new TestGateway(fixture, "car_a").run([FRONT]);
  const { car } = await eventOf(events, "car", ({ car }) => car.state === "RUNNING");
  assert.deepEqual([car.car, car.connectedDevices, car.sessionId], ["car_a", 1, "s1"]);
  await eventOf(events, "rates", ({ fleet }) => fleet.statuses === 0);
  gateway.status(FRONT, "a");
  gateway.status(FRONT, "b");
  await settled();
  const rates = await eventOf(events, "rates", ({ fleet }) => fleet.statuses > 0);
  assert.equal(rates.fleet.statuses, 2);
  assert.deepEqual(Object.keys(rates.cars), ["car_a"]);
  assert.equal(rates.cars.car_a?.statuses, 2);
  assert.ok((rates.cars.car_a?.responseMaxMs ?? -1) >= (rates.cars.car_a?.responseMeanMs ?? 0));
  fixture.transport("car_a").down();
  const { failure, car: name } = await eventOf(events, "failure");
  assert.deepEqual([name, failure.reason], ["car_a", "broker_lost"]);
});

Deno.test("GET /api/events takes a bounded number of clients, and one more when one has left", async () => {
  await using fixture = await Fixture.start();
  const aborts = Array.from({ length: MAX_EVENT_CLIENTS }, () => new AbortController());
  // Held on to until the end: a response that is garbage may be closed with it.
  const kept: Response[] = [];
  for (const { signal } of aborts) kept.push(await fixture.get("/api/events", { signal }));
  const refused = await fixture.get("/api/events");
  assert.equal(refused.status, 503);
  assert.equal((await refused.json()).error.code, "busy");
  aborts[0]?.abort();
  await waitFor(async () => {
    const answer = await fixture.get("/api/events", { signal: aborts[1]?.signal ?? null });
    const taken = answer.status === 200;
    if (taken) kept.push(answer);
    else await answer.body?.cancel();
    return taken;
  }, "the place of a client that has left");
  const statuses = kept.map(({ status }) => status);
  assert.deepEqual(statuses, Array.from({ length: MAX_EVENT_CLIENTS + 1 }, () => 200));
  for (const abort of aborts) abort.abort();
});

Deno.test("EventStream drops a client that does not read, and goes on for the others", async () => {
  await using fixture = await Fixture.start();
  const clock = new VirtualClock();
  const watch = new FleetWatch(clock);
  const stream = new EventStream(
    { fleet: fixture.server, watch, clock: systemClock, startedAt: 0 },
    1000,
  );
  watch.start(() => true);
  const slow = stream.connect().getReader();
  const reader = stream.connect().getReader();
  let read = 0;
  const reading = (async () => {
    while (!(await reader.read()).done) read++;
  })();
  for (let second = 0; second < 30; second++) await clock.advance(1000);
  assert.equal(stream.size, 1);
  await assert.rejects(async () => {
    while (!(await slow.read()).done);
  }, /Cannot keep up/);
  assert.equal(read, 31);
  stream.stop();
  await waitFor(reading, "the end of the stream");
  watch.stop();
  assert.equal(clock.timers, 0);
});

Deno.test("EventStream says everything anew when the configuration is another one", async () => {
  await using fixture = await Fixture.start();
  const clock = new VirtualClock();
  const watch = new FleetWatch(clock);
  let { config } = fixture.server;
  const fleet = {
    get config() {
      return config;
    },
    snapshot: () => fixture.server.snapshot(),
  };
  const stream = new EventStream({ fleet, watch, clock: systemClock, startedAt: 0 });
  watch.start(() => true);
  const reader = stream.connect().getReader();
  const next = async () => new TextDecoder().decode((await reader.read()).value).split("\n")[0];
  assert.equal(await next(), "event: fleet");
  config = { ...config };
  await clock.advance(1000);
  assert.equal(await next(), "event: fleet");
  assert.equal(await next(), "event: rates");
  await clock.advance(1000);
  assert.equal(await next(), "event: rates");
  stream.stop();
  watch.stop();
});
