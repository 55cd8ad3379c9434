// What survives a restart: documents are there whole, or as they were before.
import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import * as z from "zod";
import { Pauses } from "../../src/state/pauses.ts";
import { StateDirectory } from "../../src/state/state_directory.ts";
import { StateFile } from "../../src/state/state_file.ts";
import { ListLog } from "../support/list_log.ts";
import { TempFolder } from "../support/temp.ts";
import { settled, VirtualClock } from "../support/virtual_clock.ts";

const DOCUMENT = {
  name: "a.json",
  schema: z.strictObject({ format: z.literal(1).optional(), value: z.int() }),
};

async function opened(folder: TempFolder): Promise<StateDirectory> {
  const directory = new StateDirectory({ path: folder.file("state"), log: new ListLog() });
  await directory.open();
  return directory;
}

Deno.test("StateDirectory keeps a document for the next one, readable by its user alone", async () => {
  await using folder = await TempFolder.make();
  const directory = await opened(folder);
  assert.equal(await directory.read(DOCUMENT), undefined);
  assert.equal(await directory.file("a.json", () => ({ value: 7 })).save(), true);
  await directory.stop();
  const next = await opened(folder);
  assert.deepEqual(await next.read(DOCUMENT), { value: 7 });
  await next.stop();
  const entries = [...Deno.readDirSync(folder.file("state"))].map(({ name }) => name);
  assert.deepEqual(entries.sort(), ["a.json", "lock"]);
  const mode = async (path: string) => ((await Deno.stat(path)).mode ?? 0) & 0o777;
  assert.equal(await mode(folder.file("state/a.json")), 0o600);
  assert.equal(await mode(folder.file("state")), 0o700);
});

Deno.test("StateDirectory names the file and what is wrong with it", async () => {
  await using folder = await TempFolder.make();
  const directory = await opened(folder);
  const path = folder.file("state/a.json");
  const wrong = {
    "not JSON": "{",
    "another version of the server wrote it, in format 2": '{"format": 2}',
    "format: ": '{"format": "x"}',
    "value: ": '{"value": "x"}',
    "is not UTF-8 text": "\xff",
  };
  for (const [reason, text] of Object.entries(wrong)) {
    await Deno.writeFile(path, Uint8Array.from(text, (letter) => letter.charCodeAt(0)));
    await assert.rejects(directory.read(DOCUMENT), ({ message }: Error) => {
      assert.ok(message.startsWith(`Cannot read "${path}": ${reason}`), message);
      return message.endsWith("; repair it, or remove it and what it keeps is forgotten");
    });
  }
  await Deno.remove(path);
  await Deno.mkdir(path);
  await assert.rejects(directory.read(DOCUMENT), /is a directory, not a regular file/);
  await directory.stop();
});

Deno.test("StateDirectory sets a document aside that cannot be used, and says so", async () => {
  await using folder = await TempFolder.make();
  const log = new ListLog();
  const directory = new StateDirectory({ path: folder.path, log });
  const path = folder.file("a.json");
  for (const text of ['{"value"', '{"value": "again"}']) {
    await folder.write("a.json", text);
    assert.equal(await directory.readOrSetAside(DOCUMENT), undefined);
    assert.equal(await Deno.readTextFile(`${path}.set-aside`), text);
    assert.equal(await directory.readOrSetAside(DOCUMENT), undefined);
  }
  assert.equal(
    log.texts("ERROR")[0],
    `Cannot read "${path}": not JSON. Renamed it to "${path}.set-aside", and goes on without it`,
  );
  assert.equal(log.texts("ERROR").length, 2);

  // What cannot be renamed would be overwritten.
  await folder.write("a.json", "{");
  await Deno.remove(`${path}.set-aside`);
  await Deno.mkdir(`${path}.set-aside`);
  await assert.rejects(directory.readOrSetAside(DOCUMENT), ({ message }: Error) => {
    return message.startsWith(`Cannot read "${path}": not JSON; nor can it be renamed to "`);
  });
  assert.equal(await Deno.readTextFile(path), "{");
});

