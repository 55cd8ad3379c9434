// The ledger against the log of random worlds: every command is listed once, with what became of it.
import assert from "node:assert/strict";
import { setImmediate } from "node:timers";
import fc from "fast-check";
import { CommandLedger, type CommandQuery, type LedgerCommand } from "../../src/ledger/mod.ts";
import { LogReader } from "../../src/record/log_reader.ts";
import { segmentNumbers } from "../../src/record/segment_files.ts";
import { Recorder } from "../../src/record/recorder.ts";
import { wallTime } from "../../src/time/mod.ts";
import { rough } from "../car/properties.ts";
import { FRONT } from "../car/support.ts";
import { World } from "../car/world.ts";
import { Recording } from "../record/support.ts";
import { ListLog } from "../support/list_log.ts";
import { TempFolder } from "../support/temp.ts";
import { settled, VirtualClock } from "../support/virtual_clock.ts";

const POLICIES = [
  { module: 7, ttlMs: 20_000, supersede: [], redeliver: 1 },
  { module: 8, ttlMs: null, supersede: ["slot"], redeliver: 0 },
];

const LIVES = fc.sample(
  fc.array(fc.oneof(...rough), { minLength: 300, maxLength: 300, size: "max" }),
  { seed: 11, numRuns: 6 },
);

/** Writes the log of two cars, and of servers that end in the middle of everything. */
async function writeLog(directory: string): Promise<void> {
  let time = 0;
  for (const [life, actions] of LIVES.entries()) {
    const epoch = Math.floor(wallTime());
    const options = { directory, company: "acme", log: new ListLog(), clock: new VirtualClock() };
    const recorder = new Recorder({ ...options, segmentBytes: 3000 });
    const car = `car_${life % 2}`;
    const world = new World(4, undefined, POLICIES);
    // The moments of a server come after those of the one before.
    const begin = time;
    world.nameCommand = (now, number) => `acme/${car}/${begin + now}/${1000 * life + number}`;
    world.onStep = (before, input, { now, settings }, { session: after, effects }) =>
      recorder.onTurn({ car, at: begin + now, settings, input, before, after, effects });
    for (const action of actions) world.act(action);
    time = begin + world.now + 1;
    await recorder.stop();
    // The start of a server is a part of ids.
    while (Math.floor(wallTime()) === epoch) await settled();
  }
}

/** What the events of the log tell of all commands, the newest first. */
async function allOf(directory: string) {
  using reader = new LogReader({ directory });
  const { events } = await reader.read(Infinity);
  const commands = new Map<string, { car: string; states: string[]; epoch: number }>();
  let last = 0;
  for (const { id, kind, car, data: { command } } of events) {
    const epoch = last = Number(id.split("/")[2]);
    if (typeof command !== "string" || car === null) continue;
    const state = kind.replace("command.", "");
    const known = commands.get(command);
    if (known === undefined) commands.set(command, { car, states: [state], epoch });
    else {
      known.states.push(state);
      known.epoch = epoch;
    }
  }
  for (const { states, epoch } of commands.values()) {
    const isGoing = ["popped", "queued", "sent"].includes(states.at(-1) ?? "");
    if (isGoing && epoch < last) states.push("lost");
  }
  return [...commands].map(([id, { car, states }]) => `${id} ${car} ${states.join(" ")}`)
    .toReversed();
}

function line({ id, car, changes }: LedgerCommand): string {
  return `${id} ${car} ${changes.map(({ state }) => state).join(" ")}`;
}

/** All pages, one after the other. */
async function pagesOf(ledger: CommandLedger, query: CommandQuery): Promise<string[]> {
  const lines: string[] = [];
  let before: string | undefined;
  do {
    const page = await ledger.list({ ...query, before });
    assert.ok(page !== undefined && page.commands.length <= query.limit);
    lines.push(...page.commands.map(line));
    before = page.next ?? undefined;
  } while (before !== undefined);
  return lines;
}

Deno.test("CommandLedger lists every command of a log once, with all that the log tells of it", async () => {
  await using folder = await TempFolder.make();
  const directory = folder.file("log");
  await writeLog(directory);
  const expected = await allOf(directory);
  assert.ok(expected.length > 100, `${expected.length} commands`);
  assert.ok((await segmentNumbers(directory)).length > 10);
  for (const state of ["accepted", "refused", "superseded", "expired", "dropped", "lost"]) {
    assert.ok(expected.some((one) => one.endsWith(` ${state}`)), state);
  }
  for (const [limit, pageBytes] of [[1000, 1e9], [7, 1e9], [1000, 1], [7, 1]] as const) {
    const ledger = new CommandLedger(directory, pageBytes);
    assert.deepEqual(await pagesOf(ledger, { limit }), expected);
    const car = "car_1";
    assert.deepEqual(
      await pagesOf(ledger, { limit, car }),
      expected.filter((one) => one.includes(" car_1 ")),
    );
    const states = ["lost", "refused"] as const;
    assert.deepEqual(
      await pagesOf(ledger, { limit, states }),
      expected.filter((one) => states.some((state) => one.endsWith(` ${state}`))),
    );
  }
  // Without what was remembered of the pages before.
  const first = new CommandLedger(directory);
  const { next } = await first.list({ limit: 20 }) ?? {};
  assert.ok(next);
  const other = await new CommandLedger(directory).list({ limit: 1000, before: next });
  assert.deepEqual(other?.commands.map(line), expected.slice(20));
  for (const expectedLine of expected) {
    const [id = ""] = expectedLine.split(" ");
    const found = await first.get(id);
    assert.equal(found && line(found), expectedLine);
  }
});

Deno.test("CommandLedger reads a large segment in slices, and keeps the beginning of large commands", async () => {
  await using recording = await Recording.make();
  const { car, context } = await recording.car().then((fixture) => ({
    car: fixture.car,
    context: fixture.context(7),
  }));
  for (let index = 0; index < 300; index++) {
    context.listener.onCommand({ device: FRONT, data: new Uint8Array(8192).fill(index) });
  }
  await car.stop();
  await recording.recorder.stop();
  let turns = 0;
  let isReading = true;
  const turned = new Promise<void>((resolve) => {
    const turn = () => isReading ? void (turns++, setImmediate(turn)) : resolve();
    setImmediate(turn);
  });
  const page = await new CommandLedger(recording.directory).list({ limit: 500 });
  isReading = false;
  await turned;
  assert.deepEqual([page?.commands.length, page?.next], [300, null]);
  const [newest] = page?.commands ?? [];
  assert.deepEqual([newest?.data.length, newest?.bytes], [1024, 8192]);
  // 2.4 MB, of which everything else waits for 32 KiB at most.
  assert.ok(turns >= 60, `${turns} turns of the event loop`);
});

Deno.test("CommandLedger says what it does not have, and that of a log that is not there yet", async () => {
  await using folder = await TempFolder.make();
  for (const directory of [folder.file("none"), folder.path]) {
    const ledger = new CommandLedger(directory);
    assert.deepEqual(await ledger.list({ limit: 10 }), { commands: [], next: null });
    for (const before of ["", "x", "1.2", "1.2.3.4", "-1.2.3", "1.end.x"]) {
      assert.equal(await ledger.list({ limit: 10, before }), undefined, before);
    }
    for (const id of ["", "acme/car_1/5/1", "acme/car_1/1e9/1", "a/b/c/d", "acme/car_1/5"]) {
      assert.equal(await ledger.get(id), undefined, id);
    }
  }
});
