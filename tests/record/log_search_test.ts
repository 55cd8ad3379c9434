// Searching a log: page after page gives what reading it all gives, the newest first.
import assert from "node:assert/strict";
import { EVENT_KINDS, type LogEvent } from "../../src/record/log_event.ts";
import { LogReader } from "../../src/record/log_reader.ts";
import { type LogQuery, LogSearch } from "../../src/record/log_search.ts";
import { levelOfEvent, textOfEvent } from "../../src/record/log_words.ts";
import { segmentName } from "../../src/record/segment_files.ts";
import { FRONT } from "../car/support.ts";
import { settled } from "../support/virtual_clock.ts";
import { waitFor } from "../support/wait.ts";
import { Recording } from "./support.ts";

const NEVER = new AbortController().signal;
const ALL = { isWanted: () => true, limit: 7 };
/** Between two statuses, in milliseconds. */
const STEP_MS = 5000;

/** Two cars with statuses over ten minutes, a session that ends, and events of no car. */
async function written(options: Parameters<typeof Recording.make>[0] = {}): Promise<Recording> {
  const recording = await Recording.make(options);
  const { recorder } = recording;
  const first = await recording.car({ settings: { car: "car_1" } });
  const second = await recording.car({ settings: { car: "car_2" }, clock: first.clock });
  for (let index = 0; index < 120; index++) {
    first.clock.pass(STEP_MS);
    const fixture = index % 2 === 0 ? second : first;
    fixture.status(FRONT, { data: `{"n":${index}}`, error: index % 10 === 0 ? "broken" : "" });
    await settled();
    if (index % 20 === 0) {
      recorder.note(null, first.clock.now(), [{ kind: "server.started" }, {
        kind: "server.stopped",
      }]);
    }
  }
  await recorder.stop();
  return recording;
}

async function eventsIn(directory: string): Promise<readonly LogEvent[]> {
  using reader = new LogReader({ directory });
  return (await reader.read(Infinity)).events;
}

/** Pages to the end. */
async function searched(search: LogSearch, query: LogQuery) {
  const events: LogEvent[] = [];
  const pages: number[] = [];
  let { cursor } = query;
  for (;;) {
    const page = await search.page({ ...query, cursor }, NEVER);
    assert.ok(page.events.length <= query.limit);
    events.push(...page.events);
    pages.push(page.events.length);
    if (page.next === null) return { events, pages, searchedTo: page.searchedTo };
    cursor = page.next;
  }
}

Deno.test("LogSearch finds page by page what a reader reads, the newest first", async () => {
  await using recording = await written({ segmentBytes: 6000 });
  const { directory } = recording;
  assert.ok((await recording.segments()).length > 3);
  const all = (await eventsIn(directory)).toReversed();
  const search = new LogSearch(directory);
  assert.deepStrictEqual((await searched(search, ALL)).events, all);
  assert.deepStrictEqual((await searched(search, { ...ALL, limit: 1 })).events, all);
  assert.equal(await search.oldestAt(), Math.floor(all.at(-1)?.at ?? NaN));
  const cars = new Set(["car_2"]);
  const isWanted = ({ kind }: LogEvent) => kind.startsWith("status");
  const [from, to] = [30 * STEP_MS, 90 * STEP_MS];
  const some = all.filter((event) =>
    event.car === "car_2" && isWanted(event) && event.at >= from && event.at <= to
  );
  assert.ok(some.length > 30);
  const found = await searched(search, { ...ALL, cars, from, to, isWanted });
  assert.deepStrictEqual(found.events, some);
  assert.ok((found.searchedTo ?? Infinity) <= from);
  const ownLess = await searched(search, { ...ALL, isWanted: ({ car }) => car === null });
  assert.deepStrictEqual(ownLess.events, all.filter(({ car }) => car === null));
});

Deno.test("LogSearch bounds the work of a page, and goes on where it stopped", async () => {
  await using recording = await written({ segmentBytes: 6000 });
  const { directory } = recording;
  const all = (await eventsIn(directory)).toReversed();
  // Each page may open one segment.
  const search = new LogSearch(directory, 1);
  const isWanted = ({ kind }: LogEvent) => kind === "session.started";
  const { events, pages } = await searched(search, { ...ALL, isWanted });
  assert.deepStrictEqual(events, all.filter(isWanted));
  assert.ok(pages.length >= (await recording.segments()).length, `${pages}`);
  assert.ok(pages.includes(0));
});

