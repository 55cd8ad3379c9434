// The logger as a whole, on real files [LOG-LINE] [LOG-FILE].
import assert from "node:assert/strict";
import type { LoggingConfig } from "../../src/log/settings.ts";
import { LogDirectoryError } from "../../src/log/errors.ts";
import { LOG_FILE_NAME, type Logging, startLogging } from "../../src/log/logging.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";

const TIME = new Date(2026, 10, 20, 23, 46, 42, 669).getTime();
const date = () => TIME;

function configOf(
  file: Partial<LoggingConfig["file"]>,
  console: Partial<LoggingConfig["console"]> = {},
): LoggingConfig {
  return {
    console: { use: false, level: "DEBUG", format: "text", ...console },
    file: {
      use: true,
      level: "DEBUG",
      format: "text",
      directory: "",
      maxBytes: 0,
      keep: 5,
      ...file,
    },
  };
}

/** A console that remembers. */
function memoryConsole() {
  const chunks: string[] = [];
  return {
    text: () => chunks.join(""),
    write: (bytes: Uint8Array) => {
      chunks.push(new TextDecoder().decode(bytes));
      return Promise.resolve(bytes.length);
    },
  };
}

async function namesIn(folder: TempFolder): Promise<string[]> {
  const names: string[] = [];
  for await (const entry of Deno.readDir(folder.path)) names.push(entry.name);
  return names.sort();
}

Deno.test("startLogging() writes the line that pipelines parse to the file, to the byte [LOG-LINE] [LOG-FILE]", async () => {
  await using folder = await TempFolder.make();
  const directory = folder.file("made/for/it");
  const logging = await startLogging(configOf({ directory }), { date });
  logging.log.forCar("car_a").info("message");
  await logging.stop();
  assert.equal(
    await Deno.readTextFile(`${directory}/external_server.log`),
    "[2026-11-20 23:46:42.669] [external-server] [INFO]\t (car_a)\tmessage\n",
  );
});

Deno.test("startLogging() gives each sink its own level and format", async () => {
  await using folder = await TempFolder.make();
  const memory = memoryConsole();
  const logging = await startLogging(
    configOf({ directory: folder.path, level: "INFO" }, {
      use: true,
      level: "ERROR",
      format: "json",
    }),
    { date, writeConsole: memory.write },
  );
  logging.log.debug("nobody");
  logging.log.warning("file only");
  logging.log.critical("both", { session: "s" });
  await logging.stop();
  const file = await Deno.readTextFile(folder.file(LOG_FILE_NAME));
  assert.deepEqual(file.trimEnd().split("\n").map((line) => line.split("\t")[2]), [
    "file only",
    "both [session=s]",
  ]);
  const { level, session, message } = JSON.parse(memory.text());
  assert.deepEqual({ level, session, message }, {
    level: "CRITICAL",
    session: "s",
    message: "both",
  });
});

Deno.test("debug() never builds the text of a level that is off", async () => {
  await using folder = await TempFolder.make();
  const logging = await startLogging(configOf({ directory: folder.path, level: "INFO" }));
  const car = logging.log.forCar("car_a");
  let built = 0;
  const message = () => `built ${++built}`;
  for (const log of [logging.log, car]) {
    log.debug(message);
    assert.equal(log.isEnabled("DEBUG"), false);
  }
  assert.equal(built, 0);
  car.info(message);
  assert.equal(built, 1);
  await logging.stop();
  car.critical(message);
  assert.equal(built, 1);
});

Deno.test("info() builds its text once for two sinks", async () => {
  await using folder = await TempFolder.make();
  const memory = memoryConsole();
  const logging = await startLogging(configOf({ directory: folder.path }, { use: true }), {
    writeConsole: memory.write,
  });
  let built = 0;
  logging.log.info(() => `built ${++built}`);
  await logging.stop();
  assert.equal(built, 1);
  assert.match(memory.text(), /built 1\n$/);
});

Deno.test("isEnabled() is false for every level when no sink is in use", async () => {
  const logging = await startLogging(configOf({ use: false }));
  assert.equal(logging.log.isEnabled("CRITICAL"), false);
  logging.setLevel("DEBUG");
  assert.equal(logging.log.isEnabled("CRITICAL"), false);
});

Deno.test("setLevel() changes one car, all cars, and goes back, while running", async () => {
  const memory = memoryConsole();
  const logging = await startLogging(configOf({ use: false }, { use: true, level: "WARNING" }), {
    writeConsole: memory.write,
  });
  const a = logging.log.forCar("car_a");
  const b = logging.log.forCar("car_b");
  const enabled = () => [logging.log, a, b].map((log) => log.isEnabled("DEBUG"));
  assert.deepEqual(enabled(), [false, false, false]);
  logging.setLevel("DEBUG", "car_a");
  assert.deepEqual(enabled(), [false, true, false]);
  a.debug("a speaks");
  b.debug("b does not");
  logging.setLevel("DEBUG");
  logging.setLevel("ERROR", "car_a");
  assert.deepEqual(enabled(), [true, false, true]);
  a.warning("a does not");
  b.debug("b speaks");
  logging.setLevel(undefined);
  logging.setLevel(undefined, "car_a");
  assert.deepEqual(enabled(), [false, false, false]);
  assert.equal(logging.log.forCar("car_a").isEnabled("WARNING"), true);
  await logging.stop();
  const messages = memory.text().trimEnd().split("\n").map((line) => line.split("\t")[2]);
  assert.deepEqual(messages, ["a speaks", "b speaks"]);
});