Deno.test("StateDirectory says where it cannot write", async () => {
  await using folder = await TempFolder.make();
  await folder.write("file", "");
  const path = folder.file("file/state");
  const directory = new StateDirectory({ path, log: new ListLog() });
  await assert.rejects(directory.open(), ({ message }: Error) => {
    assert.match(message, /^Cannot keep state in ".*\/file\/state": .*give state_dir another$/);
    return true;
  });
});

/** A disk that a test commands. */
class TestDisk {
  readonly written: string[] = [];
  /** Of the last write. */
  slices = 0;
  /** What each write that has begun waits for. */
  readonly begun: PromiseWithResolvers<void>[] = [];

  readonly replace = async (_: string, slices: readonly Uint8Array[]) => {
    const end = Promise.withResolvers<void>();
    this.begun.push(end);
    await end.promise;
    this.slices = slices.length;
    const text = slices.map((slice) => new TextDecoder().decode(slice)).join("");
    this.written.push(JSON.parse(text));
  };
}

function onDisk(disk: TestDisk) {
  const log = new ListLog();
  const clock = new VirtualClock();
  const { replace } = disk;
  let value = 0;
  const file = new StateDirectory({ path: "/state", log, clock, replace })
    .file("a.json", () => value);
  const save = (next: number) => {
    value = next;
    return file.save();
  };
  return { file, save, log, clock };
}

Deno.test("StateFile writes all changes that come during a write at once", async () => {
  const disk = new TestDisk();
  const { save } = onDisk(disk);
  const saved = [1, 2, 3, 4].map(save);
  assert.equal(disk.begun.length, 1);
  disk.begun[0]?.resolve();
  await settled();
  assert.equal(disk.begun.length, 2);
  disk.begun[1]?.resolve();
  assert.deepEqual(await Promise.all(saved), [true, true, true, true]);
  assert.deepEqual(disk.written, [1, 4]);
});

Deno.test("StateFile tries again by itself, and says when it fails and when it works", async () => {
  const disk = new TestDisk();
  const { file, save, log, clock } = onDisk(disk);
  const saved = save(1);
  disk.begun[0]?.reject(new Error("disk full"));
  assert.equal(await saved, false);
  assert.equal(file.hasFailed, true);
  assert.deepEqual(log.texts("ERROR"), [
    'Cannot write "/state/a.json", what changed since would not survive a restart: disk full',
  ]);
  await clock.next();
  assert.equal(disk.begun.length, 2);
  disk.begun[1]?.resolve();
  await settled();
  assert.deepEqual([file.hasFailed, disk.written, clock.timers], [false, [1], 0]);
  assert.deepEqual(log.texts("INFO"), ['Writing "/state/a.json" works again']);
});

Deno.test("StateFile writes nothing that the next server could not read", async () => {
  const disk = new TestDisk();
  const [log, clock, path] = [new ListLog(), new VirtualClock(), "/state/a.json"];
  const { replace } = disk;
  const document = () => "x".repeat(100);
  const file = new StateFile({ path, log, clock, replace, content: { document }, maxBytes: 100 });
  assert.equal(await file.save(), false);
  assert.deepEqual([disk.begun, log.texts("ERROR")], [[], [
    'Cannot write "/state/a.json", what changed since would not survive a restart: ' +
    "it would have 103 bytes, more than 100",
  ]]);
  await file.stop();
});

