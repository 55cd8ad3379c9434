// A time-lapse of the soak: cars whose gateways, modules and brokers fail at random are recorded over
// restarts and a crash, and their log replays without a difference.
import assert from "node:assert/strict";
import { Recorder } from "../../src/record/recorder.ts";
import { replay } from "../../src/record/replay.ts";
import { segmentName, segmentNumbers } from "../../src/record/segment_files.ts";
import { rough } from "../car/properties.ts";
import { World } from "../car/world.ts";
import fc from "../support/properties.ts";
import { ListLog } from "../support/list_log.ts";
import { TempFolder } from "../support/temp.ts";

const CARS = ["car_1", "car_2", "car_3"];
const RUNS = 3;
const ACTIONS = 5000;
const SEED = 20_261_122;
/** What a crash tears off the end of a run, in bytes: less than its last record has. */
const TORN = 3;

/** Lives through one run of a server; its turns. */
async function record(directory: string, run: number): Promise<number> {
  const log = new ListLog();
  const recorder = new Recorder({ directory, company: "acme", log, segmentBytes: 200_000 });
  let turns = 0;
  for (const [index, car] of CARS.entries()) {
    const world = new World(1 + index);
    // A change of settings is another object, as after a reload.
    const reloaded = { ...world.settings, maxUnansweredCommands: 2 };
    const actions = fc.sample(fc.oneof(...rough), {
      seed: SEED + 10 * run + index,
      numRuns: ACTIONS,
    });
    world.onStep = (before, input, { now: at, settings }, { session: after, effects }) => {
      turns++;
      recorder.onTurn({ car, at, settings, input, before, after, effects });
    };
    for (const [count, action] of actions.entries()) {
      if (count === ACTIONS / 2) Object.assign(world, { settings: reloaded });
      world.act(action);
    }
  }
  await recorder.stop();
  assert.deepEqual(log.texts("ERROR"), []);
  assert.equal(recorder.counts.lost, 0);
  return turns;
}

Deno.test("a log of cars with faults, over restarts, reloads and a crash, replays without a difference", async () => {
  await using folder = await TempFolder.make();
  const directory = folder.file("events");
  let turns = 0;
  for (let run = 0; run < RUNS; run++) {
    turns += await record(directory, run);
    if (run !== 1) continue;
    const last = (await segmentNumbers(directory)).at(-1) ?? 0;
    const path = `${directory}/${segmentName(last)}`;
    await Deno.truncate(path, (await Deno.stat(path)).size - TORN);
    turns--;
  }
  assert.ok((await segmentNumbers(directory)).length > RUNS);
  const kinds = new Set<string>();
  const damages: string[] = [];
  const cars = await replay(directory, {
    onTurn: ({ turn: { input, effects } }) => {
      kinds.add(input.type);
      for (const { type } of effects) kinds.add(type);
    },
    onDamage: (path, { why }) => damages.push(`${path}: ${why}`),
  });
  for (const [car, { first }] of cars) assert.deepEqual(first, null, car);
  // The next start has cut the torn end off.
  assert.deepEqual(damages, []);
  const replayed = [...cars.values()].reduce((sum, car) => sum + car.turns, 0);
  assert.equal(replayed, turns);
  assert.ok(turns > 10_000, `${turns}`);
  for (const kind of ["broker_lost", "module_lost", "pause", "ended", "forward", "command"]) {
    assert.ok(kinds.has(kind), `${kind}: ${[...kinds]}`);
  }
});
