// The last hour and day, and what happened to all cars, over real HTTP.
import assert from "node:assert/strict";
import type { HistoryView } from "../../src/http/api/schemas.ts";
import { eventsCsv } from "../../src/http/api/events_csv.ts";
import type { ListedEvent } from "../../src/observe/mod.ts";
import { waitFor } from "../support/wait.ts";
import { Fixture } from "./fixture.ts";

async function statusOf(answering: Promise<Response>): Promise<number> {
  const answer = await answering;
  await answer.body?.cancel();
  return answer.status;
}

Deno.test("GET /api/v1/history has the fleet's points and those of each car", async () => {
  await using fixture = await Fixture.start();
  fixture.up();
  const ask = (query: string) => fixture.json<HistoryView>(`/api/v1/history${query}`);
  await waitFor(async () => (await ask("")).points.length > 0, "the first second");
  const fleet = await ask("?span=day");
  assert.equal(fleet.stepMs, 300_000);
  assert.deepEqual([fleet.points[0]?.health, fleet.points[0]?.troubled], [null, 0]);
  const { span, points: [point] } = await ask("?car=car_a");
  assert.equal(span, "hour");
  assert.deepEqual([point?.health, point?.troubled], ["waiting", null]);
  assert.equal(await statusOf(fixture.get("/api/v1/history?car=car_z")), 404);
  assert.equal(await statusOf(fixture.get("/api/v1/history?span=week")), 400);
});

Deno.test("GET /api/v1/history/events lists what happened to cars, also as CSV", async () => {
  await using fixture = await Fixture.start();
  fixture.up();
  const path = "/api/v1/history/events";
  const all = await fixture.json<ListedEvent[]>(path);
  assert.deepEqual(new Set(all.map(({ car }) => car)), new Set(["car_a", "car_b"]));
  const some = await fixture.json<ListedEvent[]>(`${path}?car=car_a&limit=1`);
  assert.equal(some.length, 1);
  assert.equal(some[0]?.car, "car_a");
  const answer = await fixture.get(`${path}.csv?car=car_a&limit=1`);
  assert.equal(answer.headers.get("content-type"), "text/csv; charset=utf-8");
  assert.match(answer.headers.get("content-disposition") ?? "", /filename="events\.csv"/);
  assert.equal(await answer.text(), eventsCsv(some));
  assert.equal(await statusOf(fixture.get(`${path}.csv?limit=0`)), 400);
  assert.equal(await statusOf(fixture.bare(`${path}.csv`)), 401);
});

Deno.test("eventsCsv() quotes what it has to, and no text becomes a formula", () => {
  const event = { id: 1, at: 0, car: "car", level: "INFO", device: null } as const;
  const text = ['=cmd|"x"', "+1", "-1", "@a", 'say "no",\nplease'];
  assert.deepEqual(eventsCsv(text.map((text) => ({ ...event, text }))).split("\r\n"), [
    '"time","car","level","device","text"',
    `"1970-01-01T00:00:00.000Z","car","INFO","","'=cmd|""x"""`,
    `"1970-01-01T00:00:00.000Z","car","INFO","","'+1"`,
    `"1970-01-01T00:00:00.000Z","car","INFO","","'-1"`,
    `"1970-01-01T00:00:00.000Z","car","INFO","","'@a"`,
    '"1970-01-01T00:00:00.000Z","car","INFO","","say ""no"",\nplease"',
    "",
  ]);
});
