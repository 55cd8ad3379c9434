// Server-sent events: what happens is told at once, and nobody is waited for.
import assert from "node:assert/strict";
import { keyHash } from "../../src/config/resolve/http.ts";
import { EventBuffer } from "../../src/http/event_buffer.ts";
import { EventStream, MAX_EVENT_CLIENTS } from "../../src/http/event_stream.ts";
import { FleetWatch } from "../../src/observe/fleet_watch.ts";
import type { WatchedFleet } from "../../src/observe/health/fleet_health.ts";
import { FRONT } from "../car/support.ts";
import { systemClock } from "../../src/time/clock.ts";
import { settled, VirtualClock } from "../support/virtual_clock.ts";
import { waitFor } from "../support/wait.ts";
import { eventOf, Fixture, TestGateway } from "./fixture.ts";

/** Nothing happens to it. */
function withoutCars({ server: { config: { health, map } } }: Fixture): WatchedFleet {
  return { config: { health, map, cars: [] }, car: () => undefined, missingModules: () => null };
}

const NONE = { get: () => undefined, areKept: false };
/** Of a client that may stay. */
const STAYS = { name: "wall", ended: new AbortController().signal };

Deno.test("GET /api/v1/events begins with everything, then tells states, incidents and rates", async () => {
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
  const { change, incident } = await eventOf(events, "incident");
  assert.deepEqual([change, incident.cars, incident.code], ["began", ["car_a"], "broker_away"]);
});

Deno.test("GET /api/v1/events takes a bounded number of clients of each key, and one more when one has left", async () => {
  const keys = ["wall", "desk", "more"].map((name) => {
    return { name, scope: "read" as const, hash: keyHash(`the-key-of-${name}`) };
  });
  await using fixture = await Fixture.start({ http: { keys } });
  const aborts: AbortController[] = [];
  // Held on to until the end: a response that is garbage may be closed with it.
  const kept: Response[] = [];
  const ask = async (name: string) => {
    const abort = new AbortController();
    aborts.push(abort);
    const headers = { "x-api-key": `the-key-of-${name}` };
    const answer = await fixture.bare("/api/v1/events", { headers, signal: abort.signal });
    if (answer.status === 200) {
      kept.push(answer);
      return "taken";
    }
    const { status, code, detail } = await answer.json();
    return `${status} ${code}: ${detail}`;
  };
  const { all, ofKey } = MAX_EVENT_CLIENTS;
  for (let index = 0; index < ofKey; index++) assert.equal(await ask("wall"), "taken");
  const own = '503 busy: Expected at most 16 clients of events with the key "wall": found one more';
  assert.equal(await ask("wall"), own);
  for (let index = ofKey; index < all; index++) assert.equal(await ask("desk"), "taken");
  const any = "503 busy: Expected at most 32 clients of events: found one more";
  assert.equal(await ask("more"), any);
  aborts[0]?.abort();
  await waitFor(
    async () => await ask("wall") === "taken",
    "the place of a client that has left",
  );
  for (const abort of aborts) abort.abort();
});

