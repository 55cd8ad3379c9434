// What operators do to sinks: draining, and delivering a part of the log once more.
import assert from "node:assert/strict";
import { LogReader } from "../../src/record/log_reader.ts";
import type { LogCount } from "../../src/record/mod.ts";
import { segmentName } from "../../src/record/segment_files.ts";
import type { Recording as Recorded } from "../record/support.ts";
import { Recording } from "../record/support.ts";
import { logSpan } from "../../src/record/time_span.ts";
import { TempFolder } from "../support/temp.ts";
import { settled } from "../support/virtual_clock.ts";
import { waitFor } from "../support/wait.ts";
import {
  exporterOf,
  happen,
  idsOf,
  ListSink,
  passUntil,
  SETTINGS,
  sinkExportOf,
} from "./support.ts";

const ALL = { from: null, to: null, cars: null, bytesPerSecond: 1_000_000 };

/** Waits for what needs no time to pass. */
async function resolved<T>(promise: Promise<T>, what: string): Promise<T> {
  return await waitFor(promise, what);
}

/** A log of some segments. */
async function recorded(statuses = 30): Promise<Recorded> {
  const recording = await Recording.make({ segmentBytes: 1000 });
  await recording.recorder.start();
  await happen(recording, statuses);
  return recording;
}

Deno.test("drain() delivers at once what waits for others, and after a failure", async () => {
  await using recording = await recorded(5);
  const sink = new ListSink();
  sink.failures.push(new Error("away"));
  const { exporter } = exporterOf(recording, sink, {
    settings: { ...SETTINGS, batchMs: 60_000 },
  });
  exporter.start();
  // The clock stands still: only draining makes it read.
  assert.equal(sink.attempts, 0);
  const first = exporter.drain(1000);
  await waitFor(() => exporter.snapshot().failures === 1, "the failure");
  const { state, failingSince, nextAttemptAt, trouble } = exporter.snapshot();
  assert.deepEqual([state, trouble], ["failing", "away"]);
  assert.equal(failingSince, recording.clock.now());
  assert.ok(nextAttemptAt !== null && nextAttemptAt >= recording.clock.now() + 500);
  assert.equal(await resolved(exporter.drain(1000), "the second try"), true);
  assert.equal(await resolved(first, "the first call"), true);
  assert.deepEqual(sink.ids, await idsOf(recording.directory));
  const after = exporter.snapshot();
  assert.deepEqual([after.state, after.failingSince, after.nextAttemptAt], ["idle", null, null]);
  await exporter.stop();
});

Deno.test("drain() gives up at its deadline, and says so", async () => {
  await using recording = await recorded(5);
  const sink = new ListSink();
  sink.failures.push(...Array.from({ length: 50 }, () => new Error("away")));
  const { exporter } = exporterOf(recording, sink);
  exporter.start();
  let drained: boolean | null = null;
  void exporter.drain(1000).then((value) => drained = value);
  await passUntil(recording, () => drained !== null, "the deadline");
  assert.equal(drained, false);
  await exporter.stop();
});

Deno.test("drain() keeps to the rate", async () => {
  await using recording = await recorded(40);
  const sink = new ListSink();
  const settings = { ...SETTINGS, bytesPerSecond: 1000 };
  const { exporter } = exporterOf(recording, sink, { settings });
  exporter.start();
  const began = recording.clock.now();
  let drained: boolean | null = null;
  void exporter.drain(600_000).then((value) => drained = value);
  await passUntil(recording, () => drained !== null, "the end");
  const { bytes } = recording.recorder.counts.end;
  const seconds = (recording.clock.now() - began) / 1000;
  assert.ok(seconds >= bytes / 1000 - 5, `${seconds} s for ${bytes} bytes`);
  const { rate: { bytes: rate }, delivered } = exporter.snapshot();
  assert.equal(delivered.bytes, bytes);
  assert.ok(rate > 500 && rate < 2000, `${rate} bytes a second`);
  await exporter.stop();
});

