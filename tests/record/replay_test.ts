// Replaying: today's session may differ from the one that was recorded.
import assert from "node:assert/strict";
import { runReplay } from "../../src/cli/replay.ts";
import { firstDifference, shownValue } from "../../src/record/difference.ts";
import {
  readSegment,
  type RecordedTurn,
  SEGMENT_HEADER,
  writeHead,
  writeTurn,
} from "../../src/record/segment.ts";
import { ValueWriter } from "../../src/record/values.ts";
import { FRONT } from "../car/support.ts";
import { settled } from "../support/virtual_clock.ts";
import { Recording } from "./support.ts";

/** Runs the command; what it prints. */
async function run(directory: string, options: { car?: string; print?: boolean } = {}) {
  const lines: string[] = [];
  const problems: string[] = [];
  const output = {
    out: (line: string) => void lines.push(line),
    err: (line: string) => void problems.push(line),
  };
  const status = await runReplay({ directory, ...options }, output);
  return { status, lines, problems };
}

/** Two cars with a session each. */
async function twoCars(): Promise<Recording> {
  const recording = await Recording.make();
  for (const name of ["car_1", "car_2"]) {
    const fixture = await recording.car({ settings: { car: name } });
    fixture.clock.pass(1234);
    fixture.status(FRONT, { data: "{}" });
    await settled();
  }
  await recording.recorder.stop();
  return recording;
}

const FILE = "00000001.rec";

/** Writes a recording again, with other turns. */
async function rewrite(
  { directory }: Recording,
  change: (turn: RecordedTurn, index: number) => RecordedTurn,
): Promise<void> {
  const writer = new ValueWriter();
  const path = `${directory}/${FILE}`;
  let index = 0;
  for (const { record } of readSegment(await Deno.readFile(path))) {
    if (record.kind === "head") writeHead(writer, record);
    else if (record.kind === "turn") writeTurn(writer, change(record, index++));
  }
  await Deno.writeFile(path, Uint8Array.of(...SEGMENT_HEADER, ...writer.take()));
}

Deno.test("replay finds no difference where there is none", async () => {
  await using recording = await twoCars();
  const { status, lines, problems } = await run(recording.directory);
  assert.deepEqual(problems, []);
  assert.deepEqual(lines, [`2 cars, ${recording.turns.length} turns, 0 cars differ`]);
  assert.equal(status, 0);
});

Deno.test("replay reports the first difference of each car", async () => {
  await using recording = await twoCars();
  const { turns } = recording;
  const index = turns.findLastIndex(({ car, input: { type } }) =>
    car === "car_1" && type === "forwarded"
  );
  await rewrite(recording, (turn, at) => {
    if (at !== index) return turn;
    const [effect] = turn.effects;
    assert.ok(effect?.type === "publish" && effect.message.kind === "status_response");
    const message = { ...effect.message, messageCounter: 77 };
    return { ...turn, effects: [{ ...effect, message }] };
  });
  const { status, lines } = await run(recording.directory);
  assert.equal(status, 1);
  const [head, input, recorded, today, total] = lines;
  const own = turns.slice(0, index + 1).filter(({ car }) => car === "car_1").length;
  assert.equal(
    head,
    `car_1: turn ${own}, at 1970-01-01T00:00:01.234Z, differs in effects[0].message.messageCounter`,
  );
  assert.match(input ?? "", /^ {2}input {5}\{"type":"forwarded","epoch":\d+,"counter":1\}$/);
  assert.deepEqual([recorded, today], ["  recorded  77", "  today     1"]);
  assert.match(total ?? "", /^2 cars, \d+ turns, 1 cars differ$/);
  assert.deepEqual((await run(recording.directory, { car: "car_2" })).status, 0);
});

