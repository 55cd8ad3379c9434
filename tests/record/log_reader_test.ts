// Reading a log: every event once and in order, from any position, while it is written and deleted.
import assert from "node:assert/strict";
import type { LogEvent } from "../../src/record/log_event.ts";
import { LOG_BEGIN, LogReader } from "../../src/record/log_reader.ts";
import { replay } from "../../src/record/replay.ts";
import { segmentName } from "../../src/record/segment_files.ts";
import { FRONT } from "../car/support.ts";
import { settled } from "../support/virtual_clock.ts";
import { waitFor } from "../support/wait.ts";
import { Recording } from "./support.ts";

/** Reads to the end in small steps. */
async function readOn(reader: LogReader, maxBytes = 500): Promise<LogEvent[]> {
  const all: LogEvent[] = [];
  for (;;) {
    const { events, isEnd } = await reader.read(maxBytes);
    all.push(...events);
    if (isEnd) return all;
  }
}

async function statuses(recording: Recording, count: number) {
  const fixture = await recording.car();
  for (let index = 0; index < count; index++) {
    fixture.status(FRONT, { data: `{"n":${index}}` });
    await settled();
  }
  return fixture;
}

/** Lets the batch be written. */
async function written({ clock, recorder, turns }: Recording): Promise<void> {
  clock.pass(200);
  await waitFor(() => recorder.counts.end.records === turns.length, "the batch");
}

const ids = (events: readonly LogEvent[]) => events.map(({ id }) => id);

Deno.test("LogReader reads the events of a session in order, each with an id of its own", async () => {
  await using recording = await Recording.make();
  const { car } = await statuses(recording, 2);
  car.pause();
  await car.stop();
  await recording.recorder.stop();
  using reader = new LogReader({ directory: recording.directory });
  const events = await readOn(reader);
  assert.deepEqual(
    events.map(({ kind }) => kind),
    [
      "module.back",
      "broker.up",
      "device.connected",
      "status.accepted",
      "command.sent",
      "status.forwarded",
      "session.started",
      "status.accepted",
      "status.forwarded",
      "status.accepted",
      "status.forwarded",
      "operator.paused",
      "device.left",
      "session.ended",
    ],
  );
  const [first] = events.filter(({ kind, counter }) => kind === "status.accepted" && counter === 1);
  assert.deepEqual({ ...first, id: "" }, {
    id: "",
    at: 0,
    car: "car_1",
    session: "s1",
    device: FRONT,
    counter: 1,
    kind: "status.accepted",
    payload: new TextEncoder().encode('{"n":0}'),
    data: { state: 1 },
  });
  const forwarded = events.find(({ kind, counter }) =>
    kind === "status.forwarded" && counter === 1
  );
  assert.deepEqual([forwarded?.device, forwarded?.session], [FRONT, "s1"]);
  assert.equal(events.find(({ kind }) => kind === "session.ended")?.session, "s1");
  assert.equal(new Set(ids(events)).size, events.length);
  assert.match(ids(events)[0] ?? "", /^acme\/car_1\/\d{13}\/\d+$/);
});

Deno.test("LogReader goes on at any position as if it had never stopped", async () => {
  await using recording = await Recording.make({ segmentBytes: 800 });
  await statuses(recording, 20);
  await recording.recorder.stop();
  const { directory } = recording;
  assert.ok((await recording.segments()).length > 3);
  using whole = new LogReader({ directory });
  const expected = await readOn(whole);
  const found: LogEvent[] = [];
  let from = LOG_BEGIN;
  for (;;) {
    using reader = new LogReader({ directory, from });
    const { events, position, isEnd, missed } = await reader.read(1);
    assert.equal(missed, null);
    found.push(...events);
    from = position;
    if (isEnd) break;
  }
  assert.deepStrictEqual(found, expected);
  assert.deepEqual(from, whole.position);
  assert.deepEqual(from, recording.recorder.counts.end);
});

Deno.test("LogReader follows a log that is being written, over its segments", async () => {
  await using recording = await Recording.make({ segmentBytes: 1500 });
  await recording.recorder.start();
  using reader = new LogReader({ directory: recording.directory });
  assert.deepEqual(await readOn(reader), []);
  const found: LogEvent[] = [];
  for (let round = 0; round < 5; round++) {
    await statuses(recording, 4);
    await written(recording);
    const events = await readOn(reader);
    assert.ok(events.length > 4);
    found.push(...events);
  }
  await recording.recorder.stop();
  using whole = new LogReader({ directory: recording.directory });
  assert.deepStrictEqual(found, await readOn(whole, 1_000_000));
});