Deno.test("a replay delivers the same events with the same ids, and moves no cursor", async () => {
  await using recording = await recorded();
  const sink = new ListSink();
  const { one, kept, replays, log } = sinkExportOf(recording, sink);
  one.start();
  assert.equal(await resolvedDrain(recording, one), true);
  const all = await idsOf(recording.directory);
  const { records } = recording.recorder.counts.end;
  const { length } = kept;
  assert.equal(await one.replay(ALL), null);
  assert.match(await one.replay(ALL) ?? "", /^Expected no replay to sink "test": one is running/);
  await passUntil(recording, () => one.snapshot().replay?.state === "done", "the replay");
  assert.deepEqual(sink.ids, [...all, ...all]);
  const { replay } = one.snapshot();
  assert.deepEqual([replay?.records, replay?.passed], [records, records]);
  await waitFor(() => replays.at(-1) === null, "the end");
  assert.equal(log.matching(/^Replay to sink "test" is done: \d+ records$/).length, 1);
  assert.ok(kept.slice(length).every((cursor) => cursor.records === records));
  // What is new comes as before.
  await happen(recording, 3);
  assert.equal(await resolvedDrain(recording, one), true);
  const later = (await idsOf(recording.directory)).slice(all.length);
  assert.deepEqual(sink.ids.slice(2 * all.length), later);
  await one.stop();
  assert.ok(sink.isClosed);
});

Deno.test("a replay delivers the events of a time and of some cars, and no others", async () => {
  await using recording = await recorded(20);
  const { directory, clock, recorder } = recording;
  const from = Math.floor(clock.now()) + 1000;
  clock.pass(2000);
  recorder.note("car_2", from, [{ kind: "operator.paused" }]);
  recorder.note("car_3", from + 1, [{ kind: "operator.paused" }]);
  recorder.note(null, from + 2, [{ kind: "sink.overtaken" }]);
  recorder.note("car_2", from + 3, [{ kind: "operator.resumed" }]);
  clock.pass(200);
  const sink = new ListSink();
  const { one } = sinkExportOf(recording, sink);
  one.start();
  const isCaughtUp = () => {
    const { lag, delivered } = one.snapshot();
    return lag.records === 0 && delivered.records === recording.turns.length + 4;
  };
  await passUntil(recording, isCaughtUp, "every event");
  const { length } = sink.ids;
  // The recording's time is not that of the disk.
  const now = clock.now() / 1000;
  for (const number of await recording.segments()) {
    await Deno.utime(`${directory}/${segmentName(number)}`, now, now);
  }
  const order = { ...ALL, from, to: from + 2, cars: ["car_2"] };
  assert.equal(await one.replay(order), null);
  await passUntil(recording, () => one.snapshot().replay?.state === "done", "the replay");
  assert.deepEqual(sink.ids.slice(length), [sink.ids[length - 4]]);
  assert.equal(await one.replay({ ...order, cars: ["car_9"] }), null);
  await passUntil(recording, () => one.snapshot().replay?.state === "done", "nothing");
  assert.equal(sink.ids.length, length + 1);
  await one.stop();
});

Deno.test("logSpan() leaves out the segments before and behind, but none that may belong to it", async () => {
  await using recording = await recorded(60);
  const { directory, recorder } = recording;
  await recorder.stop();
  const numbers = await recording.segments();
  assert.ok(numbers.length > 5);
  const hour = 3600;
  for (const [index, number] of numbers.entries()) {
    const at = index * hour;
    await Deno.utime(`${directory}/${segmentName(number)}`, at, at);
  }
  const ms = (hours: number) => hours * hour * 1000;
  const [first = 0] = numbers;
  const all = await logSpan(directory);
  assert.deepEqual([all?.begin.segment, all?.begin.records, all?.end], [first, 0, null]);
  // What was written last at 2:00 may have happened before, and what was begun after 3:00 has not.
  const span = await logSpan(directory, ms(1.5), ms(2.5));
  assert.deepEqual([span?.begin.segment, span?.end?.segment], [first + 2, first + 4]);
  const late = await logSpan(directory, ms(99));
  assert.deepEqual([late?.begin.segment, late?.end], [numbers.at(-1), null]);
  using reader = new LogReader({ directory, from: span?.begin });
  const { missed, position } = await reader.read(Infinity);
  assert.equal(missed, null);
  assert.equal(position.records, recorder.counts.end.records);
  await using folder = await TempFolder.make();
  assert.equal(await logSpan(folder.path), null);
});

