// The recorder: everything is recorded in few writes, and no disk can harm a car.
import assert from "node:assert/strict";
import { replay } from "../../src/record/replay.ts";
import type { Turn } from "../../src/car/turn.ts";
import { FRONT } from "../car/support.ts";
import { settled } from "../support/virtual_clock.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { Disk, Recording } from "./support.ts";

/** Replays without a difference; the turns as they are today. */
async function replayed(directory: string): Promise<Turn[]> {
  const turns: Turn[] = [];
  const cars = await replay(directory, {
    onTurn: ({ turn }) => turns.push(turn),
    onDamage: (path, { why }) => assert.fail(`${path}: ${why}`),
  });
  for (const [car, { first }] of cars) assert.equal(first, null, car);
  return turns;
}

/** What does not depend on values that have left a queue, which a state may still hold. */
function told({ car, at, input, effects }: Turn) {
  return { car, at, input, effects };
}

Deno.test("Recorder records every turn: it replays into the same states and effects", async () => {
  await using recording = await Recording.make();
  const { car, status } = await withStatuses(recording, 20);
  car.configure({ ...settingsOf(recording), responseMs: 7 }, LIMITS);
  status();
  await car.stop();
  await recording.recorder.stop();
  const turns = await replayed(recording.directory);
  assert.equal(turns.length, recording.turns.length);
  for (const [index, turn] of turns.entries()) {
    assert.deepStrictEqual(turn, recording.turns[index]);
  }
});

const LIMITS = { maxMessageBytes: 1000, maxMessagesPerSecond: 1000 };

function settingsOf({ turns }: Recording) {
  const [turn] = turns;
  assert.ok(turn);
  return turn.settings;
}

async function withStatuses(recording: Recording, count: number) {
  const fixture = await recording.car();
  const status = () => fixture.status(FRONT, { data: "{}" });
  for (let index = 0; index < count; index++) {
    status();
    await settled();
  }
  return { fixture, car: fixture.car, status };
}

Deno.test("Recorder batches what comes within 200 ms", async () => {
  const disk = new Disk();
  await using recording = await Recording.make({ create: disk.create });
  await recording.recorder.start();
  assert.equal(disk.writes, 1, "the header");
  await withStatuses(recording, 50);
  recording.clock.pass(199);
  await settled();
  assert.equal(disk.writes, 1);
  recording.clock.pass(1);
  await waitFor(() => Promise.resolve(disk.writes === 2), "the batch");
});

Deno.test("Recorder begins new segments, each of which can be read on its own", async () => {
  await using recording = await Recording.make({ segmentBytes: 2000 });
  const { car } = await withStatuses(recording, 60);
  await car.stop();
  await recording.recorder.stop();
  const [first, second, ...rest] = await recording.segments();
  assert.ok(rest.length > 2);
  assert.deepEqual([first, second], [1, 2]);
  assert.equal((await replayed(recording.directory)).length, recording.turns.length);
  await Deno.remove(`${recording.directory}/00000001.rec`);
  const turns = await replayed(recording.directory);
  assert.ok(turns.length > 20 && turns.length < recording.turns.length);
  assert.deepStrictEqual(turns.map(told), recording.turns.slice(-turns.length).map(told));
});

Deno.test("Recorder continues a directory with a new segment", async () => {
  await using folder = await TempFolder.make();
  const directory = folder.file("a/b");
  for (let run = 1; run <= 3; run++) {
    await using recording = await Recording.make({ directory });
    await recording.car();
    await recording.recorder.stop();
    const names = [...Deno.readDirSync(directory)].map(({ name }) => name).sort();
    assert.deepEqual(names, ["00000001.rec", "00000002.rec", "00000003.rec"].slice(0, run));
  }
  await replayed(directory);
});

Deno.test("Recorder tells a new car of the same name from the one before", async () => {
  await using recording = await Recording.make();
  await recording.car();
  await recording.car();
  await recording.recorder.stop();
  assert.deepStrictEqual(await replayed(recording.directory), recording.turns);
});