Deno.test("configureLevels() changes each sink separately, and yields to setLevel()", async () => {
  await using folder = await TempFolder.make();
  const memory = memoryConsole();
  const config = (file: "DEBUG" | "INFO", console: "INFO" | "ERROR") =>
    configOf({ directory: folder.path, level: file }, { use: true, level: console });
  const logging = await startLogging(config("INFO", "ERROR"), { writeConsole: memory.write });
  const car = logging.log.forCar("car_a");
  car.debug("neither takes this");
  logging.configureLevels(config("DEBUG", "INFO"));
  car.debug("the file does");
  car.info("both do");
  logging.setLevel("ERROR", "car_a");
  logging.configureLevels(config("INFO", "INFO"));
  car.info("the car is quiet");
  logging.setLevel(undefined, "car_a");
  logging.log.debug("neither takes this, either");
  logging.log.info("the end");
  await logging.stop();
  const messages = (text: string) => text.trimEnd().split("\n").map((line) => line.split("\t")[2]);
  assert.deepEqual(messages(memory.text()), ["both do", "the end"]);
  assert.deepEqual(messages(await Deno.readTextFile(folder.file(LOG_FILE_NAME))), [
    "the file does",
    "both do",
    "the end",
  ]);
});

Deno.test("startLogging() keeps the lines of two loggers in one process apart", async () => {
  await using one = await TempFolder.make();
  await using two = await TempFolder.make();
  const first = await startLogging(configOf({ directory: one.path }), { date });
  const second = await startLogging(configOf({ directory: two.path, level: "ERROR" }), { date });
  second.log.error("second");
  first.log.debug("first");
  await second.stop();
  first.log.debug("first goes on");
  await first.stop();
  const read = async (folder: TempFolder) =>
    (await Deno.readTextFile(folder.file(LOG_FILE_NAME))).split("\n").map((l) => l.split("\t")[2]);
  assert.deepEqual(await read(one), ["first", "first goes on", undefined]);
  assert.deepEqual(await read(two), ["second", undefined]);
});

Deno.test("error() is in the file at once, info() after a while, without a stop", async () => {
  await using folder = await TempFolder.make();
  const logging = await startLogging(configOf({ directory: folder.path }));
  const holds = (text: string) => async () =>
    (await Deno.readTextFile(folder.file(LOG_FILE_NAME))).includes(text);
  logging.log.info("first");
  logging.log.error("urgent");
  assert.ok(await holds("urgent")(), "an error waits for nothing");
  logging.log.info("patient");
  await waitFor(holds("patient"), "the line to be flushed");
  await logging.stop();
});

async function writeMany(logging: Logging, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    logging.log.info(`line ${i}`);
    if (i % 10 === 9) await logging.flush();
  }
  await logging.stop();
}

Deno.test("startLogging() rotates at maxBytes and keeps the given number of old files", async () => {
  await using folder = await TempFolder.make();
  const logging = await startLogging(configOf({ directory: folder.path, maxBytes: 1000, keep: 2 }));
  await writeMany(logging, 200);
  assert.deepEqual(
    await namesIn(folder),
    [1, 2].reduce(
      (names, n) => [...names, `${LOG_FILE_NAME}.${n}`],
      [LOG_FILE_NAME],
    ),
  );
  const texts: string[] = [];
  for (const name of (await namesIn(folder)).reverse()) {
    const text = await Deno.readTextFile(folder.file(name));
    assert.ok(text.length <= 1000, `${name} has ${text.length} bytes`);
    texts.push(text);
  }
  const numbers = texts.join("").trimEnd().split("\n").map((l) =>
    Number(l.match(/line (\d+)$/)?.[1])
  );
  assert.equal(numbers.at(-1), 199);
  numbers.forEach((number, i) => assert.equal(number, (numbers[0] ?? NaN) + i));
});

Deno.test("startLogging() with 0 kept starts the file over and keeps none", async () => {
  await using folder = await TempFolder.make();
  const logging = await startLogging(configOf({ directory: folder.path, maxBytes: 1000, keep: 0 }));
  await writeMany(logging, 200);
  assert.deepEqual(await namesIn(folder), [LOG_FILE_NAME]);
  const text = await Deno.readTextFile(folder.file(LOG_FILE_NAME));
  assert.ok(text.length <= 1000, `${text.length} bytes`);
  assert.match(text, /line 199\n$/);
  assert.doesNotMatch(text, /may be missing/);
});

