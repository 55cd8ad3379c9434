// What is remembered of a day.
import assert from "node:assert/strict";
import { EventList, MAX_EVENTS } from "../../src/observe/history/event_list.ts";
import { History } from "../../src/observe/history/history.ts";
import { Series, SPANS } from "../../src/observe/history/series.ts";
import { StateDirectory } from "../../src/state/state_directory.ts";
import { ListLog } from "../support/list_log.ts";
import { TempFolder } from "../support/temp.ts";
import { VirtualClock } from "../support/virtual_clock.ts";

/** The beginning of a point of both spans. */
const START = 1_800_000_000_000;

function sample(statuses: number, meanMs: number | null, maxMs = meanMs) {
  return { statuses, commands: 1, responseMeanMs: meanMs, responseMaxMs: maxMs };
}

Deno.test("Series adds up, weighs means by statuses, and keeps the longest and the worst", () => {
  const series = new Series();
  series.add(START, sample(3, 10, 20), 0);
  series.add(START + 14_999, sample(1, 50), 2);
  series.add(START + 15_000, sample(0, null), 1);
  assert.deepEqual(series.points("hour", START + 15_000), [
    {
      at: START,
      statuses: 4,
      commands: 2,
      responseMeanMs: 20,
      responseMaxMs: 50,
      level: 2,
    },
    {
      at: START + 15_000,
      statuses: 0,
      commands: 1,
      responseMeanMs: null,
      responseMaxMs: null,
      level: 1,
    },
  ]);
  assert.deepEqual(series.points("day", START + 15_000).map(({ at, statuses }) => [at, statuses]), [
    [START, 4],
  ]);
});

Deno.test("Series forgets what is older than its span, and leaves out what it has not seen", () => {
  for (const span of ["hour", "day"] as const) {
    const { stepMs, points } = SPANS[span];
    const series = new Series();
    for (let i = 0; i < points + 10; i++) series.add(START + i * stepMs, sample(1, i), 0);
    const now = START + (points + 9) * stepMs;
    const kept = series.points(span, now);
    assert.equal(kept.length, points);
    assert.equal(kept[0]?.responseMeanMs, 10);
    assert.equal(kept.at(-1)?.at, now);
    // A place in the ring that is not written again must not come back a round later.
    const later = series.points(span, now + 5 * stepMs);
    assert.equal(later.length, points - 5);
    assert.equal(later[0]?.responseMeanMs, 15);
    assert.deepEqual(series.points(span, now + points * stepMs), []);
  }
});

Deno.test("EventList finds by car, level, words and time, the newest first and page by page", () => {
  const list = new EventList();
  const add = (at: number, car: string, level: "INFO" | "WARNING" | "ERROR", text: string) =>
    list.add({ at, car, level, text, device: text === "b" ? "7/0/Front" : null });
  add(1, "car_1", "INFO", "a");
  add(2, "car_2", "WARNING", "b");
  add(3, "car_1", "ERROR", "c");
  const ids = (query: Partial<Parameters<EventList["list"]>[0]>) =>
    list.list({ limit: 10, ...query }).map(({ id }) => id);
  assert.deepEqual(ids({}), [3, 2, 1]);
  assert.deepEqual(ids({ cars: new Set(["car_1"]) }), [3, 1]);
  assert.deepEqual(ids({ level: "WARNING" }), [3, 2]);
  assert.deepEqual(ids({ q: "FRONT" }), [2]);
  assert.deepEqual(ids({ q: "car_2" }), [2]);
  assert.deepEqual(ids({ from: 2, to: 2 }), [2]);
  assert.deepEqual(ids({ limit: 2 }), [3, 2]);
  assert.deepEqual(ids({ before: 3, limit: 1 }), [2]);
});

Deno.test("EventList is bounded, in events and in the length of each", () => {
  const list = new EventList();
  for (let i = 1; i <= 2 * MAX_EVENTS + 5; i++) {
    const text = "x".repeat(1000);
    list.add({ at: i, car: "c", level: "INFO", text, device: i % 2 === 0 ? null : `1/2/${text}` });
  }
  const found = list.list({ limit: Infinity });
  assert.equal(found.length, MAX_EVENTS);
  assert.equal(found[0]?.id, 2 * MAX_EVENTS + 5);
  assert.equal(found[0]?.text.length, 503);
  assert.deepEqual([found[0]?.device?.length, found[1]?.device], [503, null]);
});

Deno.test("History survives a restart, but for what a crash of the server may cost", async () => {
  await using folder = await TempFolder.make();
  const clock = new VirtualClock();
  await clock.advance(START);
  const open = async () => {
    const directory = new StateDirectory({ path: folder.path, log: new ListLog() });
    await directory.open();
    const history = new History(clock);
    try {
      await history.load(directory);
    } catch (error) {
      await directory.stop();
      throw error;
    }
    return { directory, history };
  };
  const first = await open();
  const at = clock.now();
  first.history.add("car_1", at, sample(3, 10), 4);
  first.history.fleet.add(at, sample(3, 10), 1);
  first.history.events.add({ at: 1, car: "car_1", level: "INFO", text: "here", device: null });
  await first.history.stop();
  await first.directory.stop();

  const { directory, history } = await open();
  const [point] = history.of("car_1")?.points("day", at) ?? [];
  assert.deepEqual([point?.statuses, point?.responseMeanMs, point?.level], [3, 10, 4]);
  assert.equal(history.fleet.points("day", at)[0]?.level, 1);
  assert.equal(history.events.list({ limit: 9 })[0]?.text, "here");
  history.events.add({ at: 2, car: "car_1", level: "INFO", text: "there", device: null });
  assert.deepEqual(history.events.list({ limit: 9 }).map(({ id }) => id), [2, 1]);
  // A point that goes on after the restart is one.
  history.add("car_1", at, sample(1, 10), 0);
  assert.equal(history.of("car_1")?.points("day", at)[0]?.statuses, 4);
  await history.stop();
  await directory.stop();
  assert.equal(clock.timers, 0);

  await folder.write("history.json", '{"format": 1}');
  const third = await open();
  assert.equal(third.history.of("car_1"), undefined);
  await third.history.stop();
  await third.directory.stop();
  assert.equal(await Deno.readTextFile(folder.file("history.json.set-aside")), '{"format": 1}');
});