Deno.test("replay reports a session that throws today", async () => {
  await using recording = await twoCars();
  await rewrite(recording, (turn) => {
    if (turn.car !== "car_2" || turn.input.type !== "message") return turn;
    return { ...turn, input: { type: "message", message: { kind: "connect" } as never } };
  });
  const { status, lines } = await run(recording.directory);
  assert.equal(status, 1);
  assert.match(
    lines.join("\n"),
    /car_2: turn \d+, .* differs in effects\n.*\n.*\n {2}today {5}"a defect: TypeError/,
  );
});

Deno.test("replay --print tells what happened to a car", async () => {
  await using recording = await twoCars();
  const { status, lines } = await run(recording.directory, { car: "car_1", print: true });
  assert.equal(status, 0);
  const text = lines.join("\n");
  assert.match(
    text,
    /^1970-01-01T00:00:00\.000Z {2}car_1 {2}INFO {6}Device connected {2}\(session s1, device 7\/1\/front\)$/m,
  );
  assert.match(text, /Connect sequence done, 1 of 1 devices connected/);
  assert.doesNotMatch(text, /car_2/);
});

Deno.test("replay says what it skips of a truncated recording, and replays the rest", async () => {
  await using recording = await twoCars();
  const path = `${recording.directory}/${FILE}`;
  const { size } = await Deno.stat(path);
  await Deno.truncate(path, size - 3);
  const { status, lines, problems } = await run(recording.directory);
  assert.equal(status, 0);
  assert.match(lines.join(), new RegExp(`, ${recording.turns.length - 1} turns, 0 cars differ`));
  assert.match(
    problems.join("\n"),
    /^warning: ".*00000001\.rec": left out \d+ bytes from byte \d+ on: a record is truncated$/,
  );
});

Deno.test("replay fails without a directory, a recording or the car", async () => {
  await using recording = await twoCars();
  const { directory } = recording;
  const cases = [
    [await run(`${directory}/none`), /^error: Cannot replay ".*\/none": no such file$/],
    [
      await run(directory, { car: "x" }),
      /^error: Cannot replay ".*": expected an event log of the car "x": found none$/,
    ],
  ] as const;
  for (const [{ status, problems }, expected] of cases) {
    assert.equal(status, 1);
    assert.match(problems.join("\n"), expected);
  }
  await Deno.remove(`${directory}/${FILE}`);
  assert.match((await run(directory)).problems.join(), /expected an event log: found none/);
});

Deno.test("firstDifference() says where, and tells a missing field from one that is undefined", () => {
  const at = (recorded: unknown, today: unknown) => firstDifference(recorded, today)?.path;
  const bytes = Uint8Array.of(1, 2);
  assert.equal(at({ a: [1, { b: bytes }] }, { a: [1, { b: Uint8Array.of(1, 2) }] }), undefined);
  assert.equal(at({ a: [1, { b: bytes }] }, { a: [1, { b: Uint8Array.of(1, 3) }] }), "a[1].b");
  assert.equal(at({ b: bytes }, { b: Uint8Array.of(1) }), "b");
  assert.equal(at({ b: bytes }, { b: [1, 2] }), "b");
  assert.equal(at({ b: [1, 2] }, { b: bytes }), "b");
  assert.equal(at({ a: undefined }, {}), "a");
  assert.equal(at({}, { a: undefined }), "a");
  assert.equal(at([], {}), "");
  assert.equal(at([1], [1, 2]), "[1]");
  assert.equal(at({ a: NaN, b: null }, { a: NaN, b: undefined }), "b");
  assert.equal(at({ a: 0 }, { a: -0 }), "a");
});

Deno.test("shownValue() shows bytes, numbers that JSON lacks, and no more than fits a line", () => {
  assert.equal(
    shownValue({ a: Uint8Array.of(1, 255), b: Infinity }),
    '{"a":"2 bytes: 01 ff","b":"Infinity"}',
  );
  assert.equal(shownValue(undefined), "nothing");
  assert.equal(shownValue("x".repeat(1000)).length, 203);
});
