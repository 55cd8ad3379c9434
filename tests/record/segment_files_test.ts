// The files of the event log: a torn end is cut off, and old segments go.
import assert from "node:assert/strict";
import { readSegment } from "../../src/record/segment.ts";
import { expired, recover, segmentName } from "../../src/record/segment_files.ts";
import { FRONT } from "../car/support.ts";
import { settled } from "../support/virtual_clock.ts";
import { Recording } from "./support.ts";

/** A log with one segment of one car; its bytes, and where its records end. */
async function written(): Promise<{ recording: Recording; bytes: Uint8Array; ends: number[] }> {
  const recording = await Recording.make();
  const fixture = await recording.car();
  for (let index = 0; index < 3; index++) {
    fixture.status(FRONT, { data: `${index}` });
    await settled();
  }
  await recording.recorder.stop();
  const bytes = await Deno.readFile(pathOf(recording));
  return { recording, bytes, ends: [...readSegment(bytes)].map(({ end }) => end) };
}

function pathOf({ directory }: Recording, number = 1): string {
  return `${directory}/${segmentName(number)}`;
}

Deno.test("recover() cuts a segment torn anywhere at its last good record, and counts", async () => {
  const { recording, bytes, ends } = await written();
  await using _ = recording;
  const head = ends[0] ?? 0;
  const path = pathOf(recording);
  // Each end of a record, its neighbours, and some in between.
  const lengths = new Set(ends.flatMap((end) => [end - 1, end, end + 1, end + 7, end + 9]));
  for (const length of lengths) {
    if (length > bytes.length) continue;
    await Deno.writeFile(path, bytes.subarray(0, length));
    const found = await recover(recording.directory);
    const whole = ends.filter((end) => end <= length);
    const end = whole.at(-1);
    if (end === undefined) {
      assert.deepEqual([found.records, await recording.segments()], [0, []], `${length}`);
      continue;
    }
    assert.deepEqual([found.records, found.bytes], [whole.length - 1, end - head], `${length}`);
    assert.equal((await Deno.stat(path)).size, end, `${length}`);
    assert.equal(found.cut?.lost, end === length ? undefined : length - end, `${length}`);
  }
});

Deno.test("recover() leaves a segment of another version alone", async () => {
  const { recording, bytes } = await written();
  await using _ = recording;
  bytes[7] = 1;
  await Deno.writeFile(pathOf(recording), bytes);
  assert.deepEqual(await recover(recording.directory), { records: 0, bytes: 0, cut: null });
  assert.deepEqual(await Deno.readFile(pathOf(recording)), bytes);
});

Deno.test("the next start says what it cuts off, and counts on", async () => {
  const { recording, bytes, ends } = await written();
  await using _ = recording;
  await Deno.truncate(pathOf(recording), bytes.length - 2);
  await using next = await Recording.make({ directory: recording.directory });
  await next.recorder.start();
  assert.match(
    next.log.texts("WARNING").join("\n"),
    /^Cut \d+ bytes off ".*\/00000001\.rec" from byte \d+ on: a record is truncated$/,
  );
  const { segment, records } = next.recorder.counts.end;
  assert.deepEqual([segment, records], [2, ends.length - 2]);
  const [first] = readSegment(await Deno.readFile(pathOf(recording, 2)));
  assert.ok(first?.record.kind === "head");
  assert.deepEqual([first.record.company, first.record.records], ["acme", ends.length - 2]);
});

Deno.test("expired() names the oldest segments beyond bytes and age, and never the newest", () => {
  const segments = [1, 2, 3, 4].map((number) => ({ number, bytes: 10, writtenAt: 100 * number }));
  const names = (maxBytes: number, maxAgeMs: number, now = 450) =>
    expired(segments, { maxBytes, maxAgeMs }, now);
  assert.deepEqual(names(0, 0), []);
  assert.deepEqual(names(40, 0), []);
  assert.deepEqual(names(39, 0), [1]);
  assert.deepEqual(names(20, 0), [1, 2]);
  assert.deepEqual(names(1, 0), [1, 2, 3]);
  assert.deepEqual(names(0, 200), [1, 2]);
  assert.deepEqual(names(0, 1), [1, 2, 3]);
  assert.deepEqual(names(39, 200), [1, 2]);
});