Deno.test("StateFile makes a large document in slices, with other work in between", async () => {
  const disk = new TestDisk();
  const log = new ListLog();
  const directory = new StateDirectory({ path: "/state", log, replace: disk.replace });
  const part = "x".repeat(32 * 1024);
  let turns = 0;
  let isOver = false;
  /** In which turn each part was made. */
  const made: number[] = [];
  const other = (async () => {
    for (; !isOver; turns++) await setImmediate();
  })();
  const file = directory.largeFile("a.json", function* () {
    yield "[";
    for (let index = 0; index < 100; index++) {
      made.push(turns);
      yield `${index === 0 ? "" : ","}"${part}"`;
    }
    yield "]";
  });
  const saved = file.save();
  while (disk.begun.length === 0) await setImmediate();
  disk.begun[0]?.resolve();
  assert.equal(await saved, true);
  isOver = true;
  await other;
  assert.deepEqual(disk.written, [new Array(100).fill(part)]);
  assert.ok(disk.slices >= 25, `${disk.slices} slices`);
  for (const turn of new Set(made)) {
    assert.ok(made.filter((one) => one === turn).length <= 8, "two slices a turn at most");
  }
});

Deno.test("StateFile keeps no answer waiting for a disk that hangs, nor the end", async () => {
  const disk = new TestDisk();
  const { file, save, clock } = onDisk(disk);
  const saved = save(1);
  await clock.advance(5000);
  assert.equal(await saved, false);
  assert.equal(file.hasFailed, true);
  const stopped = file.stop();
  await clock.advance(2000);
  await stopped;
  assert.equal(await save(2), false);
  assert.deepEqual([disk.begun.length, clock.timers], [1, 0]);
});

Deno.test("StateFile writes at its end what a failure has left", async () => {
  const disk = new TestDisk();
  const { file, save, clock } = onDisk(disk);
  const saved = save(1);
  disk.begun[0]?.reject(new Error("disk full"));
  await saved;
  const stopped = file.stop();
  disk.begun[1]?.resolve();
  await stopped;
  assert.deepEqual([disk.written, clock.timers], [[1], 0]);
});

Deno.test("Pauses outlive their owner, with who, when and why; the first pause of a car counts", async () => {
  await using folder = await TempFolder.make();
  const directory = await opened(folder);
  const pauses = new Pauses(directory, new ListLog());
  await pauses.load();
  const first = { by: "desk", at: Date.UTC(2026, 10, 20, 23, 46), reason: "brakes" };
  const second = { by: "other", at: first.at + 1, reason: "" };
  assert.equal(await pauses.add(["car_a"], first), true);
  assert.equal(await pauses.add(["car_a", "car_b", "car_c"], second), true);
  assert.equal(await pauses.remove(["car_b"]), true);
  await directory.stop();
  const log = new ListLog();
  const after = await opened(folder);
  const next = new Pauses(after, log);
  await next.load();
  assert.deepEqual([next.get("car_a"), next.get("car_b"), next.get("car_c")], [
    first,
    undefined,
    second,
  ]);
  assert.equal(next.areKept, true);
  assert.deepEqual(log.lines.map(({ car, text }) => `${car}: ${text}`), [
    'car_a: Still paused: by "desk" since 2026-11-20 23:46 UTC: brakes',
    'car_c: Still paused: by "other" since 2026-11-20 23:46 UTC',
  ]);
  await after.stop();
});

Deno.test("Pauses refuse a time that is no date, and name it", async () => {
  await using folder = await TempFolder.make();
  const pause = { by: "desk", at: 1e300, reason: "" };
  await folder.write("pauses.json", JSON.stringify({ format: 1, pauses: { car_a: pause } }));
  const directory = new StateDirectory({ path: folder.path, log: new ListLog() });
  const pauses = new Pauses(directory, new ListLog());
  await assert.rejects(pauses.load(), /^StateError: Cannot read ".*": pauses\.car_a\.at: /);
});

Deno.test("Pauses without a directory last as long as they do, and say so", async () => {
  const pauses = new Pauses(undefined, new ListLog());
  await pauses.load();
  assert.equal(await pauses.add(["car_a"], { by: "desk", at: 1, reason: "" }), true);
  assert.deepEqual([pauses.get("car_a")?.by, pauses.areKept], ["desk", false]);
});