Deno.test("LogSearch sees what is written on, and what is deleted", async () => {
  await using recording = await Recording.make({ segmentBytes: 3000 });
  const { directory, recorder } = recording;
  const search = new LogSearch(directory);
  assert.deepEqual(await search.page(ALL, NEVER), { events: [], next: null, searchedTo: null });
  assert.equal(await search.oldestAt(), null);
  await recorder.start();
  const fixture = await recording.car();
  for (let round = 0; round < 6; round++) {
    for (let index = 0; index < 8; index++) {
      fixture.status(FRONT, { data: "{}" });
      await settled();
    }
    recording.clock.pass(200);
    const { turns } = recording;
    await waitFor(() => recorder.counts.end.records === turns.length, "the batch");
    const all = (await eventsIn(directory)).toReversed();
    assert.deepStrictEqual((await searched(search, ALL)).events, all);
  }
  const page = await search.page(ALL, NEVER);
  assert.ok(page.next);
  const [first] = await recording.segments();
  await Deno.remove(`${directory}/${segmentName(first ?? 0)}`);
  const left = (await eventsIn(directory)).toReversed();
  const rest = await searched(search, { ...ALL, cursor: page.next });
  assert.deepStrictEqual([...page.events, ...rest.events], left);
  assert.deepStrictEqual((await searched(search, ALL)).events, left);
  // A whole log that is gone, and a cursor into it.
  for (const number of await recording.segments()) {
    await Deno.remove(`${directory}/${segmentName(number)}`);
  }
  const gone = await search.page({ ...ALL, cursor: page.next }, NEVER);
  assert.deepEqual([gone.events, gone.next], [[], null]);
});

Deno.test("LogSearch passes over a damaged end, and reads the other segments", async () => {
  await using recording = await written({ segmentBytes: 6000 });
  const { directory } = recording;
  const path = `${directory}/${segmentName(2)}`;
  const bytes = await Deno.readFile(path);
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
  await Deno.writeFile(path, bytes);
  const all = (await eventsIn(directory)).toReversed();
  assert.deepStrictEqual((await searched(new LogSearch(directory), ALL)).events, all);
});

Deno.test("LogSearch stops when it is told to", async () => {
  await using recording = await written();
  const stop = new AbortController();
  const search = new LogSearch(recording.directory);
  const isWanted = () => {
    stop.abort(new Error("gone"));
    return true;
  };
  await assert.rejects(search.page({ ...ALL, isWanted }, stop.signal), /gone/);
  await assert.rejects(search.page(ALL, stop.signal), /gone/);
  // The next one has its turn.
  assert.equal((await search.page(ALL, NEVER)).events.length, 7);
});

Deno.test("each kind of event has words and a level", () => {
  const event: LogEvent = {
    id: "",
    at: 0,
    car: null,
    session: null,
    device: null,
    counter: null,
    kind: "session.ended",
    payload: null,
    data: { reason: "session_timeout", detail: "no message" },
  };
  assert.equal(textOfEvent(event), "Session ended: session_timeout, no message");
  assert.equal(levelOfEvent(event), "WARNING");
  assert.equal(levelOfEvent({ ...event, data: { reason: "stopped" } }), "INFO");
  const payload = new TextEncoder().encode("{}");
  const status = { ...event, kind: "status.accepted", counter: 4, data: { state: 1 } } as const;
  assert.equal(textOfEvent({ ...status, payload }), "Status 4: state 1, {}");
  assert.equal(
    textOfEvent({ ...status, payload: Uint8Array.of(255) }),
    "Status 4: state 1, 1 bytes",
  );
  for (const kind of EVENT_KINDS) assert.match(textOfEvent({ ...event, kind }), /^[A-Z]/);
  assert.equal(textOfEvent({ ...event, kind: "later" as never, data: {} }), "later");
});
