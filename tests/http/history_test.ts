// The last hour and day, and what happened to all cars, over real HTTP.
import assert from "node:assert/strict";
import type { HistoryView } from "../../src/http/api/schemas.ts";
import type { EventPage, ListedEventView } from "../../src/http/api/schemas.ts";
import { csvHeader, csvRow } from "../../src/http/api/events_csv.ts";
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
  const all = await fixture.json<EventPage>(path);
  assert.deepEqual(new Set(all.events.map(({ car }) => car)), new Set(["car_a", "car_b"]));
  assert.deepEqual([all.source, all.next], ["memory", null]);
  assert.equal(all.reachesBackTo, all.events.at(-1)?.at);
  const first = await fixture.json<EventPage>(`${path}?cars=car_a&limit=1`);
  const some = first.events;
  assert.equal(some.length, 1);
  assert.equal(some[0]?.car, "car_a");
  const second = await fixture.json<EventPage>(`${path}?cars=car_a&limit=1&cursor=${first.next}`);
  const own = all.events.filter(({ car }) => car === "car_a");
  assert.deepEqual([...some, ...second.events], own.slice(0, 2));
  const answer = await fixture.get(`${path}.csv?cars=car_a&limit=1`);
  assert.equal(answer.headers.get("content-type"), "text/csv; charset=utf-8");
  assert.match(answer.headers.get("content-disposition") ?? "", /filename="events\.csv"/);
  assert.equal(await answer.text(), csvHeader() + some.map(csvRow).join(""));
  assert.equal(await statusOf(fixture.get(`${path}?cursor=x`)), 400);
  assert.equal(await statusOf(fixture.get(`${path}?kinds=status`)), 503);
  assert.equal(await statusOf(fixture.get(`${path}.ndjson`)), 503);
  assert.equal(await statusOf(fixture.get(`${path}/live`)), 503);
  assert.equal(await statusOf(fixture.get(`${path}.csv?limit=0`)), 400);
  assert.equal(await statusOf(fixture.bare(`${path}.csv`)), 401);
});

Deno.test("csvRow() quotes what it has to, and no text becomes a formula", () => {
  const event: ListedEventView = {
    id: "1",
    at: 0,
    car: "car",
    kind: null,
    level: "INFO",
    device: null,
    text: "",
    session: null,
    counter: null,
    payload: null,
  };
  assert.equal(
    csvHeader(),
    '"time","car","level","kind","device","text","data","session","id"\r\n',
  );
  const cells = [
    ['=cmd|"x"', `"'=cmd|""x"""`],
    ["+1", `"'+1"`],
    ["-1", `"'-1"`],
    ["@a", `"'@a"`],
    ['say "no",\nplease', `"say ""no"",\nplease"`],
  ] as const;
  for (const [text, cell] of cells) {
    const line = `"1970-01-01T00:00:00.000Z","car","INFO","","",${cell},"","","1"\r\n`;
    assert.equal(csvRow({ ...event, text }), line);
  }
  const payload = { kind: "json", text: "{}", bytes: 2, truncated: false } as const;
  const full = { ...event, kind: "status.accepted", device: "7/1/a", session: "s", payload };
  assert.match(csvRow(full), /"INFO","status.accepted","7\/1\/a","","{}","s","1"\r\n$/);
});
