// A disk that is really full: a small tmpfs, where one can be mounted.
import assert from "node:assert/strict";
import { LogReader } from "../../src/record/log_reader.ts";
import type { LogEvent } from "../../src/record/log_event.ts";
import { replay } from "../../src/record/replay.ts";
import { FRONT } from "../car/support.ts";
import { canMount, smallDisk } from "../support/small_disk.ts";
import { settled } from "../support/virtual_clock.ts";
import { waitFor } from "../support/wait.ts";
import { Recording } from "./support.ts";

const DATA = "x".repeat(900);

Deno.test({
  name: "a full disk costs the oldest segments, then events, and never a session",
  ignore: !canMount,
  async fn() {
    await using disk = await smallDisk();
    assert.ok(disk);
    const directory = `${disk.path}/events`;
    await using recording = await Recording.make({ directory, segmentBytes: 150_000 });
    const { recorder, clock, log } = recording;
    await recorder.start();
    const fixture = await recording.car();
    let sent = 0;
    const happen = async (statuses: number) => {
      for (let index = 0; index < statuses; index++, sent++) {
        fixture.status(FRONT, { data: DATA });
        await settled();
        if (index % 20 === 0) clock.pass(200);
      }
    };
    // More than twice what the disk holds.
    while (recorder.counts.sacrificed < 10) {
      await happen(100);
      clock.pass(200);
      await waitFor(() => recorder.counts.end.records === recording.turns.length, "the batch");
    }
    assert.equal(recorder.counts.lost, 0);
    // Now somebody else takes all the room there is, and there is nothing to delete for it.
    const other = `${disk.path}/other`;
    const filling = new Uint8Array(2_000_000);
    while (recorder.counts.lost === 0) {
      await Deno.writeFile(other, filling).catch(() => {});
      await happen(20);
    }
    for (let second = 0; second < 60; second++) {
      clock.pass(1000);
      await happen(1);
    }
    await Deno.remove(other);
    const { records } = recorder.counts.end;
    while (recorder.counts.end.records === records) {
      clock.pass(10_000);
      await happen(20);
    }
    assert.equal(fixture.car.state, "RUNNING");
    assert.equal(fixture.answers.length, sent);
    assert.match(log.texts("WARNING")[0] ?? "", /^Deleted the oldest segment .*: the disk is full/);
    assert.match(log.texts("ERROR")[0] ?? "", /^Cannot write the event log .*No space left/);
    clock.pass(200);
    await waitFor(recorder.stop(), "the end of the log");
    const cars = await replay(directory, {
      onDamage: (path, { why }) => assert.fail(`${path}: ${why}`),
    });
    assert.equal(cars.get("car_1")?.first, null);
    using reader = new LogReader({ directory });
    const events: LogEvent[] = [];
    for (let isEnd = false; !isEnd;) {
      const batch = await reader.read(100_000);
      events.push(...batch.events);
      isEnd = batch.isEnd;
    }
    assert.equal(new Set(events.map(({ id }) => id)).size, events.length);
    assert.deepEqual(reader.position, recorder.counts.end);
  },
});