Deno.test("startLogging() with maxBytes 0 never rotates, and goes on where it ended", async () => {
  await using folder = await TempFolder.make();
  for (let run = 0; run < 2; run++) {
    await writeMany(
      await startLogging(configOf({ directory: folder.path, maxBytes: 0, keep: 0 })),
      100,
    );
  }
  assert.deepEqual(await namesIn(folder), [LOG_FILE_NAME]);
  const text = await Deno.readTextFile(folder.file(LOG_FILE_NAME));
  assert.equal(text.trimEnd().split("\n").length, 200);
});

Deno.test("startLogging() loses nothing in a burst larger than what it writes at once", async () => {
  await using folder = await TempFolder.make();
  const logging = await startLogging(configOf({ directory: folder.path, maxBytes: 10e6 }));
  for (let i = 0; i < 5000; i++) logging.log.info(`line ${i}`);
  await logging.stop();
  const lines = (await Deno.readTextFile(folder.file(LOG_FILE_NAME))).trimEnd().split("\n");
  assert.equal(lines.length, 5000);
  lines.forEach((line, i) => assert.ok(line.endsWith(`\tline ${i}`), line));
});

Deno.test("startLogging() continues in a new file when its file was moved away", async () => {
  await using folder = await TempFolder.make();
  const memory = memoryConsole();
  const logging = await startLogging(configOf({ directory: folder.path }, { use: true }), {
    writeConsole: memory.write,
  });
  logging.log.info("before");
  await logging.flush();
  await Deno.rename(folder.file(LOG_FILE_NAME), folder.file("taken"));
  logging.log.info("after");
  await logging.flush();
  await logging.stop();
  assert.match(await Deno.readTextFile(folder.file("taken")), /before\n$/);
  assert.match(await Deno.readTextFile(folder.file(LOG_FILE_NAME)), /after\n/);
  assert.match(memory.text(), /Lines may be missing in the log file ".*external_server.log"/);
});

Deno.test("startLogging() survives a directory that vanishes, and reports it", async () => {
  await using folder = await TempFolder.make();
  const directory = folder.file("log");
  const memory = memoryConsole();
  const logging = await startLogging(configOf({ directory }, { use: true }), {
    writeConsole: memory.write,
  });
  logging.log.info("before");
  await logging.flush();
  await Deno.remove(directory, { recursive: true });
  for (let i = 0; i < 5; i++) {
    logging.log.info("during");
    await logging.flush();
  }
  assert.equal(memory.text().match(/Cannot open the log file/g)?.length, 1);
  await Deno.mkdir(directory);
  logging.log.info("after");
  await logging.stop();
  assert.match(await Deno.readTextFile(`${directory}/${LOG_FILE_NAME}`), /after\n$/);
});

Deno.test("startLogging() names a directory it cannot write to", async () => {
  await using folder = await TempFolder.make();
  const file = await folder.write("file", "");
  for (const directory of [`${file}/below`, "/proc/none"]) {
    await assert.rejects(
      startLogging(configOf({ directory })),
      (error: Error) =>
        error instanceof LogDirectoryError && error.message.includes(`"${directory}"`),
    );
  }
});

Deno.test("startLogging() refuses a pipe in place of its file: opening it would take forever", async () => {
  await using folder = await TempFolder.make();
  const config = configOf({ directory: folder.path }, { use: true });
  await folder.pipe(LOG_FILE_NAME);
  await assert.rejects(startLogging(config), LogDirectoryError);
  await Deno.remove(folder.file(LOG_FILE_NAME));
  const memory = memoryConsole();
  const logging = await startLogging(config, { writeConsole: memory.write });
  logging.log.info("before");
  await logging.flush();
  await Deno.remove(folder.file(LOG_FILE_NAME));
  await folder.pipe(LOG_FILE_NAME);
  logging.log.info("after");
  await logging.flush();
  await logging.stop();
  assert.match(
    memory.text(),
    /Cannot open the log file ".*external_server.log": is a pipe, not a regular file/,
  );
});

Deno.test("stop() does not wait for a console that nobody reads", async () => {
  const logging = await startLogging(configOf({ use: false }, { use: true }), {
    writeConsole: () => new Promise<number>(() => {}),
    // Time that has passed as soon as anyone waits for it.
    clock: {
      now: () => 0,
      set: (callback) => setTimeout(callback, 0),
      clear: (handle) => clearTimeout(handle as ReturnType<typeof setTimeout>),
    },
  });
  logging.log.error("unread");
  await waitFor(logging.stop(), "the end of the logger");
});

Deno.test("info() carries on when the console is gone", async () => {
  const logging = await startLogging(configOf({ use: false }, { use: true }), {
    writeConsole: () => Promise.reject(new Deno.errors.BrokenPipe("gone")),
  });
  logging.log.error("lost");
  logging.log.error("lost as well");
  await waitFor(logging.stop(), "the end of the logger");
});
