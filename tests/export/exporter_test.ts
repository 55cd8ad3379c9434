// Sinks as cursors into the log: every event, in order, whatever fails.
import assert from "node:assert/strict";
import { makeEvaluator } from "../../src/channel/evaluator.ts";
import type { Feed } from "../../src/export/feed.ts";
import { SinkError } from "../../src/export/sink.ts";
import type { LogEvent } from "../../src/record/log_event.ts";
import { segmentName } from "../../src/record/segment_files.ts";
import { channel } from "../channel/support.ts";
import { Recording } from "../record/support.ts";
import { exporterOf, happen, idsOf, ListSink, passUntil, SETTINGS } from "./support.ts";

const payloadOf = ({ payload }: LogEvent) => new TextDecoder().decode(payload ?? new Uint8Array());

Deno.test("Exporter delivers every event in order, in batches, and what comes later too", async () => {
  await using recording = await Recording.make({ segmentBytes: 2000 });
  await recording.recorder.start();
  await happen(recording, 30);
  const sink = new ListSink();
  const { exporter, kept } = exporterOf(recording, sink);
  exporter.start();
  const isCaughtUp = () => exporter.snapshot().lag.records === 0 && sink.ids.length > 0;
  await passUntil(recording, isCaughtUp, "the end of the log");
  assert.deepEqual(sink.ids, await idsOf(recording.directory));
  assert.ok(sink.batches.every(({ messages: { length } }) => length > 0 && length <= 12));
  const before = sink.ids.length;
  await happen(recording, 3);
  const isLater = () => sink.ids.length > before && exporter.snapshot().lag.records === 0;
  await passUntil(recording, isLater, "later events");
  assert.deepEqual(sink.ids, await idsOf(recording.directory));
  await exporter.stop();
  assert.ok(sink.isClosed);
  assert.deepEqual(kept.at(-1), recording.recorder.counts.end);
  const { delivered, missed, trouble } = exporter.snapshot();
  assert.deepEqual([delivered.records > 30, missed, trouble], [true, 0, null]);
});

Deno.test("Exporter goes on at its cursor, and delivers nothing before it again", async () => {
  await using recording = await Recording.make({ segmentBytes: 2000 });
  await recording.recorder.start();
  await happen(recording, 10);
  const first = new ListSink();
  const run = exporterOf(recording, first);
  run.exporter.start();
  await passUntil(recording, () => first.batches.length >= 2, "two batches");
  await run.exporter.stop();
  const cursor = run.kept.at(-1);
  assert.ok(cursor);
  await happen(recording, 10);
  const second = new ListSink();
  const { exporter } = exporterOf(recording, second, { cursor });
  exporter.start();
  const all = await idsOf(recording.directory);
  const isDone = () => first.ids.length + second.ids.length >= all.length;
  await passUntil(recording, isDone, "the rest");
  assert.deepEqual([...first.ids, ...second.ids], all);
  await exporter.stop();
});

Deno.test("Exporter tries the same batch again, with pauses that grow, or as long as it is asked for", async () => {
  await using recording = await Recording.make();
  await recording.recorder.start();
  await happen(recording, 5);
  const sink = new ListSink();
  const asked = new SinkError("busy", { retryAfterMs: 7000 });
  sink.failures.push(new Error("away"), new Error("away"), asked);
  const { exporter, log } = exporterOf(recording, sink);
  const { clock } = recording;
  exporter.start();
  const at: number[] = [];
  for (let attempt = 1; attempt <= 4; attempt++) {
    await passUntil(recording, () => sink.attempts >= attempt, `attempt ${attempt}`);
    at.push(clock.now());
    if (attempt < 4) assert.equal(exporter.snapshot().failures, attempt);
  }
  const pauses = at.slice(1).map((moment, index) => moment - (at[index] ?? 0));
  const [first = 0, second = 0, third = 0] = pauses;
  assert.ok(first >= 500 && second >= 1000 && third >= 7000, `${pauses}`);
  await passUntil(recording, () => exporter.snapshot().lag.records === 0, "the rest");
  assert.deepEqual(sink.ids, await idsOf(recording.directory));
  assert.equal(
    log.matching(/^Cannot deliver to sink "test", a list, trying again: away$/).length,
    1,
  );
  assert.equal(log.matching(/^Sink "test" takes events again$/).length, 1);
  await exporter.stop();
});