Deno.test("a replay ends at the sink's cursor, so that nothing new comes before what waits", async () => {
  await using recording = await recorded(10);
  const sink = new ListSink();
  const { one } = sinkExportOf(recording, sink);
  one.start();
  assert.equal(await resolvedDrain(recording, one), true);
  const had = sink.ids.length;
  // The sink hangs with what is new, and with the replay behind it.
  const { promise, resolve } = Promise.withResolvers<void>();
  sink.ready = promise;
  await happen(recording, 10);
  await passUntil(recording, () => sink.attempts > sink.batches.length, "what is new");
  assert.equal(await one.replay(ALL), null);
  resolve();
  await passUntil(recording, () => one.snapshot().replay?.state === "done", "the replay");
  assert.equal(await resolvedDrain(recording, one), true);
  const all = await idsOf(recording.directory);
  // First occurrences are in order.
  assert.deepEqual([...new Set(sink.ids)], all);
  assert.equal(sink.ids.length, all.length + had);
  await one.stop();
});

Deno.test("a replay is cancelled, and can be started again", async () => {
  await using recording = await recorded();
  const sink = new ListSink();
  const { one, replays } = sinkExportOf(recording, sink);
  one.start();
  assert.match(
    await one.cancelReplay() ?? "",
    /^Expected a replay to sink "test": none is running$/,
  );
  assert.equal(await resolvedDrain(recording, one), true);
  const { length } = sink.ids;
  assert.equal(await one.replay({ ...ALL, bytesPerSecond: 100 }), null);
  await passUntil(recording, () => sink.ids.length > length, "a part of it");
  assert.equal(one.snapshot().replay?.state, "running");
  const { records = 0, passed = 0 } = one.snapshot().replay ?? {};
  assert.ok(passed > 0 && passed < records, `${passed} of ${records}`);
  let isCancelled = false;
  void one.cancelReplay().then(() => isCancelled = true);
  await passUntil(recording, () => isCancelled, "the end");
  assert.equal(one.snapshot().replay?.state, "cancelled");
  assert.equal(replays.at(-1), null);
  const { length: then } = sink.ids;
  assert.equal(await one.replay(ALL), null);
  await passUntil(recording, () => one.snapshot().replay?.state === "done", "another");
  assert.equal(sink.ids.length, then + length);
  await one.stop();
});

Deno.test("a replay goes on after a restart", async () => {
  await using recording = await recorded();
  const first = new ListSink();
  const run = sinkExportOf(recording, first);
  run.one.start();
  assert.equal(await resolvedDrain(recording, run.one), true);
  const all = [...first.ids];
  assert.equal(await run.one.replay({ ...ALL, bytesPerSecond: 2000 }), null);
  await passUntil(recording, () => first.ids.length > all.length, "a part of it");
  await run.one.stop();
  const replay = run.replays.at(-1);
  const cursor = run.kept.at(-1);
  assert.ok(replay && cursor);
  assert.ok(replay.cursor.records > 0 && replay.cursor.records < replay.end.records);
  const second = new ListSink();
  // As the state directory has it.
  const kept = JSON.parse(JSON.stringify(replay));
  const { one, log } = sinkExportOf(recording, second, { cursor, replay: kept });
  one.start();
  await passUntil(recording, () => one.snapshot().replay?.state === "done", "the rest");
  assert.deepEqual([...first.ids.slice(all.length), ...second.ids], all);
  assert.equal(log.matching(/goes on with the replay/).length, 1);
  await one.stop();
});

