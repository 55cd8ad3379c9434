// The command log: what it shows, and what it is asked for.
import assert from "node:assert/strict";
import { runLog } from "../../src/cli/log.ts";
import { moment } from "../../src/cli/moment.ts";
import { FRONT } from "../car/support.ts";
import { Recording } from "../record/support.ts";
import { settled } from "../support/virtual_clock.ts";
import { Inbox, waitFor } from "../support/wait.ts";

type Options = Partial<Parameters<typeof runLog>[0]>;

async function run(directory: string, options: Options = {}) {
  const lines: string[] = [];
  const problems: string[] = [];
  const output = {
    out: (line: string) => void lines.push(line),
    err: (line: string) => void problems.push(line),
  };
  const { signal } = new AbortController();
  const status = await runLog({ directory, ...options }, output, signal);
  return { status, lines, problems };
}

/** Two cars with a status each, one second apart. */
async function twoCars(): Promise<Recording> {
  const recording = await Recording.make();
  for (const car of ["car_1", "car_2"]) {
    const fixture = await recording.car({ settings: { car } });
    fixture.clock.pass(1000);
    fixture.status(FRONT, { data: '{"bell":"\\u0007"}' });
    fixture.status(FRONT, { data: "\u0007", error: "broken" });
    await settled();
  }
  await recording.recorder.stop();
  return recording;
}

Deno.test("log shows each event as a line, and leaves out what was not asked for", async () => {
  await using recording = await twoCars();
  const { directory } = recording;
  const all = await run(directory);
  assert.deepEqual([all.status, all.problems], [0, []]);
  assert.ok(
    all.lines.includes(
      '1970-01-01T00:00:01.000Z  car_1  status.accepted    7/1/front  #1  state=1  {"bell":"\\u0007"}  [session=s1]',
    ),
    all.lines.join("\n"),
  );
  assert.ok(all.lines.every((line) => !line.includes("\u0007")));
  const errors = await run(directory, { car: "car_2", kind: "status.error" });
  assert.equal(errors.lines.length, 1);
  assert.match(errors.lines[0] ?? "", / car_2 {2}status\.error .* broken /);
  const commands = await run(directory, { kind: "command" });
  assert.deepEqual(
    new Set(commands.lines.map((line) => line.split(/ +/)[2])),
    new Set(["command.sent"]),
  );
  const late = await run(directory, { from: 1 });
  assert.ok(late.lines.length > 0 && late.lines.length < all.lines.length);
  const early = await run(directory, { to: 0 });
  assert.equal(early.lines.length + late.lines.length, all.lines.length);
});

Deno.test("log --json writes NDJSON", async () => {
  await using recording = await twoCars();
  const { lines } = await run(recording.directory, { json: true, kind: "status.accepted" });
  const [, event] = lines.map((line) => JSON.parse(line));
  assert.deepEqual({ ...event, id: "" }, {
    id: "",
    at: "1970-01-01T00:00:01.000Z",
    car: "car_1",
    session: "s1",
    device: { module: 7, type: 1, role: "front", name: FRONT.deviceName },
    counter: 1,
    kind: "status.accepted",
    data: { state: 1 },
    payload: { text: '{"bell":"\\u0007"}' },
  });
});

Deno.test("log --follow goes on until it is stopped", async () => {
  await using recording = await Recording.make();
  const { directory, recorder, clock } = recording;
  await recorder.start();
  const fixture = await recording.car();
  const shown = new Inbox<string>();
  const output = { out: (line: string) => shown.push(line), err: assert.fail };
  const stop = new AbortController();
  const running = runLog({ directory, follow: true, kind: "operator" }, output, stop.signal);
  for (const action of ["pause", "resume"] as const) {
    fixture.car[action]();
    clock.pass(200);
    assert.match(await shown.next(action), new RegExp(`operator\\.${action}`));
  }
  stop.abort();
  assert.equal(await waitFor(running, "the end"), 0);
});

Deno.test("log fails without a directory, or an event that was asked for", async () => {
  await using recording = await twoCars();
  const none = await run(`${recording.directory}/none`);
  assert.equal(none.status, 1);
  assert.match(none.problems.join(), /^error: Cannot show ".*\/none": no such file$/);
  const nobody = await run(recording.directory, { car: "x" });
  assert.equal(nobody.status, 1);
  assert.match(nobody.problems.join(), /^error: Cannot show ".*": expected events: found none$/);
});

Deno.test("moment() reads dates, and how long ago", () => {
  const now = Date.UTC(2026, 10, 20);
  assert.equal(moment("90s", now), now - 90_000);
  assert.equal(moment("15m", now), now - 900_000);
  assert.equal(moment("2h", now), now - 7_200_000);
  assert.equal(moment("3d", now), now - 259_200_000);
  assert.equal(moment("2026-11-20", now), now);
  assert.equal(moment("2026-11-20T01:00:00Z", now), now + 3_600_000);
  for (const text of ["", "x", "15", "m", "1.5h", "-1h", "2026-13-01", "15M"]) {
    assert.equal(moment(text, now), undefined, text);
  }
});
