// A sink that is away for ten minutes and back; `deno task outage` is the same with a server and load.
import assert from "node:assert/strict";
import { Exporter } from "../../src/export/exporter.ts";
import { LOG_BEGIN } from "../../src/record/log_reader.ts";
import { FRONT } from "../car/support.ts";
import { Recording } from "../record/support.ts";
import { ListLog } from "../support/list_log.ts";
import { settled } from "../support/virtual_clock.ts";
import { waitFor } from "../support/wait.ts";
import { idsOf, ListSink, passUntil } from "./support.ts";

const BYTES_PER_SECOND = 2000;
const BATCH_EVENTS = 20;

Deno.test("a sink that was away gets everything, in order and at its rate, and its lag falls to nothing", async () => {
  await using recording = await Recording.make({ segmentBytes: 20_000 });
  const { recorder, clock, directory } = recording;
  await recorder.start();
  const fixture = await recording.car();
  const sink = new ListSink();
  const attempts: number[] = [];
  let isAway = true;
  let held = 0;
  const deliver = sink.deliver.bind(sink);
  sink.deliver = async (batch) => {
    attempts.push(clock.now());
    held = Math.max(held, batch.messages.length);
    if (isAway) throw new Error("away");
    await deliver(batch);
  };
  const exporter = new Exporter({
    name: "test",
    sink,
    source: {
      directory,
      end: () => recorder.counts.end,
      onWritten: (listener) => recorder.onWritten(listener),
    },
    settings: { batchEvents: BATCH_EVENTS, batchMs: 100, bytesPerSecond: BYTES_PER_SECOND },
    cursor: LOG_BEGIN,
    keep: () => {},
    log: new ListLog(),
    clock,
    random: () => 0,
  });
  exporter.start();
  for (let n = 0; n < 600; n++) {
    fixture.status(FRONT, { data: `{"n":${n}}` });
    for (let step = 0; step < 5; step++) {
      await settled();
      clock.pass(200);
    }
    if (n % 10 > 0) continue;
    await waitFor(() => recorder.counts.end.records === recording.turns.length, "the disk");
  }
  await waitFor(() => recorder.counts.end.records === recording.turns.length, "the disk");
  await waitFor(() => exporter.snapshot().nextAttemptAt !== null, "the failure");
  const { lag, state, failures } = exporter.snapshot();
  assert.equal(state, "failing");
  assert.equal(lag.records, recorder.counts.end.records);
  assert.ok(lag.seconds > 590, `${lag.seconds} s`);
  // Pauses grow to half a minute, and one batch is all that is held.
  assert.ok(failures >= 20 && failures < 40, `${failures} failures`);
  assert.equal(failures, attempts.length);
  assert.ok(held < 2 * BATCH_EVENTS, `${held} events`);
  isAway = false;
  assert.deepEqual(sink.batches, []);
  const drained = recorder.counts.end.bytes;
  const first = attempts.length;
  await passUntil(recording, () => exporter.cursor.bytes >= drained, "what has waited");
  const tookMs = (attempts.at(-1) ?? 0) - (attempts[first] ?? 0);
  // What the first batch takes comes after it, and so on: the last one takes no time any more.
  const batches = attempts.length - first;
  assert.ok(batches > 10, `${batches} batches`);
  const leastMs = drained * (1 - 2 / batches) / BYTES_PER_SECOND * 1000;
  assert.ok(tookMs >= leastMs, `${tookMs} ms instead of ${leastMs} for ${batches} batches`);
  await passUntil(recording, () => exporter.snapshot().lag.records === 0, "the rest");
  assert.deepEqual(exporter.snapshot().lag, { records: 0, bytes: 0, seconds: 0 });
  assert.deepEqual(sink.ids, await idsOf(directory));
  assert.ok(sink.batches.every(({ messages: { length } }) => length < 2 * BATCH_EVENTS));
  await exporter.stop();
});