Deno.test("LogReader says how much was deleted before it was read", async () => {
  await using recording = await Recording.make({ segmentBytes: 1000 });
  await statuses(recording, 30);
  await recording.recorder.stop();
  const { directory } = recording;
  using whole = new LogReader({ directory });
  const all = await readOn(whole);
  using reader = new LogReader({ directory });
  const { position } = await reader.read(1);
  for (const number of [1, 2, 3]) await Deno.remove(`${directory}/${segmentName(number)}`);
  using later = new LogReader({ directory, from: position });
  const { missed, events } = await later.read(1);
  assert.ok(missed !== null && missed.records > 5 && missed.bytes > 1000);
  assert.equal(later.position.records, position.records + missed.records + 1);
  const rest = [...events, ...await readOn(later)];
  assert.deepEqual(ids(rest), ids(all).slice(-rest.length));
  assert.deepEqual(later.position, whole.position);
});

Deno.test("LogReader begins anew when the log has", async () => {
  await using recording = await Recording.make({ segmentBytes: 1500 });
  await statuses(recording, 20);
  await recording.recorder.stop();
  const { directory } = recording;
  using reader = new LogReader({ directory });
  await readOn(reader);
  for (const number of await recording.segments()) {
    await Deno.remove(`${directory}/${segmentName(number)}`);
  }
  await using next = await Recording.make({ directory });
  await statuses(next, 1);
  await next.recorder.stop();
  using later = new LogReader({ directory, from: reader.position });
  using fresh = new LogReader({ directory });
  assert.deepStrictEqual(await readOn(later), await readOn(fresh));
});

Deno.test("LogReader skips what is damaged, and says so", async () => {
  await using recording = await Recording.make({ segmentBytes: 1500 });
  await statuses(recording, 20);
  await recording.recorder.stop();
  const { directory } = recording;
  const path = `${directory}/${segmentName(2)}`;
  const bytes = await Deno.readFile(path);
  const middle = bytes.length >> 1;
  bytes[middle] = (bytes[middle] ?? 0) ^ 1;
  await Deno.writeFile(path, bytes);
  using whole = new LogReader({ directory });
  const damages: string[] = [];
  const onDamage = (where: string) => damages.push(where);
  using reader = new LogReader({ directory, onDamage });
  let missed = 0;
  for (;;) {
    const batch = await reader.read(400);
    missed += batch.missed?.records ?? 0;
    if (batch.isEnd) break;
  }
  assert.deepEqual(damages, [path]);
  assert.ok(missed > 0);
  await readOn(whole);
  assert.deepEqual(reader.position, recording.recorder.counts.end);
});

Deno.test("LogReader reads events that are no turn, with ids that count on with the turns of their car", async () => {
  await using recording = await Recording.make();
  const { recorder } = recording;
  const { car } = await statuses(recording, 1);
  const data = { sink: "lake", records: 12, bytes: 3456 };
  recorder.note(null, 7, [{ kind: "sink.overtaken", data }]);
  recorder.note("car_1", 8, [{ kind: "operator.paused" }, { kind: "operator.resumed" }]);
  await car.stop();
  await recorder.stop();
  using reader = new LogReader({ directory: recording.directory });
  const events = await readOn(reader);
  const [overtaken] = events.filter(({ kind }) => kind === "sink.overtaken");
  const epoch = overtaken?.id.split("/")[2];
  assert.deepEqual(overtaken, {
    id: `acme//${epoch}/1`,
    at: 7,
    car: null,
    session: null,
    device: null,
    counter: null,
    kind: "sink.overtaken",
    payload: null,
    data,
  });
  const noted = events.filter(({ at, kind }) => at === 8 && kind.startsWith("operator"));
  assert.equal(new Set(events.map(({ id }) => id)).size, events.length);
  assert.deepEqual(noted.map(({ session }) => session), ["s1", "s1"]);
  assert.match(noted[1]?.id ?? "", /\.1$/);
  const replayed = (await replay(recording.directory)).get("car_1");
  assert.deepEqual([replayed?.turns, replayed?.first], [recording.turns.length, null]);
});
