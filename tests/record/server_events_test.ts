// What operators and the server do, in the same log as what happens to cars.
import assert from "node:assert/strict";
import { crc32 } from "node:zlib";
import { recorderOf } from "../../src/app/recording.ts";
import { runLog } from "../../src/cli/log.ts";
import { runReplay } from "../../src/cli/replay.ts";
import { AuditList } from "../../src/http/access/audit.ts";
import { EVENT_KINDS, type LogEvent } from "../../src/record/log_event.ts";
import { LogReader } from "../../src/record/log_reader.ts";
import { readSegment } from "../../src/record/segment.ts";
import { VERSION } from "../../src/version.ts";
import { CarFixture } from "../car/car_fixture.ts";
import { FRONT } from "../car/support.ts";
import { ListLog } from "../support/list_log.ts";
import { TempFolder } from "../support/temp.ts";
import { VirtualClock } from "../support/virtual_clock.ts";
import { Recording } from "./support.ts";

/** A log of the version before there were such events. */
const FORMER = new URL("../fixtures/event_log_2", import.meta.url).pathname;
const NAME = "00000001.rec";

async function eventsIn(directory: string): Promise<readonly LogEvent[]> {
  using reader = new LogReader({ directory, onDamage: (_, { why }) => assert.fail(why) });
  return (await reader.read(Infinity)).events;
}

async function command(
  run: (output: { out(line: string): void; err(line: string): void }) => Promise<number>,
): Promise<{ readonly status: number; readonly lines: string[] }> {
  const lines: string[] = [];
  const add = (line: string) => void lines.push(line);
  return { status: await run({ out: add, err: add }), lines };
}

/** A log with all that a server says of itself and its operators. */
async function written(directory: string): Promise<void> {
  const eventLog = { directory, durability: "batch", maxBytes: 0, maxAgeHours: 0 } as const;
  const config = { eventLog, company: "acme", cars: { length: 2 } };
  const part = await recorderOf(config, new ListLog());
  assert.ok(part);
  await part.start();
  for (const car of ["car_1", "car_2"]) {
    new CarFixture({ settings: { car }, subscribers: [part] }).up().run([FRONT]);
  }
  const audit = new AuditList(new ListLog(), new VirtualClock(), undefined, part.onAction);
  const desk = { name: "desk", from: "10.0.0.7" };
  const cars = ["car_1", "no_car", "car_2"];
  const pause = { action: "fleet.pause", cars, detail: "brake check" };
  audit.add(desk, { ...pause, kind: "action", result: "2 done, 1 no such car" });
  audit.add(desk, { kind: "action", action: "car.pause", cars: ["no_car"], result: "none" });
  for (let index = 0; index < 5; index++) {
    audit.add(desk, { ...pause, kind: "refused", cars: [], detail: "", result: "no" });
  }
  audit.add(desk, { kind: "log_in", action: "log_out", result: "done" });
  const report = {
    applied: true,
    added: ["car_3"],
    removed: [],
    changed: [],
    untouched: 2,
    reconnecting: 0,
    settings: [],
    needsRestart: [],
    warnings: [],
    problems: [],
  };
  part.onReloaded(report, "reloaded: 1 car added");
  part.onReloaded({ ...report, applied: false, problems: ["x".repeat(3000)] }, "not reloaded");
  part.onHostLost?.({
    host: 3,
    reason: "crashed",
    signal: "SIGSEGV",
    contexts: [{ car: "car_1", module: 7, blame: "likely" }],
  });
  await part.stop();
}

Deno.test("the log has what operators and the server do, among what happens to cars", async () => {
  await using folder = await TempFolder.make();
  const directory = folder.file("events");
  await written(directory);
  const events = await eventsIn(directory);
  for (const { kind } of events) assert.ok(EVENT_KINDS.includes(kind), kind);
  const by = { who: "desk", from: "10.0.0.7" };
  const reload = { added: 1, removed: 0, changed: 0, untouched: 2, reconnecting: 0 };
  const pause = { ...by, action: "fleet.pause" };
  const paused = { ...pause, detail: "brake check", result: "2 done, 1 no such car", cars: 3 };
  const told = events.filter(({ kind }) => /^(operator|config|server|host)\./.test(kind));
  assert.match(String(told[0]?.data.version), new RegExp(`^external-server ${VERSION} `));
  assert.deepEqual(
    told.slice(1).map(({ kind, car, data }) => [kind, car, data]),
    [
      ["operator.action", "car_1", paused],
      ["operator.action", "car_2", paused],
      // The name is not one of a car.
      ["operator.action", null, { ...by, action: "car.pause", result: "none" }],
      ["operator.refused", null, { ...pause, result: "no" }],
      ["operator.log_in", null, { ...by, action: "log_out", result: "done" }],
      ["config.reloaded", null, { ...reload, text: "reloaded: 1 car added" }],
      ["config.refused", null, { ...reload, text: `not reloaded\n${"x".repeat(1987)}...` }],
      [
        "host.lost",
        "car_1",
        { module: 7, blame: "likely", host: 3, reason: "crashed", signal: "SIGSEGV" },
      ],
      ["server.stopped", null, {}],
    ],
  );
  assert.equal(new Set(events.map(({ id }) => id)).size, events.length);
  const replayed = await command((output) => runReplay({ directory }, output));
  assert.equal(replayed.status, 0);
  assert.match(replayed.lines.join("\n"), /^2 cars, \d+ turns, 0 cars differ$/);
});

