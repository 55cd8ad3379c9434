// What the API tells out of the event log: pages, files, and events as they happen.
import assert from "node:assert/strict";
import type { EventPage, ListedEventView } from "../../src/http/api/schemas.ts";
import type { eventJson } from "../../src/record/mod.ts";
import { Recorder } from "../../src/record/recorder.ts";
import { keyHash } from "../../src/config/resolve/http.ts";
import { FRONT } from "../car/support.ts";
import { ListLog } from "../support/list_log.ts";
import { TempFolder } from "../support/temp.ts";
import { settled } from "../support/virtual_clock.ts";
import { Inbox, waitFor } from "../support/wait.ts";
import { LoggedEvents } from "../../src/http/api/logged_events.ts";
import { MAX_EVENT_CLIENTS } from "../../src/http/event_stream.ts";
import { systemClock } from "../../src/time/clock.ts";
import { Fixture, type FixtureOptions, TestGateway } from "./fixture.ts";

const PATH = "/api/v1/history/events";

/** A fixture whose cars are recorded. */
class Logged implements AsyncDisposable {
  readonly fixture: Fixture;
  readonly recorder: Recorder;
  readonly #folder: TempFolder;

  private constructor(fixture: Fixture, recorder: Recorder, folder: TempFolder) {
    this.fixture = fixture;
    this.recorder = recorder;
    this.#folder = folder;
  }

  static async start(options: FixtureOptions = {}): Promise<Logged> {
    const folder = await TempFolder.make();
    const recorder = new Recorder({
      directory: folder.file("events"),
      company: "depot",
      log: new ListLog(),
    });
    await recorder.start();
    const fixture = await Fixture.start({
      subscribers: [recorder],
      eventLog: recorder,
      ...options,
    });
    return new Logged(fixture.up(), recorder, folder);
  }

  /** A gateway in normal communication that has sent statuses, which are written. */
  async statuses(car: string, count: number): Promise<TestGateway> {
    const gateway = await new TestGateway(this.fixture, car).run([FRONT]);
    for (let index = 0; index < count; index++) gateway.status(FRONT, `{"n":${index}}`);
    await settled();
    await this.written();
    return gateway;
  }

  /** Waits until what has happened is on the disk. */
  async written(): Promise<void> {
    const safe = Promise.withResolvers<void>();
    this.recorder.note(null, Date.now(), [{ kind: "server.started" }]);
    this.recorder.whenSafe(safe.resolve);
    await waitFor(safe.promise, "the disk");
  }