Deno.test("EventStream drops a client that does not read, and goes on for the others", async () => {
  await using fixture = await Fixture.start();
  const clock = new VirtualClock();
  const watch = new FleetWatch(clock);
  const stream = new EventStream(
    { fleet: fixture.server, watch, pauses: NONE, clock: systemClock, startedAt: 0 },
    1000,
  );
  watch.start(withoutCars(fixture));
  const slow = stream.connect(STAYS).getReader();
  const reader = stream.connect(STAYS).getReader();
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

Deno.test("EventStream has room for a change of all cars, also for a client that comes back", async () => {
  await using fixture = await Fixture.start();
  const watch = new FleetWatch(new VirtualClock());
  const stream = new EventStream(
    { fleet: fixture.server, watch, pauses: NONE, clock: systemClock, startedAt: 0 },
    100,
  );
  const reader = stream.connect(STAYS).getReader();
  const text = new TextDecoder().decode((await reader.read()).value);
  const [, id] = /^id: (\S+)\n/.exec(text) ?? [];
  stream.connect(STAYS, id);
  stream.onChanged(["car_a"]);
  assert.equal(stream.size, 2);
  stream.stop();
});

Deno.test("EventStream sends everything again when the configuration changes", async () => {
  await using fixture = await Fixture.start();
  const clock = new VirtualClock();
  const watch = new FleetWatch(clock);
  let { config } = fixture.server;
  const fleet = {
    get config() {
      return config;
    },
    snapshot: () => fixture.server.snapshot(),
    car: (name: string) => fixture.server.car(name),
    missingModules: (name: string) => fixture.server.missingModules(name),
  };
  const stream = new EventStream({ fleet, watch, pauses: NONE, clock: systemClock, startedAt: 0 });
  watch.start(fleet);
  const reader = stream.connect(STAYS).getReader();
  const next = async () => new TextDecoder().decode((await reader.read()).value).split("\n")[1];
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

Deno.test("GET /api/v1/events gives a client that comes back what it has missed, once", async () => {
  await using fixture = (await Fixture.start()).up();
  const leave = new AbortController();
  const before = await fixture.stream(undefined, leave.signal);
  await eventOf(before.inbox, "rates");
  leave.abort();
  // What is still on its way to the one that leaves does not count.
  const known = [...before.ids];
  const last = known.at(-1);
  await new TestGateway(fixture, "car_a").run([FRONT]);
  const after = await fixture.stream(last);
  const seen: string[] = [];
  await eventOf(after.inbox, "car", ({ type, car }) => {
    seen.push(type);
    return car.state === "RUNNING";
  });
  assert.ok(!seen.includes("fleet"));
  assert.equal(new Set([...known, ...after.ids]).size, known.length + after.ids.length);
});

/** A stream of events on a clock of its own; `next` gives the first lines of each event. */
async function streaming(fixture: Fixture) {
  const clock = new VirtualClock();
  const watch = new FleetWatch(clock);
  const stream = new EventStream({
    fleet: fixture.server,
    watch,
    pauses: NONE,
    clock,
    startedAt: 0,
  });
  watch.start(withoutCars(fixture));
  await Promise.resolve();
  const connect = (lastEventId?: string) => {
    const reader = stream.connect(STAYS, lastEventId).getReader();
    const next = async () => {
      const text = new TextDecoder().decode((await reader.read()).value);
      const [, id = "", type = ""] = /^id: (\S+)\nevent: (\w+)\n/.exec(text) ?? [];
      return { id, type };
    };
    return { next, leave: () => reader.cancel() };
  };
  return { clock, watch, stream, connect };
}

Deno.test("EventStream starts over with ids that it does not know, or has forgotten", async () => {
  await using fixture = await Fixture.start();
  const { clock, watch, stream, connect } = await streaming(fixture);
  const first = connect();
  const { id, type } = await first.next();
  assert.equal(type, "fleet");
  for (const unknown of ["", "x", "x-1", id.replace(/-.*/, "-999"), id.replace(/-.*/, "-a")]) {
    const client = connect(unknown);
    assert.equal((await client.next()).type, "fleet", unknown);
    await client.leave();
  }
  await clock.advance(3000);
  const again = connect(id);
  assert.deepEqual([(await again.next()).type, (await again.next()).type], ["rates", "rates"]);
  await first.leave();
  await again.leave();
  // Nobody has come back in a minute: what happens then is not kept, and costs nothing.
  await clock.advance(59_000);
  const intime = connect(id);
  assert.equal((await intime.next()).type, "rates");
  await intime.leave();
  await clock.advance(61_000);
  assert.equal(clock.timers, 1, "the one that counts seconds");
  assert.equal((await connect(id).next()).type, "fleet");
  stream.stop();
  watch.stop();
  assert.equal(clock.timers, 0);
});

Deno.test("EventBuffer forgets the oldest beyond its bytes, and says so", () => {
  const buffer = new EventBuffer(10);
  const push = () => buffer.push((number) => new Uint8Array(4).fill(number))[0];
  assert.deepEqual(buffer.after(0), []);
  assert.deepEqual([push(), push(), push()], [1, 2, 3]);
  assert.deepEqual(buffer.after(1)?.map(([first]) => first), [2, 3]);
  assert.deepEqual(buffer.after(3), []);
  assert.equal(buffer.after(0), undefined);
  assert.equal(buffer.after(4), undefined);
  buffer.clear();
  assert.equal(buffer.after(3), undefined);
  assert.deepEqual([push(), buffer.after(4)?.length], [5, 1]);
});