Deno.test("log shows people what operators and the server do, by car and kind", async () => {
  await using folder = await TempFolder.make();
  await written(folder.path);
  const { signal } = new AbortController();
  const shown = async (options: object) => {
    const { lines } = await command((output) =>
      runLog({ directory: folder.path, ...options }, output, signal)
    );
    return lines.map((line) => line.replace(/^[\dT:.-]+Z/, "TIME"));
  };
  assert.deepEqual(await shown({ car: "car_2", kind: "operator" }), [
    "TIME  car_2  operator.action    who=desk  from=10.0.0.7  action=fleet.pause  " +
    "detail=brake check  result=2 done, 1 no such car  cars=3  [session=s1]",
  ]);
  assert.deepEqual(await shown({ kind: "server.stopped" }), ["TIME  -  server.stopped     "]);
  const [line = ""] = await shown({ kind: "operator.log_in", json: true });
  assert.deepEqual({ ...JSON.parse(line), id: "", at: "" }, {
    id: "",
    at: "",
    car: null,
    session: null,
    device: null,
    counter: null,
    kind: "operator.log_in",
    data: { who: "desk", from: "10.0.0.7", action: "log_out", result: "done" },
    payload: null,
  });
});

Deno.test("a log of the version before there were such events is read, replayed and continued", async () => {
  await using folder = await TempFolder.make();
  await Deno.copyFile(`${FORMER}/${NAME}`, folder.file(NAME));
  const before = await eventsIn(folder.path);
  assert.deepEqual(
    before.map(({ kind }) => kind).filter((kind) => !kind.startsWith("status")),
    [
      "module.back",
      "broker.up",
      "device.connected",
      "command.sent",
      "session.started",
      "operator.paused",
      "device.left",
      "session.ended",
      "operator.resumed",
    ],
  );
  const replayed = await command((output) => runReplay({ directory: folder.path }, output));
  assert.deepEqual(replayed, { status: 0, lines: ["1 cars, 17 turns, 0 cars differ"] });
  await using recording = await Recording.make({ directory: folder.path });
  recording.recorder.note(null, 0, [{ kind: "server.stopped" }]);
  await recording.recorder.stop();
  assert.equal(recording.recorder.counts.end.records, 18);
  const after = await eventsIn(folder.path);
  assert.deepEqual(after.slice(0, before.length), before);
  assert.deepEqual(after.slice(before.length).map(({ kind }) => kind), ["server.stopped"]);
});

/** Behind the frame and the head of the array. */
const TAG_AT = 10;

Deno.test("records of a later version are counted and passed over", async () => {
  await using recording = await Recording.make();
  const { directory, recorder } = recording;
  recorder.note(null, 0, [{ kind: "server.started" }]);
  await recording.car();
  await recorder.stop();
  const path = `${directory}/${NAME}`;
  const bytes = await Deno.readFile(path);
  const [head, first] = readSegment(bytes);
  assert.ok(head && first && first.record.kind === "events");
  bytes[head.end + TAG_AT] = (bytes[head.end + TAG_AT] ?? 0) + 1;
  const body = bytes.subarray(head.end + 8, first.end);
  new DataView(bytes.buffer).setUint32(head.end + 4, crc32(body), true);
  await Deno.writeFile(path, bytes);
  using reader = new LogReader({ directory, onDamage: (_, { why }) => assert.fail(why) });
  const { events } = await reader.read(Infinity);
  assert.ok(events.length > 3 && events.every(({ car }) => car === "car_1"));
  assert.deepEqual(reader.position, recorder.counts.end);
  // A start does not cut them off.
  await using next = await Recording.make({ directory });
  await next.recorder.start();
  assert.equal(next.recorder.counts.end.records, recorder.counts.end.records);
});