Deno.test("Exporter makes batches smaller for a sink that finds them too large", async () => {
  await using recording = await Recording.make();
  await recording.recorder.start();
  await happen(recording, 20);
  const sink = new ListSink();
  sink.maxMessages = 3;
  const { exporter } = exporterOf(recording, sink);
  exporter.start();
  const all = await idsOf(recording.directory);
  await passUntil(recording, () => sink.ids.length === all.length, "every event");
  assert.deepEqual(sink.ids, all);
  await exporter.stop();
});

Deno.test("Exporter keeps to the rate, and says how far it lags", async () => {
  await using recording = await Recording.make();
  await recording.recorder.start();
  await happen(recording, 40);
  const { bytes, records } = recording.recorder.counts.end;
  const sink = new ListSink();
  const settings = { ...SETTINGS, bytesPerSecond: 1000 };
  const { exporter } = exporterOf(recording, sink, { settings });
  exporter.start();
  assert.equal(exporter.snapshot().lag.records, records);
  assert.equal(exporter.snapshot().lag.bytes, bytes);
  const began = recording.clock.now();
  const isDone = () => exporter.snapshot().lag.records === 0 && sink.ids.length > 0;
  await passUntil(recording, isDone, "every event");
  const seconds = (recording.clock.now() - began) / 1000;
  // The last batch takes no time any more.
  assert.ok(seconds >= bytes / 1000 - 5, `${seconds} s for ${bytes} bytes`);
  assert.deepEqual(sink.ids, await idsOf(recording.directory));
  assert.deepEqual(exporter.snapshot().lag, { records: 0, bytes: 0, seconds: 0 });
  await exporter.stop();
});

Deno.test("Exporter says how much was deleted before it was delivered", async () => {
  await using recording = await Recording.make({ segmentBytes: 1500 });
  await recording.recorder.start();
  await happen(recording, 10);
  const sink = new ListSink();
  const run = exporterOf(recording, sink);
  run.exporter.start();
  await passUntil(recording, () => run.exporter.snapshot().lag.records === 0, "the beginning");
  await run.exporter.stop();
  const cursor = run.kept.at(-1);
  assert.ok(cursor);
  await happen(recording, 40);
  const all = await idsOf(recording.directory);
  const gone = (await recording.segments()).filter((number) => number < cursor.segment + 3);
  for (const number of gone) await Deno.remove(`${recording.directory}/${segmentName(number)}`);
  const later = new ListSink();
  const { exporter, log } = exporterOf(recording, later, { cursor });
  exporter.start();
  await passUntil(recording, () => exporter.snapshot().lag.records === 0, "the rest");
  const { missed } = exporter.snapshot();
  assert.ok(missed > 0);
  assert.match(
    log.texts("ERROR").join("\n"),
    new RegExp(`^Sink "test" has missed ${missed} records of \\d+ bytes: they were deleted`),
  );
  assert.deepEqual(later.ids, all.slice(-later.ids.length));
  await exporter.stop();
});

Deno.test("Exporter delivers only what a sink wants, and its cursor passes the rest", async () => {
  await using recording = await Recording.make();
  await recording.recorder.start();
  await happen(recording, 10);
  const sink = new ListSink();
  const isWanted = ({ kind }: { readonly kind: string }) => kind === "session.started";
  const { exporter } = exporterOf(recording, sink, { feed: { isWanted } });
  exporter.start();
  const isDone = () => exporter.snapshot().lag.records === 0 && sink.ids.length > 0;
  await passUntil(recording, isDone, "the end of the log");
  assert.equal(sink.ids.length, 1);
  await exporter.stop();
});