Deno.test("what was deleted before it was delivered is told with numbers and when", async () => {
  await using recording = await recorded(10);
  const sink = new ListSink();
  const missed: unknown[] = [];
  const run = exporterOf(recording, sink);
  run.exporter.start();
  await passUntil(recording, () => run.exporter.snapshot().lag.records === 0, "the beginning");
  await run.exporter.stop();
  const cursor = run.kept.at(-1);
  assert.ok(cursor);
  await happen(recording, 40);
  const gone = (await recording.segments()).filter((number) => number < cursor.segment + 3);
  for (const number of gone) await Deno.remove(`${recording.directory}/${segmentName(number)}`);
  const { exporter } = exporterOf(recording, new ListSink(), {
    cursor,
    onMissed: (count) => void missed.push(count),
  });
  exporter.start();
  await passUntil(recording, () => exporter.snapshot().lag.records === 0, "the rest");
  const { missed: records, missedBytes: bytes, missedAt } = exporter.snapshot();
  assert.ok(records > 0 && bytes > 0 && missedAt !== null);
  assert.deepEqual(missed, [{ records, bytes }]);
  await exporter.stop();
});

/** Drains while time passes. */
async function resolvedDrain(
  recording: Recorded,
  one: { drain(timeoutMs: number): Promise<boolean> },
): Promise<boolean> {
  let drained: boolean | null = null;
  void one.drain(60_000).then((value) => drained = value);
  await passUntil(recording, () => drained !== null, "everything");
  await settled();
  return drained ?? false;
}

Deno.test("a sink that is away is told of what it misses when that is deleted, once and exactly", async () => {
  await using recording = await Recording.make({
    segmentBytes: 1000,
    retention: { maxBytes: 12_000, maxAgeMs: 0 },
  });
  const { recorder, directory } = recording;
  await recorder.start();
  await happen(recording, 12);
  assert.equal(recorder.counts.expired, 0);
  // What is held while the sink is away: it comes, whatever is deleted.
  using ahead = new LogReader({ directory });
  const { position, events } = await ahead.read(256 * 1024, SETTINGS.batchEvents);
  const sink = new ListSink();
  let isAway = true;
  const deliver = sink.deliver.bind(sink);
  sink.deliver = async (batch) => {
    if (isAway) throw new Error("away");
    await deliver(batch);
  };
  const missed: LogCount[] = [];
  const { exporter, log } = exporterOf(recording, sink, {
    onMissed: (count) => void missed.push(count),
  });
  exporter.start();
  await passUntil(recording, () => exporter.snapshot().state === "failing", "the failure");
  await happen(recording, 120);
  await waitFor(() => recorder.counts.expired > 3, "the retention");
  // The next write tells.
  await happen(recording, 1);
  await waitFor(() => exporter.snapshot().missed > 0, "what is missed");
  assert.equal(exporter.snapshot().state, "failing");
  assert.ok(log.texts("ERROR").some((text) => /^Sink "test" has missed \d+ records/.test(text)));
  // The retention may be at work still, and nothing may go while the rest is read.
  await recorder.stop();
  isAway = false;
  await passUntil(recording, () => exporter.snapshot().lag.records === 0, "the rest");
  using later = new LogReader({ directory, from: position });
  const { missed: gap } = await later.read(1);
  const { missed: records, missedBytes: bytes } = exporter.snapshot();
  assert.deepEqual({ records, bytes }, gap);
  const sum = (of: (count: LogCount) => number) =>
    missed.reduce((total, count) => total + of(count), 0);
  assert.deepEqual([sum((one) => one.records), sum((one) => one.bytes)], [records, bytes]);
  const left = await idsOf(directory);
  assert.deepEqual(sink.ids, [...events.map(({ id }) => id), ...left]);
  await exporter.stop();
});