  page(query = ""): Promise<EventPage> {
    return this.fixture.json<EventPage>(`${PATH}${query}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.fixture[Symbol.asyncDispose]();
    await this.recorder.stop();
    await this.#folder[Symbol.asyncDispose]();
  }
}

async function statusOf(answering: Promise<Response>): Promise<number> {
  const answer = await answering;
  await answer.body?.cancel();
  return answer.status;
}

Deno.test("event.list reads the event log page by page, with filters", async () => {
  await using logged = await Logged.start();
  await logged.statuses("car_a", 5);
  await logged.statuses("car_b", 3);
  const all = await logged.page("?limit=1000");
  assert.deepEqual([all.source, all.next], ["log", null]);
  assert.equal(all.reachesBackTo, all.events.at(-1)?.at);
  const paged: ListedEventView[] = [];
  let cursor = "";
  for (let page = await logged.page("?limit=10");; page = await logged.page(cursor)) {
    paged.push(...page.events);
    if (page.next === null) break;
    cursor = `?limit=10&cursor=${page.next}`;
  }
  assert.deepEqual(paged, all.events);
  const statuses = await logged.page("?cars=car_a&kinds=status.accepted&text=%22N%22");
  assert.deepEqual(
    statuses.events.map(({ car, kind, level, text, device, payload }) => ({
      car,
      kind,
      level,
      text,
      device,
      payload,
    })),
    [4, 3, 2, 1, 0].map((n) => ({
      car: "car_a",
      kind: "status.accepted",
      level: "DEBUG",
      text: `Status ${n + 1}: state 1`,
      device: "7/1/front",
      payload: { kind: "json", text: `{"n":${n}}`, bytes: 7, truncated: false },
    })),
  );
  const important = await logged.page("?level=INFO&cars=car_a&cars=car_b&limit=500");
  assert.deepEqual(
    important.events,
    all.events.filter(({ car, level }) => car !== null && level !== "DEBUG"),
  );
  const { at } = all.events[3] as ListedEventView;
  const then = await logged.page(`?from=${at}&to=${at}&limit=1000`);
  assert.deepEqual(then.events, all.events.filter((event) => event.at === at));
  const before = await logged.page(`?to=${(all.reachesBackTo ?? 0) - 1}`);
  assert.deepEqual([before.events, before.next], [[], null]);
  for (const wrong of ["cursor=1-2", "cursor=1-2-3-4", "cursor=x", "limit=1001", "cars=", "q=x"]) {
    if (wrong === "cars=") continue;
    assert.equal(await statusOf(logged.fixture.get(`${PATH}?${wrong}`)), 400, wrong);
  }
});

Deno.test("events of the event log are files: CSV, and NDJSON with whole payloads", async () => {
  await using logged = await Logged.start();
  await logged.statuses("car_a", 700);
  const { fixture } = logged;
  const query = "cars=car_a&kinds=status.accepted&text=%22n%22";
  const ndjson = await fixture.get(`${PATH}.ndjson?${query}`);
  assert.equal(ndjson.headers.get("content-type"), "application/x-ndjson");
  assert.match(ndjson.headers.get("content-disposition") ?? "", /filename="events\.ndjson"/);
  const lines: ReturnType<typeof eventJson>[] = (await ndjson.text()).trimEnd().split("\n")
    .map((line) => JSON.parse(line));
  assert.equal(lines.length, 700);
  assert.deepEqual(lines[0]?.payload, { text: '{"n":699}' });
  assert.deepEqual(lines.at(-1)?.payload, { text: '{"n":0}' });
  const csv = await (await fixture.get(`${PATH}.csv?${query}&limit=3`)).text();
  const rows = csv.trimEnd().split("\r\n");
  assert.equal(rows.length, 4);
  assert.match(rows[1] ?? "", /"car_a","DEBUG","status.accepted",.*"\{""n"":699\}"/);
  assert.equal(await statusOf(fixture.get(`${PATH}.ndjson`, { method: "HEAD" })), 200);
  assert.equal(await statusOf(fixture.get(`${PATH}.csv?limit=0`)), 400);
  assert.equal(await statusOf(fixture.bare(`${PATH}.ndjson`)), 401);
});

Deno.test("only so many files are written at a time, and one whose client is gone is not written on", async () => {
  await using logged = await Logged.start();
  await logged.statuses("car_a", 10);
  const events = new LoggedEvents(logged.recorder, systemClock);
  const client = { name: "desk", ended: new AbortController().signal };
  const file = () => events.file("csv", {}, client);
  const files = [file(), file(), file(), file()];
  assert.throws(file, /Expected at most 4 files of events: found one more/);
  await files[0]?.cancel();
  assert.throws(() => [file(), file()], /found one more/);
  const reader = files[1]?.getReader();
  assert.ok(reader);
  const reading = reader.read();
  await reader.cancel();
  assert.deepEqual(await reading, { done: true, value: undefined });
  files.push(file());
  const [, , third] = files;
  assert.match(await new Response(third ?? null).text(), /^"time",.*\r\n(.*\r\n)+$/);
  events.stop();
  await assert.rejects(files[3]?.getReader().read() ?? Promise.resolve(), /The server stops/);
});

Deno.test("only so many clients read what happens now, and a key has no more than its share", async () => {
  await using logged = await Logged.start();
  await logged.statuses("car_a", 1);
  const events = new LoggedEvents(logged.recorder, systemClock);
  const client = (name: string) => ({ name, ended: new AbortController().signal });
  const { all, ofKey } = MAX_EVENT_CLIENTS;
  const streams = Array.from({ length: ofKey }, () => events.live({}, client("wall")));
  assert.throws(() => events.live({}, client("wall")), /with the key "wall"/);
  while (streams.length < all) streams.push(events.live({}, client(`${streams.length}`)));
  assert.throws(() => events.live({}, client("desk")), /Expected at most 32 clients/);
  const { length } = streams;
  await streams[0]?.cancel();
  await waitFor(() => {
    try {
      return streams.push(events.live({}, client("wall"))) > length;
    } catch {
      return false;
    }
  }, "the place of one that has left");
  events.stop();
  for (const stream of streams.slice(1)) {
    // It only says that it is alive.
    assert.equal(await new Response(stream).text(), ":\n\n");
  }
});

/** Reads server-sent events until the test ends. */
async function live(logged: Logged, query: string, headers: Record<string, string> = {}) {
  const abort = new AbortController();
  const { signal } = abort;
  const answer = await logged.fixture.get(`${PATH}/live?${query}`, { signal, headers });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get("content-type"), "text/event-stream");
  const events = new Inbox<ListedEventView>();
  const ids: string[] = [];
  const reading = (async () => {
    let rest = "";
    const text = answer.body?.pipeThrough(new TextDecoderStream()) ?? [];
    try {
      for await (const chunk of text) {
        const lines = (rest + chunk).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) {
          if (line.startsWith("data: ")) events.push(JSON.parse(line.slice(6)));
          if (line.startsWith("id: ")) ids.push(line.slice(4));
        }
      }
    } catch {
      // It was ended by the test.
    }
  })();
  return {
    events,
    ids,
    ended: reading,
    async stop() {
      abort.abort();
      await reading;
    },
  };
}

Deno.test("events are told as they happen, filtered, and go on behind the last one that was received", async () => {
  await using logged = await Logged.start();
  const gateway = await logged.statuses("car_a", 2);
  const first = await live(logged, "cars=car_a&kinds=status.accepted");
  const send = async (n: number) => {
    gateway.status(FRONT, `{"live":${n}}`);
    await settled();
  };
  await send(1);
  assert.equal((await first.events.next("the first one")).payload?.text, '{"live":1}');
  await send(2);
  assert.equal((await first.events.next("the second one")).payload?.text, '{"live":2}');
  await waitFor(() => first.ids.length >= 2, "its id");
  const [id = ""] = first.ids;
  await first.stop();
  await send(3);
  const second = await live(logged, "kinds=status.accepted", { "last-event-id": id });
  for (const n of [2, 3]) {
    assert.equal((await second.events.next(`${n}`)).payload?.text, `{"live":${n}}`);
  }
  await second.stop();
});

Deno.test("what happens is told to a key until it is revoked, and until the server stops", async () => {
  const key = (name: string) => ({
    name,
    scope: "read" as const,
    hash: keyHash(`the-key-of-${name}`),
  });
  const logged = await Logged.start({ http: { keys: [key("wall"), key("desk")] } });
  try {
    const [wall, desk] = await Promise.all(
      ["wall", "desk"].map((name) => live(logged, "", { "x-api-key": `the-key-of-${name}` })),
    );
    logged.fixture.operators.configure({ keys: [key("desk")] } as never);
    await waitFor(wall?.ended ?? Promise.reject(), "the end of the revoked key's stream");
    await logged.statuses("car_a", 1);
    assert.ok(await desk?.events.next("what happens after it"));
    await logged.fixture.operators.stop();
    await waitFor(desk?.ended ?? Promise.reject(), "the end of the server's stream");
  } finally {
    await logged[Symbol.asyncDispose]();
  }
});