Deno.test("Exporter sends what channels make of events, counts, and names what fails", async () => {
  await using recording = await Recording.make();
  await recording.recorder.start();
  await happen(recording, 10);
  const channels = [
    channel("odd", {
      where: "has(decoded.n) && int(decoded.n) % 2 == 1",
      events: ["status.accepted"],
      map: "decoded.n",
    }),
    channel("change", { events: ["status.accepted"], map: 'decoded.n = 4 ? $error("four") : id' }),
  ];
  const settings = { channels, decoders: { 7: { kind: "json" } } } as const;
  const names = ["odd", "change"];
  const sink = new ListSink();
  // A batch that is too large is read again, and counted once.
  sink.maxMessages = 4;
  const feed = { channels: { names, open: () => makeEvaluator(settings) } };
  const { exporter, log } = exporterOf(recording, sink, { feed });
  exporter.start();
  const isDone = () => exporter.snapshot().lag.records === 0 && sink.ids.length > 0;
  await passUntil(recording, isDone, "the end of the log");
  const numbered = sink.batches.flatMap(({ messages }) => messages)
    .filter(({ event }) => payloadOf(event).includes('"n"'));
  assert.deepEqual(
    numbered.map(({ body, event }) => body === JSON.stringify(event.id) ? "id" : body),
    ["id", "1", "id", "3", "5", "id", "7", "id", "9"],
  );
  const others = sink.ids.length - numbered.length;
  assert.deepEqual(exporter.snapshot().channels, [
    { name: "odd", sent: 5, dropped: 0, failed: 0 },
    { name: "change", sent: 4 + others, dropped: 0, failed: 1 },
  ]);
  const failed = log.matching(/^Sink "test" loses the event "[^"]+", as channel "change" fails in/);
  assert.equal(failed.length, 1);
  assert.match(failed[0]?.text ?? "", /in "map": at character \d+: four/);
  await exporter.stop();
});

Deno.test("Exporter goes on at its cursor with other channels, and closes the old ones", async () => {
  await using recording = await Recording.make();
  await recording.recorder.start();
  await happen(recording, 5);
  const sink = new ListSink();
  const closed: string[] = [];
  const feed = (name: string): Feed => ({
    channels: {
      names: [name],
      open: () =>
        Promise.resolve({
          evaluate: (lines) =>
            Promise.resolve({
              bodies: lines.map(() => name),
              counts: { channels: [{ sent: lines.length, dropped: 0, failed: 0 }], undecoded: 0 },
              failures: [],
            }),
          close: () => void closed.push(name),
        }),
    },
  });
  const { exporter } = exporterOf(recording, sink, { feed: feed("old") });
  exporter.start();
  const isCaughtUp = () => exporter.snapshot().lag.records === 0 && sink.ids.length > 0;
  await passUntil(recording, isCaughtUp, "the beginning");
  const before = sink.ids.length;
  exporter.feedWith(feed("new"));
  await happen(recording, 5);
  const isLater = () => exporter.snapshot().lag.records === 0 && sink.ids.length > before;
  await passUntil(recording, isLater, "the rest");
  assert.deepEqual(sink.ids, await idsOf(recording.directory));
  const bodies = sink.batches.flatMap(({ messages }) => messages.map(({ body }) => body));
  assert.deepEqual(
    bodies.map((body) => body === "old"),
    sink.ids.map((_, index) => index < before),
  );
  assert.deepEqual(closed, ["old"]);
  assert.deepEqual(exporter.snapshot().channels, [
    { name: "new", sent: sink.ids.length - before, dropped: 0, failed: 0 },
  ]);
  await exporter.stop();
  assert.deepEqual(closed, ["old", "new"]);
});

Deno.test("Exporter stops although a sink never answers", async () => {
  await using recording = await Recording.make();
  await recording.recorder.start();
  await happen(recording, 3);
  const asked = Promise.withResolvers<void>();
  const sink = new ListSink();
  sink.deliver = () => {
    asked.resolve();
    return new Promise(() => {});
  };
  const { exporter, kept } = exporterOf(recording, sink);
  exporter.start();
  let isAsked = false;
  void asked.promise.then(() => isAsked = true);
  await passUntil(recording, () => isAsked, "the delivery");
  let isStopped = false;
  void exporter.stop().then(() => isStopped = true);
  await passUntil(recording, () => isStopped, "the stop");
  assert.ok(kept.every(({ records }) => records === 0));
});