Deno.test("Recorder says once that a disk is full, and records again when it is not", async () => {
  const disk = new Disk();
  await using recording = await Recording.make({ create: disk.create });
  const { log, clock, recorder } = recording;
  disk.full = true;
  await recorder.start();
  const { fixture, car, status } = await withStatuses(recording, 10);
  for (let minute = 0; minute < 5; minute++) {
    await nextAttempt(recording);
    status();
    await settled();
  }
  assert.equal(car.state, "RUNNING");
  assert.equal(fixture.answers.length, 15);
  assert.deepEqual(log.texts("ERROR").length, 1);
  assert.match(
    log.texts("ERROR")[0] ?? "",
    /Cannot write the event log in ".*", cars go on, retrying: No space left/,
  );
  assert.deepEqual(await recording.segments(), []);
  const missing = recording.turns.length;
  disk.full = false;
  await nextAttempt(recording);
  assert.equal(log.matching(/Writing the event log in ".*" again/).length, 1);
  await withStatuses(recording, 3);
  status();
  await settled();
  clock.pass(200);
  await recorder.stop();
  const turns = await replayed(recording.directory);
  assert.deepStrictEqual(turns.map(told), recording.turns.slice(missing).map(told));
  assert.equal(log.lines.length, 2);
});

/** Lets the pause after a failure pass, and the attempt that follows end. */
async function nextAttempt({ clock, log }: Recording): Promise<void> {
  await waitFor(() => Promise.resolve(clock.timers > 0), "the pause");
  clock.pass(60_000);
  const over = () => clock.timers > 0 || log.matching(/" again/).length > 0;
  await waitFor(() => Promise.resolve(over()), "the end of the attempt");
}

Deno.test("Recorder says once that its directory cannot be made", async () => {
  await using folder = await TempFolder.make();
  const directory = await folder.write("a file", "");
  await using recording = await Recording.make({ directory });
  await recording.recorder.start();
  const { car } = await withStatuses(recording, 5);
  await nextAttempt(recording);
  assert.equal(car.state, "RUNNING");
  assert.match(
    recording.log.texts("ERROR").join("\n"),
    /^Cannot write the event log in ".*a file".*$/,
  );
});

Deno.test("Recorder holds a limited number of bytes for a disk that takes none", async () => {
  const disk = new Disk();
  const maxWaitingBytes = 100_000;
  await using recording = await Recording.make({ create: disk.create, maxWaitingBytes });
  const { recorder, log } = recording;
  await recorder.start();
  const slow = Promise.withResolvers<void>();
  disk.ready = slow.promise;
  const { fixture } = await withStatuses(recording, 1);
  recording.clock.pass(200);
  const big = "x".repeat(900);
  for (let index = 0; index < 200; index++) fixture.status(FRONT, { data: big });
  await settled();
  assert.equal(log.texts("WARNING").length, 1);
  assert.match(
    log.texts("WARNING")[0] ?? "",
    /^Lost a record of the event log in ".*": the disk is too slow/,
  );
  slow.resolve();
  await waitFor(() => Promise.resolve(disk.writes >= 2), "the disk");
  const missing = recording.turns.length;
  fixture.status(FRONT, { data: "at last" });
  await settled();
  await recorder.stop();
  const turns = await replayed(recording.directory);
  assert.ok(turns.length < recording.turns.length);
  const last = recording.turns.slice(missing);
  assert.deepStrictEqual(turns.slice(-last.length).map(told), last.map(told));
});

Deno.test("Recorder stops in time when the disk hangs", async () => {
  const disk = new Disk();
  await using recording = await Recording.make({ create: disk.create });
  const { recorder, log, clock } = recording;
  await recorder.start();
  const slow = Promise.withResolvers<void>();
  disk.ready = slow.promise;
  await recording.car();
  const stopped = recorder.stop();
  await settled();
  clock.pass(2000);
  await stopped;
  assert.match(log.texts("WARNING").join(), /could not be written in time/);
  slow.resolve();
  await settled();
});

/** Waits until every turn is in the log. */
function allWritten({ recorder, turns }: Recording): Promise<unknown> {
  return waitFor(() => recorder.counts.end.records === turns.length, "the batch");
}

Deno.test("Recorder deletes the oldest segments beyond the retention", async () => {
  const retention = { maxBytes: 6000, maxAgeMs: 0 };
  await using recording = await Recording.make({ segmentBytes: 1000, retention });
  await recording.recorder.start();
  for (let round = 0; round < 4; round++) {
    await withStatuses(recording, 10);
    recording.clock.pass(60_000);
    await allWritten(recording);
  }
  await recording.recorder.stop();
  const numbers = await recording.segments();
  const { expired, end } = recording.recorder.counts;
  assert.ok(expired > 0);
  assert.equal(numbers.length, end.segment - expired);
  assert.equal(numbers.at(-1), end.segment);
});

Deno.test("Recorder deletes the oldest segments while the disk is full, and loses nothing", async () => {
  const disk = new Disk();
  await using recording = await Recording.make({ create: disk.create, segmentBytes: 700 });
  const { recorder, log, clock } = recording;
  await recorder.start();
  await withStatuses(recording, 20);
  clock.pass(200);
  await allWritten(recording);
  const { segment, records } = recorder.counts.end;
  assert.ok(segment > 3, `${segment}`);
  disk.fullFor = 3;
  const { status, fixture } = await withStatuses(recording, 1);
  status();
  await settled();
  clock.pass(200);
  await allWritten(recording);
  assert.equal(fixture.car.state, "RUNNING");
  const { end, sacrificed, lost } = recorder.counts;
  assert.deepEqual([sacrificed, lost], [3, 0]);
  assert.equal(end.records, recording.turns.length);
  assert.ok(end.records > records);
  assert.deepEqual((await recording.segments())[0], 4);
  assert.match(log.texts("WARNING").join(), /^Deleted the oldest segment .*: the disk is full$/);
  await recorder.stop();
  await replayed(recording.directory);
});

Deno.test("Recorder syncs what it wrote, at most every 200 ms", async () => {
  const disk = new Disk();
  await using recording = await Recording.make({ create: disk.create });
  const { recorder, clock } = recording;
  await recorder.start();
  const { status } = await withStatuses(recording, 1);
  clock.pass(200);
  await waitFor(() => Promise.resolve(disk.syncs === 1), "the first sync");
  status();
  await settled();
  recorder.whenSafe(() => {});
  await waitFor(() => Promise.resolve(disk.syncs === 2), "what is waited for");
  const { writes } = disk;
  const { fixture } = await withStatuses(recording, 0);
  const data = "x".repeat(900);
  while (disk.writes === writes) {
    fixture.status(FRONT, { data });
    await settled();
  }
  assert.equal(disk.syncs, 2);
  await waitFor(() => Promise.resolve(clock.timers === 1), "the timer of the sync");
  clock.pass(200);
  await waitFor(() => Promise.resolve(disk.syncs === 3), "the sync");
});

Deno.test("whenSafe() calls back after the sync of what was appended, or when it is lost", async () => {
  const disk = new Disk();
  await using recording = await Recording.make({ create: disk.create });
  const { recorder, clock } = recording;
  await recorder.start();
  const { status } = await withStatuses(recording, 1);
  let safe = 0;
  const asked = Promise.withResolvers<void>();
  recorder.whenSafe(() => {
    safe = recorder.counts.end.records;
    asked.resolve();
  });
  status();
  const expected = recording.turns.length;
  assert.equal(safe, 0);
  await waitFor(asked.promise, "the sync");
  assert.ok(safe >= expected, `${safe} of ${expected}`);
  assert.equal(disk.syncs, 1);
  disk.full = true;
  const lost = Promise.withResolvers<void>();
  recorder.whenSafe(() => lost.resolve());
  status();
  await waitFor(lost.promise, "the failure");
  await waitFor(() => Promise.resolve(clock.timers > 0), "the pause");
  let isCalled = false;
  recorder.whenSafe(() => void (isCalled = true));
  assert.ok(isCalled);
});

Deno.test("whenSafe() waits 2 s for a disk that hangs, and no more until it answers", async () => {
  const disk = new Disk();
  await using recording = await Recording.make({ create: disk.create });
  const { recorder, clock, log } = recording;
  await recorder.start();
  const hanging = Promise.withResolvers<void>();
  disk.ready = hanging.promise;
  const { status } = await withStatuses(recording, 1);
  const called: string[] = [];
  for (const name of ["first", "second"]) recorder.whenSafe(() => called.push(name));
  status();
  await settled();
  clock.pass(1999);
  await settled();
  recorder.whenSafe(() => called.push("third"));
  assert.equal(called.length, 0);
  clock.pass(1);
  assert.deepEqual(called, ["first", "second", "third"]);
  recorder.whenSafe(() => called.push("fourth"));
  assert.equal(called.at(-1), "fourth");
  assert.match(log.texts("ERROR").join(), /^The event log in ".*" is late: statuses are answered/);
  hanging.resolve();
  await waitFor(() => recorder.counts.end.records === recording.turns.length, "the disk");
  await waitFor(() => disk.syncs > 0, "the sync");
  await settled();
  const safe = Promise.withResolvers<void>();
  status();
  recorder.whenSafe(() => safe.resolve());
  await waitFor(safe.promise, "the sync");
  assert.equal(log.texts("ERROR").length, 1);
});
